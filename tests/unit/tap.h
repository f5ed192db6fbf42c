/* tap.h: the Test Anything Protocol in one header. A test names the promise it checks.
 *
 *   int main(void) { CHECK(1 + 1 == 2, "numbers add up"); return tap_end(); } */
#ifndef HFP_TESTS_TAP_H
#define HFP_TESTS_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static unsigned tap_count, tap_failed;

__attribute__((format(printf, 4, 5))) static inline bool tap_check(bool ok, const char *file, int line, const char *fmt,
                                                                   ...)
{
    char name[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    for (char *c = name; *c; c++)
        if ((unsigned char)*c < ' ') /* a row's own line feed must not look like a line of ours */
            *c = '?';
    printf("%s %u - %s\n", ok ? "ok" : "not ok", ++tap_count, name);
    if (!ok) {
        tap_failed++;
        printf("# at %s:%d\n", file, line);
    }
    fflush(stdout);
    return ok;
}

#define CHECK(cond, ...) tap_check((cond), __FILE__, __LINE__, __VA_ARGS__)
#define CHECK_STR(got, want, ...)                                                                                      \
    do {                                                                                                               \
        const char *tap_got = (got), *tap_want = (want);                                                               \
        if (!tap_check(strcmp(tap_got, tap_want) == 0, __FILE__, __LINE__, __VA_ARGS__))                               \
            printf("# got \"%s\", want \"%s\"\n", tap_got, tap_want);                                                  \
    } while (0)
#define CHECK_U64(got, want, ...)                                                                                      \
    do {                                                                                                               \
        unsigned long long tap_got = (got), tap_want = (want);                                                         \
        if (!tap_check(tap_got == tap_want, __FILE__, __LINE__, __VA_ARGS__))                                          \
            printf("# got %llu, want %llu\n", tap_got, tap_want);                                                      \
    } while (0)

static inline int tap_end(void)
{
    printf("1..%u\n", tap_count);
    if (tap_count == 0)
        printf("# no checks ran\n");
    return tap_failed || tap_count == 0 ? 1 : 0;
}

#endif
