#include "front/notify_target.h"

#include "front/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *scheme; /* as written */
    enum notify_kind kind;
    const char *http; /* what it becomes */
} schemes[] = {
    { "https://", NOTIFY_WEBHOOK, "https://" },       { "http://", NOTIFY_WEBHOOK, "http://" },
    { "ntfy://", NOTIFY_NTFY, "https://" },           { "ntfy+https://", NOTIFY_NTFY, "https://" },
    { "ntfy+http://", NOTIFY_NTFY, "http://" },       { "matrix://", NOTIFY_MATRIX, "https://" },
    { "matrix+https://", NOTIFY_MATRIX, "https://" }, { "matrix+http://", NOTIFY_MATRIX, "http://" },
};
#define SCHEMES (sizeof schemes / sizeof *schemes)
static const char command[] = "cmd:";

static size_t find_scheme(const char *text)
{
    size_t i = 0;
    while (i < SCHEMES && strncasecmp(text, schemes[i].scheme, strlen(schemes[i].scheme)) != 0)
        i++;
    return i;
}

/* The parts of "user:password@host:port/path#fragment". */
struct parts {
    const char *user, *host, *path, *fragment;
    size_t user_n, host_n, path_n;
};

static struct parts split(const char *rest)
{
    struct parts p = { 0 };
    size_t authority = strcspn(rest, "/?#");
    const char *at = memrchr(rest, '@', authority);
    p.user = rest;
    p.user_n = at ? (size_t)(at - rest) : 0;
    p.host = at ? at + 1 : rest;
    p.host_n = authority - (at ? p.user_n + 1 : 0);
    p.path = rest + authority;
    /* A Matrix room is !id:server; a # begins the secret of a webhook. */
    p.path_n = strcspn(p.path, "#");
    p.fragment = p.path[p.path_n] ? p.path + p.path_n + 1 : "";
    return p;
}

void notify_target_shown(char out[static 160], const char *text)
{
    size_t i = find_scheme(text);
    if (strncasecmp(text, command, sizeof command - 1) == 0) {
        const char *word = text + sizeof command - 1;
        word += strspn(word, " ");
        /* A command may begin with an assignment that holds a secret. */
        size_t n = strcspn(word, " =");
        snprintf(out, 160, "cmd:%.*s ...", word[n] == '=' ? 0 : (int)(n < 100 ? n : 100), word);
    } else if (i == SCHEMES) {
        snprintf(out, 160, "(no address)");
    } else {
        struct parts p = split(text + strlen(schemes[i].scheme));
        snprintf(out, 160, "%s%.*s/...", schemes[i].scheme, (int)(p.host_n < 100 ? p.host_n : 100), p.host);
    }
    for (char *c = out; *c; c++) /* it goes into logs as it is */
        if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f)
            *c = '?';
}

/* Everything but RFC 3986's unreserved characters. */
static bool escape(char *out, size_t room, const char *s, size_t n)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c);
        if (at + 4 > room)
            return false;
        if (plain) {
            out[at++] = (char)c;
            continue;
        }
        out[at++] = '%';
        out[at++] = hex[c >> 4];
        out[at++] = hex[c & 15];
    }
    out[at] = '\0';
    return true;
}

static bool host_is_sane(const struct parts *p)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]";
    return p->host_n > 0 && strspn(p->host, allowed) >= p->host_n;
}

static int parse_url(struct notify_target *out, size_t scheme, const char *rest, struct hfp_err *err)
{
    struct parts p = split(rest);
    out->kind = schemes[scheme].kind;
    if (!host_is_sane(&p))
        return fault(err, HFP_E_ARG, "the address has no host");
    if (out->kind == NOTIFY_WEBHOOK && p.user_n)
        return fault(err, HFP_E_ARG, "a webhook takes no user and password; its secret stands behind a #");
    const char *user = p.user;
    size_t user_n = p.user_n;
    if (out->kind == NOTIFY_WEBHOOK) {
        user = p.fragment;
        user_n = strlen(p.fragment);
    } else if (user_n && *user == ':') { /* ":TOKEN@" */
        user++;
        user_n--;
    }
    snprintf(out->secret, sizeof out->secret, "%.*s", (int)user_n, user);
    int path_n = out->kind == NOTIFY_MATRIX ? 0 : (int)p.path_n;
    snprintf(out->url, sizeof out->url, "%s%.*s%.*s", schemes[scheme].http, (int)p.host_n, p.host, path_n, p.path);
    if (out->kind == NOTIFY_WEBHOOK)
        return HFP_OK;
    if (p.path_n < 2)
        return fault(err, HFP_E_ARG,
                     out->kind == NOTIFY_NTFY ? "the address names no topic" : "the address names no room");
    if (out->kind == NOTIFY_MATRIX && !out->secret[0])
        return fault(err, HFP_E_ARG, "the address has no access token: matrix://:TOKEN@HOST/ROOM");
    if (out->kind == NOTIFY_MATRIX && !escape(out->room, sizeof out->room, p.path + 1, p.path_n - 1))
        return fault(err, HFP_E_ARG, "the address is too long");
    return HFP_OK;
}

int notify_target_parse(struct notify_target *out, const char *text, bool trusted, struct hfp_err *err)
{
    struct notify_target t = { 0 };
    size_t scheme = find_scheme(text);
    notify_target_shown(t.shown, text);
    if (strlen(text) >= NOTIFY_URL_MAX)
        return fault(err, HFP_E_ARG, "the address is longer than %d bytes", NOTIFY_URL_MAX - 1);
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return fault(err, HFP_E_ARG, "the address holds a control character");
    if (strncasecmp(text, command, sizeof command - 1) == 0) {
        if (!trusted)
            return fault(err, HFP_E_ARG, "cmd: is for the config file and the command line only");
        t.kind = NOTIFY_COMMAND;
        snprintf(t.url, sizeof t.url, "%s", text + sizeof command - 1);
        if (!t.url[strspn(t.url, " ")])
            return fault(err, HFP_E_ARG, "cmd: names no command");
    } else if (scheme == SCHEMES) {
        return fault(err, HFP_E_ARG, "the address begins with none of https:// http:// ntfy:// matrix://%s",
                     trusted ? " cmd:" : "");
    } else if (strchr(text, ' ')) {
        return fault(err, HFP_E_ARG, "the address holds a blank");
    } else if (parse_url(&t, scheme, text + strlen(schemes[scheme].scheme), err)) {
        return HFP_E_ARG;
    }
    *out = t;
    return HFP_OK;
}
