#include "front/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NS_PER_S 1000000000ULL

/* A decimal number with an optional fraction, times scale, without floating point: 64 bits stay exact. */
static bool scaled_parse(uint64_t *out, const char **text, size_t digits, uint64_t scale)
{
    const char *s = *text;
    uint64_t whole = 0;
    size_t i = 0;
    for (; i < digits && s[i] != '.'; i++)
        if (__builtin_mul_overflow(whole, 10, &whole) || __builtin_add_overflow(whole, (uint64_t)(s[i] - '0'), &whole))
            return false;
    uint64_t value;
    if (__builtin_mul_overflow(whole, scale, &value))
        return false;
    unsigned __int128 part = 0;
    uint64_t tens = 1;
    for (i = i < digits ? i + 1 : i; i < digits && tens < NS_PER_S;
         i++) { /* nine places: more is below one byte or ns */
        part = part * 10 + (unsigned)(s[i] - '0');
        tens *= 10;
    }
    if (__builtin_add_overflow(value, (uint64_t)(part * scale / tens), &value))
        return false;
    *text += digits;
    *out = value;
    return true;
}

/* Length of "12", "1.5" or ".5" at s; 0 when there is none. */
static size_t number_length(const char *s)
{
    size_t whole = strspn(s, "0123456789");
    if (s[whole] != '.')
        return whole;
    size_t fraction = strspn(s + whole + 1, "0123456789");
    return fraction ? whole + 1 + fraction : 0;
}

bool number_parse(uint64_t *out, const char *text)
{
    size_t n = strspn(text, "0123456789");
    uint64_t value;
    if (n == 0 || text[n] || !scaled_parse(&value, &text, n, 1))
        return false;
    *out = value;
    return true;
}

static const struct {
    const char *name;
    uint64_t bytes;
} size_names[] = {
    { "", 1 },
    { "B", 1 },
    { "K", 1ULL << 10 },
    { "M", 1ULL << 20 },
    { "G", 1ULL << 30 },
    { "T", 1ULL << 40 },
    { "KiB", 1ULL << 10 },
    { "MiB", 1ULL << 20 },
    { "GiB", 1ULL << 30 },
    { "TiB", 1ULL << 40 },
    { "KB", 1000 },
    { "MB", 1000000 },
    { "GB", 1000000000 },
    { "TB", 1000000000000 },
};

static bool size_parse_n(uint64_t *out, const char *text, size_t len)
{
    size_t digits = number_length(text);
    if (digits == 0 || digits > len)
        return false;
    const char *name = text + digits;
    size_t n = len - digits;
    if (n > 1 && *name == ' ') { /* "1.5 MB" */
        name++;
        n--;
    }
    for (size_t i = 0; i < sizeof size_names / sizeof *size_names; i++) {
        if (strlen(size_names[i].name) == n && strncasecmp(size_names[i].name, name, n) == 0)
            return scaled_parse(out, &text, digits, size_names[i].bytes);
    }
    return false;
}

bool size_parse(uint64_t *out_bytes, const char *text)
{
    return size_parse_n(out_bytes, text, strlen(text));
}

bool rate_parse(uint64_t *out_bytes_per_s, const char *text)
{
    if (strcasecmp(text, "off") == 0) {
        *out_bytes_per_s = 0;
        return true;
    }
    size_t n = strlen(text);
    if (n > 2 && strcmp(text + n - 2, "/s") == 0)
        n -= 2;
    return size_parse_n(out_bytes_per_s, text, n);
}

static const struct {
    const char *name;
    uint64_t ns;
} time_names[] = {
    { "ms", NS_PER_S / 1000 }, { "s", NS_PER_S },         { "m", 60 * NS_PER_S },
    { "h", 3600 * NS_PER_S },  { "d", 86400 * NS_PER_S },
};

bool duration_parse(uint64_t *out_ns, const char *text)
{
    uint64_t total = 0, part = 0;
    size_t digits = number_length(text);
    if (digits && !text[digits]) { /* a bare number is seconds */
        if (!scaled_parse(&total, &text, digits, NS_PER_S))
            return false;
        *out_ns = total;
        return true;
    }
    do {
        digits = number_length(text);
        size_t n = strspn(text + digits, "dhms"), found = sizeof time_names / sizeof *time_names;
        for (size_t i = 0; i < sizeof time_names / sizeof *time_names; i++)
            if (strlen(time_names[i].name) == n && strncmp(time_names[i].name, text + digits, n) == 0)
                found = i;
        if (digits == 0 || found == sizeof time_names / sizeof *time_names ||
            !scaled_parse(&part, &text, digits, time_names[found].ns) || __builtin_add_overflow(total, part, &total))
            return false;
        text += n;
    } while (*text);
    *out_ns = total;
    return true;
}

