/* Each libcurl call that can fail does, with what it would say for want of memory. The clock runs faster for the engine,
 * and its waits are shorter, so that retries after seconds do not make this slow. */
#include "inject.h"

#include "base/clock.h"

#include <curl/curl.h>
#include <stdarg.h>

#define FASTER 20 /* 1, 2 and 5 s between tries become 50, 100 and 250 ms; a busy machine still does not look stalled */

#define WRAP(kind, failed, type, name, parameters, ...)                                                                \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        return call_fails(kind, NULL) ? failed : __real_##name(__VA_ARGS__);                                           \
    }

/* Constants of curl.h are macros and enums: the functions, not the type-checking macros of the same name. */
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

WRAP(K_EASY_INIT, NULL, CURL *, curl_easy_init, (void))
WRAP(K_EASY_PAUSE, CURLE_OUT_OF_MEMORY, CURLcode, curl_easy_pause, (CURL * e, int bits), e, bits)
WRAP(K_MULTI_INIT, NULL, CURLM *, curl_multi_init, (void))
WRAP(K_MULTI_ADD, CURLM_OUT_OF_MEMORY, CURLMcode, curl_multi_add_handle, (CURLM * m, CURL *e), m, e)
WRAP(K_MULTI_PERFORM, CURLM_OUT_OF_MEMORY, CURLMcode, curl_multi_perform, (CURLM * m, int *running), m, running)
WRAP(K_URL, NULL, CURLU *, curl_url, (void))
WRAP(K_URL_SET, CURLUE_OUT_OF_MEMORY, CURLUcode, curl_url_set,
     (CURLU * u, CURLUPart part, const char *s, unsigned flags), u, part, s, flags)
WRAP(K_URL_GET, CURLUE_OUT_OF_MEMORY, CURLUcode, curl_url_get,
     (const CURLU *u, CURLUPart part, char **out, unsigned flags), u, part, out, flags)
WRAP(K_SLIST_APPEND, NULL, struct curl_slist *, curl_slist_append, (struct curl_slist * list, const char *s), list, s)

/* It takes the handle out all the same: a handle that stays in is a defect of libcurl, not a failure. */
CURLMcode __real_curl_multi_remove_handle(CURLM *m, CURL *e);
CURLMcode __wrap_curl_multi_remove_handle(CURLM *m, CURL *e);
CURLMcode __wrap_curl_multi_remove_handle(CURLM *m, CURL *e)
{
    bool fails = call_fails(K_MULTI_REMOVE, NULL);
    CURLMcode rc = __real_curl_multi_remove_handle(m, e);
    return fails ? CURLM_INTERNAL_ERROR : rc;
}

CURLMcode __real_curl_multi_poll(CURLM *m, struct curl_waitfd fds[], unsigned n, int ms, int *ready);
CURLMcode __wrap_curl_multi_poll(CURLM *m, struct curl_waitfd fds[], unsigned n, int ms, int *ready);
CURLMcode __wrap_curl_multi_poll(CURLM *m, struct curl_waitfd fds[], unsigned n, int ms, int *ready)
{
    return call_fails(K_MULTI_POLL, NULL) ? CURLM_OUT_OF_MEMORY
                                          : __real_curl_multi_poll(m, fds, n, (ms + FASTER - 1) / FASTER, ready);
}

/* The last argument is passed on as the type it has: curl.h gives each kind of option a range of 10,000 numbers. */
#define PASS_ON(call, ap, option)                                                                                      \
    ((option) >= CURLOPTTYPE_OFF_T && (option) < CURLOPTTYPE_BLOB ? call(va_arg(ap, curl_off_t))                       \
     : (option) >= CURLOPTTYPE_OBJECTPOINT                        ? call(va_arg(ap, void *))                           \
                                                                  : call(va_arg(ap, long)))

CURLcode __real_curl_easy_setopt(CURL *e, CURLoption option, ...);
CURLcode __wrap_curl_easy_setopt(CURL *e, CURLoption option, ...);
CURLcode __wrap_curl_easy_setopt(CURL *e, CURLoption option, ...)
{
    if (call_fails(K_EASY_SETOPT, NULL))
        return CURLE_OUT_OF_MEMORY;
    va_list ap;
    va_start(ap, option);
#define CALL(value) __real_curl_easy_setopt(e, option, value)
    CURLcode rc = PASS_ON(CALL, ap, (int)option);
#undef CALL
    va_end(ap);
    return rc;
}

CURLMcode __real_curl_multi_setopt(CURLM *m, CURLMoption option, ...);
CURLMcode __wrap_curl_multi_setopt(CURLM *m, CURLMoption option, ...);
CURLMcode __wrap_curl_multi_setopt(CURLM *m, CURLMoption option, ...)
{
    if (call_fails(K_MULTI_SETOPT, NULL))
        return CURLM_OUT_OF_MEMORY;
    va_list ap;
    va_start(ap, option);
#define CALL(value) __real_curl_multi_setopt(m, option, value)
    CURLMcode rc = PASS_ON(CALL, ap, (int)option);
#undef CALL
    va_end(ap);
    return rc;
}

CURLcode __real_curl_easy_getinfo(CURL *e, CURLINFO info, ...);
CURLcode __wrap_curl_easy_getinfo(CURL *e, CURLINFO info, ...);
CURLcode __wrap_curl_easy_getinfo(CURL *e, CURLINFO info, ...)
{
    va_list ap;
    va_start(ap, info);
    void *out = va_arg(ap, void *);
    va_end(ap);
    return call_fails(K_EASY_GETINFO, NULL) ? CURLE_UNKNOWN_OPTION : __real_curl_easy_getinfo(e, info, out);
}

struct clock_now __real_clock_read(void);
struct clock_now __wrap_clock_read(void);
struct clock_now __wrap_clock_read(void)
{
    struct clock_now t = __real_clock_read();
    t.mono_ns *= FASTER;
    t.boot_ns *= FASTER;
    return t;
}
