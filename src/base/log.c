#include "base/log.h"
#include "base/auto.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static bool is_token_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.' || c == '~' || c == '+' || c == '/' ||
           c == '=';
}

/* Replaces the token that stands from at to end by "***"; the text never grows. Returns where to go on. */
static size_t cut_token(char *text, size_t at, size_t end)
{
    if (end - at < 3)
        return end;
    memcpy(text + at, "***", 3);
    memmove(text + at + 3, text + end, strlen(text + end) + 1);
    return at + 3;
}

static bool ends_word(char c)
{
    return c == 0 || isspace((unsigned char)c) || c == '"' || c == '\'';
}

static size_t word_end(const char *text, size_t at)
{
    while (!ends_word(text[at]))
        at++;
    return at;
}

/* "://user:password@": a proxy's URL may carry both. Returns where the host begins. */
static size_t cut_userinfo(char *text, size_t at)
{
    size_t from = at + 3, end = from + strcspn(text + from, "/?#"), host = from;
    size_t word = word_end(text, from);
    for (size_t i = from; i < MIN(end, word); i++)
        if (text[i] == '@')
            host = i + 1;
    if (host - from < 4)
        return host;
    memcpy(text + from, "***@", 4);
    memmove(text + from + 4, text + host, strlen(text + host) + 1);
    return from + 4;
}

/* A signed URL carries its secret in the query: keep what stands before it. */
static size_t cut_query(char *text, size_t at)
{
    size_t end = word_end(text, at);
    if (end - at < 4)
        return end;
    memcpy(text + at, "?...", 4);
    memmove(text + at + 4, text + end, strlen(text + end) + 1);
    return at + 4;
}

/* "?name=": the query of a URL, whole or without scheme and host. */
static bool is_query(const char *text)
{
    size_t n = strspn(text + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.%");
    return text[0] == '?' && n > 0 && text[1 + n] == '=';
}

/* The length of the Hub's token at text[at]; 0: none. */
static size_t token_length(const char *text, size_t at)
{
    if (strncmp(text + at, "hf_", 3) != 0 || (at > 0 && isalnum((unsigned char)text[at - 1])))
        return 0;
    size_t n = strspn(text + at + 3, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
    return n >= 16 ? 3 + n : 0;
}

/* What follows "Bearer " at text[at]. Blanks may come before the token, and the word itself is none. */
static size_t cut_bearer(char *text, size_t at)
{
    while (strncasecmp(text + at, "Bearer ", 7) == 0)
        at += 7 + strspn(text + at + 7, " ");
    size_t end = at;
    while (is_token_char(text[end]))
        end++;
    return cut_token(text, at, end);
}

void log_redact(char *text)
{
    bool in_url = false;
    for (size_t i = 0, n; text[i];) {
        if (ends_word(text[i]))
            in_url = false;
        if (strncmp(text + i, "://", 3) == 0) {
            in_url = true;
            i = cut_userinfo(text, i);
        } else if (text[i] == '?' && (in_url || is_query(text + i))) {
            i = cut_query(text, i);
        } else if (strncasecmp(text + i, "Bearer ", 7) == 0) {
            i = cut_bearer(text, i);
        } else if ((n = token_length(text, i)) > 0) {
            i = cut_token(text, i, i + n);
        } else {
            i++;
        }
    }
}

/* A text that was cut loses its last word: half a token, or a password without its "@", is no longer known as one. */
static void drop_cut_word(char text[LOG_TEXT_MAX])
{
    size_t n = LOG_TEXT_MAX - 4; /* "..." and the NUL */
    while (n > 0 && !ends_word(text[n - 1]))
        n--;
    memcpy(text + n, "...", 4);
}

void log_at(const struct log *log, int level, const char *fmt, ...)
{
    if (!log || !log->sink || level > log->level)
        return;
    char text[LOG_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n >= LOG_TEXT_MAX)
        drop_cut_word(text);
    log_redact(text);
    log->sink(log->ctx, level, text);
}
