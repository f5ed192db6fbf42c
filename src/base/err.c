#include "base/err.h"

#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *text;
    int exit_status;
    enum hfp_retry retry;
} codes[] = {
#define X(name, exit_status, retry, text) { #name, text, exit_status, retry },
    HFP_CODES(X)
#undef X
};

static const char *const states[] = {
#define X(name, text) text,
    HFP_STATES(X)
#undef X
};

static const char *const waits[] = {
#define X(name, text) text,
    HFP_WAITS(X)
#undef X
};

static unsigned code_index(enum hfp_code code)
{
    return (unsigned)code < HFP_CODE_COUNT ? (unsigned)code : HFP_E_INTERNAL;
}

const char *hfp_code_text(enum hfp_code code)
{
    return codes[code_index(code)].text;
}

const char *hfp_code_name(enum hfp_code code)
{
    return codes[code_index(code)].name;
}

int hfp_exit_status(enum hfp_code code)
{
    return codes[code_index(code)].exit_status;
}

enum hfp_retry code_retry(enum hfp_code code)
{
    return codes[code_index(code)].retry;
}

const char *hfp_state_text(enum hfp_state state)
{
    return (unsigned)state < HFP_STATE_COUNT ? states[state] : "unknown";
}

const char *hfp_wait_text(enum hfp_wait wait)
{
    return (unsigned)wait < HFP_WAIT_COUNT ? waits[wait] : "unknown";
}

/* File names and servers' words come in from outside: none of them may steer a terminal, whoever prints this. */
static void make_harmless(struct hfp_err *err)
{
    char raw[sizeof err->message];
    memcpy(raw, err->message, sizeof raw);
    utf8_show(err->message, sizeof err->message, raw);
}

PRINTF(5, 0)
static void err_fill(struct hfp_err *err, enum hfp_code code, int errnum, int status, const char *fmt, va_list ap)
{
    if (!err)
        return;
    err->code = code;
    err->sys_errno = errnum;
    err->http_status = status;
    vsnprintf(err->message, sizeof err->message, fmt, ap);
    make_harmless(err);
}

int err_set(struct hfp_err *err, enum hfp_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_fill(err, code, 0, 0, fmt, ap);
    va_end(ap);
    return code;
}

int err_http(struct hfp_err *err, enum hfp_code code, int status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_fill(err, code, 0, status, fmt, ap);
    va_end(ap);
    return code;
}

int err_sys(struct hfp_err *err, enum hfp_code code, int errnum, const char *fmt, ...)
{
    if (errnum == ENOSPC)
        code = HFP_E_NO_SPACE;
    else if (errnum == EDQUOT)
        code = HFP_E_QUOTA;
    else if (errnum == ENOMEM)
        code = HFP_E_NOMEM;
    va_list ap;
    va_start(ap, fmt);
    err_fill(err, code, errnum, 0, fmt, ap);
    va_end(ap);
    if (err) {
        size_t used = strlen(err->message);
        char text[128];
        snprintf(err->message + used, sizeof err->message - used, ": %s", strerror_r(errnum, text, sizeof text));
    }
    return code;
}

int err_nomem(struct hfp_err *err)
{
    return err_set(err, HFP_E_NOMEM, "out of memory");
}

int err_wrap(struct hfp_err *err, const char *fmt, ...)
{
    if (!err)
        return HFP_E_INTERNAL;
    char context[256], old[sizeof err->message];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(context, sizeof context, fmt, ap);
    va_end(ap);
    memcpy(old, err->message, sizeof old);
    int n = snprintf(err->message, sizeof err->message, "%s: ", context);
    if (n > 0 && (size_t)n < sizeof err->message)
        snprintf(err->message + n, sizeof err->message - (size_t)n, "%.*s", (int)(sizeof err->message) - n - 1, old);
    make_harmless(err);
    return err->code;
}