static const struct size_unit units[] = {
    { "kB", 1000 }, { "MB", 1000000 }, { "GB", 1000000000 }, { "TB", 1000000000000 }
};

/* value / unit with so many decimals, rounded to nearest; 128 bits, so that no size overflows. */
static char *quotient(char out[static UNIT_TEXT], uint64_t value, uint64_t unit, unsigned decimals)
{
    unsigned scale = decimals == 2 ? 100 : 10;
    unsigned __int128 wide = ((unsigned __int128)value * scale + unit / 2) / unit;
    uint64_t n = (uint64_t)wide;
    snprintf(out, UNIT_TEXT, decimals == 2 ? "%" PRIu64 ".%02u" : "%" PRIu64 ".%u", n / scale, (unsigned)(n % scale));
    return out;
}

struct size_unit size_unit_for(uint64_t total_bytes)
{
    unsigned i = 0;
    /* 999.996 MB would print as 1000.00 MB: the next unit takes over where rounding reaches it. */
    while (i < 3 && total_bytes >= units[i + 1].bytes - units[i].bytes / 200)
        i++;
    return units[i];
}

char *size_number_in(char out[static UNIT_TEXT], uint64_t bytes, struct size_unit unit)
{
    return quotient(out, bytes, unit.bytes, 2);
}

char *size_text_in(char out[static UNIT_TEXT], uint64_t bytes, struct size_unit unit)
{
    size_number_in(out, bytes, unit);
    strcat(strcat(out, " "), unit.name); /* at most 20 digits, point, two, blank, two */
    return out;
}

char *size_text(char out[static UNIT_TEXT], uint64_t bytes)
{
    return size_text_in(out, bytes, size_unit_for(bytes));
}

char *size_text_short(char out[static UNIT_TEXT], uint64_t bytes)
{
    struct size_unit unit = size_unit_for(bytes);
    if (bytes / unit.bytes < 100)
        return size_text_in(out, bytes, unit);
    snprintf(out, UNIT_TEXT, "%" PRIu64 " %s", bytes / unit.bytes, unit.name);
    return out;
}

char *block_text(char out[static UNIT_TEXT], uint64_t bytes)
{
    if (bytes % (1U << 20) == 0 && bytes > 0)
        snprintf(out, UNIT_TEXT, "%" PRIu64 " MiB", bytes >> 20);
    else
        size_text(out, bytes);
    return out;
}

char *rate_text(char out[static UNIT_TEXT], uint64_t bytes_per_s)
{
    unsigned i = bytes_per_s == 0 ? 1 : 0; /* nothing at all is 0.0 MB/s, as in the log */
    while (i < 2 && bytes_per_s >= units[i + 1].bytes - units[i].bytes / 20)
        i++;
    quotient(out, bytes_per_s, units[i].bytes, 1);
    strcat(strcat(strcat(out, " "), units[i].name), "/s");
    return out;
}

char *rate_text_log(char out[static UNIT_TEXT], uint64_t bytes_per_s)
{
    /* MB/s is the contract with whoever parses these lines, even where it rounds to 0.0: the ETA tells that it moves. */
    quotient(out, bytes_per_s, 1000000, 1);
    strcat(out, " MB/s");
    return out;
}

char *duration_text(char out[static UNIT_TEXT], uint64_t s)
{
    if (s < 60)
        snprintf(out, UNIT_TEXT, "%" PRIu64 "s", s);
    else if (s < 3600)
        snprintf(out, UNIT_TEXT, "%" PRIu64 "m%02us", s / 60, (unsigned)(s % 60));
    else if (s < 86400)
        snprintf(out, UNIT_TEXT, "%" PRIu64 "h%02um", s / 3600, (unsigned)(s / 60 % 60));
    else
        snprintf(out, UNIT_TEXT, "%" PRIu64 "d%02uh", s / 86400, (unsigned)(s / 3600 % 24));
    return out;
}

char *elapsed_text(char out[static UNIT_TEXT], uint64_t ns)
{
    if (ns >= 10 * NS_PER_S)
        return duration_text(out, ns / NS_PER_S);
    snprintf(out, UNIT_TEXT, "%u.%us", (unsigned)(ns / NS_PER_S), (unsigned)(ns / (NS_PER_S / 10) % 10));
    return out;
}

char *wait_duration_text(char out[static UNIT_TEXT], uint64_t ns)
{
    uint64_t s = ns / NS_PER_S;
    if (s >= 60)
        return duration_text(out, s);
    snprintf(out, UNIT_TEXT, "%" PRIu64 " s", s);
    return out;
}

unsigned permille(uint64_t part, uint64_t total)
{
    if (part >= total)
        return 1000;
    unsigned p = (unsigned)(((unsigned __int128)part * 1000 + total / 2) / total);
    return p > 999 ? 999 : p;
}
