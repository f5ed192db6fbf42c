#include "daemon/settings.h"

#include "daemon/body.h"
#include "front/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct row {
    const char *name;
    size_t at;
    int64_t least, most;
    uint64_t fallback;
} rows[] = {
#define X(name_, least_, most_, fallback_, text)                                                                       \
    { .name = #name_, .at = offsetof(struct settings, name_), .least = least_, .most = most_, .fallback = fallback_ },
    SETTINGS(X)
#undef X
};
#define ROWS (sizeof rows / sizeof *rows)

static uint64_t *value_of(struct settings *s, const struct row *row)
{
    return (uint64_t *)(void *)((char *)s + row->at);
}

static uint64_t value_in(const struct settings *s, const struct row *row)
{
    return *(const uint64_t *)(const void *)((const char *)s + row->at);
}

void settings_defaults(struct settings *s)
{
    for (size_t i = 0; i < ROWS; i++)
        *value_of(s, &rows[i]) = rows[i].fallback;
}

static const struct row *find(const char *name)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

void settings_restore(struct settings *s, const char *name, const char *value)
{
    const struct row *row = find(name);
    uint64_t n;
    if (row && number_parse(&n, value) && n >= (uint64_t)row->least && n <= (uint64_t)row->most)
        *value_of(s, row) = n;
}

int settings_change(struct settings *s, const cJSON *o, struct hfp_err *err)
{
    struct settings changed = *s;
    for (const cJSON *item = o->child; item; item = item->next) {
        const struct row *row = find(item->string);
        int64_t n;
        if (!row)
            return fault(err, HFP_E_ARG, "%.100s: there is no such setting, or it can only be read.", item->string);
        if (body_integer(&n, item, row->name, row->least, row->most, err))
            return err->code;
        *value_of(&changed, row) = (uint64_t)n;
    }
    *s = changed;
    return HFP_OK;
}

void settings_json(struct out *o, const struct settings *s)
{
    for (size_t i = 0; i < ROWS; i++)
        out_u64(o, rows[i].name, value_in(s, &rows[i]));
}

void settings_differ(const struct settings *a, const struct settings *b,
                     void (*keep)(void *ctx, const char *name, const char *value), void *ctx)
{
    for (size_t i = 0; i < ROWS; i++) {
        char digits[24];
        if (value_in(a, &rows[i]) == value_in(b, &rows[i]))
            continue;
        snprintf(digits, sizeof digits, "%" PRIu64, value_in(b, &rows[i]));
        keep(ctx, rows[i].name, digits);
    }
}
