#include "resolve/patterns.h"

#include "base/utf8.h"

#include <string.h>

/* One pattern and what is asked about it many times. */
struct pattern {
    const char *last_close; /* the last ']': a '[' behind it stands for itself, without looking ahead each time */
    bool open_end;          /* a trailing '/' means all below */
};

static bool is_slash(char c)
{
    return c == '/' || c == '\\';
}

/* One code point; a backslash counts as '/' (huggingface_hub utils/_paths.py, _normalize_separators). */
static size_t take(uint32_t *out, const char *s)
{
    size_t n = utf8_next(out, s);
    if (n > 0 && *out == '\\')
        *out = '/';
    return n;
}

/* Where the brackets that open before s end, or NULL when they do not. The first ']' is a member, also after '!'. */
static const char *class_end(const struct pattern *p, const char *s)
{
    if (*s == '!')
        s++;
    if (*s == ']')
        s++;
    return p->last_close && s <= p->last_close ? strchr(s, ']') : NULL;
}

/* A set as Python's fnmatch.translate builds it (CPython 3.9 and later): a '-' between two members makes a range,
 * unless the first of them is a leading '!'; an empty range vanishes with both its ends; and '!' negates when it comes
 * first in what is left, which is why it is looked for here and not before. */
struct set {
    uint32_t wanted;
    bool hit, negated, begun;
};

static void set_single(struct set *set, uint32_t c)
{
    if (!set->begun && c == '!')
        set->negated = true;
    else
        set->hit |= c == set->wanted;
    set->begun = true;
}

static void set_range(struct set *set, uint32_t low, uint32_t high)
{
    if (low > high)
        return;
    if (!set->begun && low == '!') { /* what was the range's '-' is now a plain member */
        set_single(set, low);
        set_single(set, '-');
        set_single(set, high);
        return;
    }
    set->hit |= low <= set->wanted && set->wanted <= high;
    set->begun = true;
}

static bool set_has(const char *s, const char *end, uint32_t wanted)
{
    struct set set = { .wanted = wanted };
    const char *behind_bang = *s == '!' ? s + 1 : NULL;
    while (s < end) {
        uint32_t low, high;
        s += take(&low, s);
        if (*s == '-' && s != behind_bang && s + 1 < end) {
            s++;
            s += take(&high, s);
            set_range(&set, low, high);
        } else {
            set_single(&set, low);
        }
    }
    return set.hit != set.negated;
}

/* Does the first sign of the pattern take the first code point of the path? Both move on only then. */
static bool match_one(const struct pattern *p, const char **sign, const char **path)
{
    uint32_t want, have;
    const char *s = *sign, *end;
    size_t taken = take(&have, *path);
    if (taken == 0 || *s == 0)
        return false;
    if (*s == '[' && (end = class_end(p, s + 1)) != NULL) {
        if (!set_has(s + 1, end, have))
            return false;
        *sign = end + 1;
    } else {
        s += take(&want, s);
        if (want != '?' && want != have)
            return false;
        *sign = s;
    }
    *path += taken;
    return true;
}

bool pattern_match(const char *pattern, const char *path)
{
    size_t n = strlen(pattern);
    struct pattern p = { strrchr(pattern, ']'), n > 0 && is_slash(pattern[n - 1]) };
    const char *sign = pattern, *star = NULL, *star_path = path;
    /* Only the last star is ever widened: an earlier one could give nothing that it cannot. So the work is at most
     * pattern times path, whatever the pattern. */
    for (;;) {
        if (*sign == '*') {
            star = ++sign;
            star_path = path;
        } else if (*sign == 0 && (p.open_end || *path == 0)) {
            return true;
        } else if (!match_one(&p, &sign, &path)) {
            uint32_t c;
            if (!star || *path == 0)
                return false;
            star_path += utf8_next(&c, star_path);
            path = star_path;
            sign = star;
        }
    }
}

static bool any_match(const char *const *patterns, const char *path)
{
    for (; *patterns; patterns++)
        if (pattern_match(*patterns, path))
            return true;
    return false;
}

static bool any_name(const char *const *names, const char *path)
{
    for (; *names; names++) {
        size_t n = strlen(*names);
        bool folder = n > 0 && (*names)[n - 1] == '/';
        if (folder ? strncmp(path, *names, n) == 0 : strcmp(path, *names) == 0)
            return true;
    }
    return false;
}

bool filter_wants(const struct filter *f, const char *path)
{
    if (f->paths && *f->paths)
        return any_name(f->paths, path);
    if (f->include && *f->include && !any_match(f->include, path))
        return false;
    return !f->exclude || !any_match(f->exclude, path);
}
