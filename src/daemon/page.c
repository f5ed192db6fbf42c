#include "daemon/page.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool page_here(void)
{
    return page_files[0].path != NULL;
}

const struct page_file *page_find(const char *path)
{
    for (const struct page_file *f = page_files; f->path; f++)
        if (strcmp(f->path, path) == 0)
            return f;
    return NULL;
}

/* Of one element of n bytes: "gzip;q=0" says no, without a weight it is 1 (RFC 9110 12.4.2). */
static bool weighs_nothing(const char *element, size_t n)
{
    const char *q = memchr(element, ';', n);
    if (!q)
        return false;
    q += 1 + strspn(q + 1, " \t");
    return strncasecmp(q, "q=", 2) == 0 && strtod(q + 2, NULL) <= 0;
}

bool page_takes_gzip(const char *accept_encoding)
{
    const char *s = accept_encoding ? accept_encoding : "";
    while (*s) {
        s += strspn(s, ", \t");
        size_t n = strcspn(s, ","), name = strcspn(s, ",; \t");
        if (name == 4 && strncasecmp(s, "gzip", 4) == 0)
            return !weighs_nothing(s, n);
        s += n;
    }
    return false;
}

bool page_same(const char *if_none_match, const char *etag)
{
    const char *s = if_none_match ? if_none_match : "";
    if (strcmp(s, "*") == 0)
        return true;
    while (*s) {
        s += strspn(s, ", \t");
        size_t n = strcspn(s, ",");
        const char *tag = strncmp(s, "W/", 2) == 0 ? s + 2 : s;
        size_t len = (size_t)(s + n - tag);
        while (len > 0 && (tag[len - 1] == ' ' || tag[len - 1] == '\t'))
            len--;
        if (len == strlen(etag) && memcmp(tag, etag, len) == 0)
            return true;
        s += n;
    }
    return false;
}
