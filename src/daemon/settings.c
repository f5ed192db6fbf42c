#include "daemon/settings.h"

#include "daemon/body.h"
#include "front/text.h"
#include "front/timetable.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ROUND_S (26 * 3600) /* all of a timetable comes by in it: a day, and what a change of summer time adds */

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

static bool timetable_fine(const char *text)
{
    struct timetable t;
    return !*text || timetable_parse(&t, text);
}

static const struct text_row {
    const char *name;
    size_t at, room;
    bool (*check)(const char *text);
    const char *wrong;
} text_rows[] = {
#define X(name_, room_, check_, wrong_, text)                                                                          \
    { .name = #name_, .at = offsetof(struct settings, name_), .room = room_, .check = check_, .wrong = wrong_ },
    SETTINGS_TEXT(X)
#undef X
};
#define TEXT_ROWS (sizeof text_rows / sizeof *text_rows)

static const struct list_row {
    const char *name;
    size_t at, room;
    const char *fallback;
    int (*read)(char *text, size_t room, const cJSON *item, const char *name, const char *was, struct hfp_err *err);
    void (*json)(struct out *o, const char *name, const char *text);
    bool (*fine)(const char *text);
} list_rows[] = {
#define X(name_, room_, fallback_, kind_, most_, schema_, text)                                                        \
    { #name_, offsetof(struct settings, name_), room_, fallback_, kind_##_read, kind_##_json, kind_##_fine },
    SETTINGS_LIST(X)
#undef X
};
#define LIST_ROWS (sizeof list_rows / sizeof *list_rows)

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
    *s = (struct settings){ 0 };
    for (size_t i = 0; i < ROWS; i++)
        *value_of(s, &rows[i]) = rows[i].fallback;
    for (size_t i = 0; i < LIST_ROWS; i++)
        strcpy((char *)s + list_rows[i].at, list_rows[i].fallback);
}

static const struct row *find(const char *name)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

static const struct text_row *find_text(const char *name)
{
    for (size_t i = 0; i < TEXT_ROWS; i++)
        if (strcmp(text_rows[i].name, name) == 0)
            return &text_rows[i];
    return NULL;
}

static const struct list_row *find_list(const char *name)
{
    for (size_t i = 0; i < LIST_ROWS; i++)
        if (strcmp(list_rows[i].name, name) == 0)
            return &list_rows[i];
    return NULL;
}

static bool set_text(struct settings *s, const struct text_row *row, const char *value)
{
    if (strlen(value) >= row->room || !text_plain(value) || !row->check(value))
        return false;
    strcpy((char *)s + row->at, value);
    return true;
}

void settings_restore(struct settings *s, const char *name, const char *value)
{
    const struct row *row = find(name);
    const struct text_row *text = find_text(name);
    const struct list_row *list = find_list(name);
    uint64_t n;
    if (list && strlen(value) < list->room && list->fine(value))
        strcpy((char *)s + list->at, value);
    if (text)
        set_text(s, text, value);
    if (row && number_parse(&n, value) && n >= (uint64_t)row->least && n <= (uint64_t)row->most)
        *value_of(s, row) = n;
}

int settings_change(struct settings *s, const cJSON *o, struct hfp_err *err)
{
    struct settings changed = *s;
    for (const cJSON *item = o->child; item; item = item->next) {
        const struct row *row = find(item->string);
        const struct text_row *text = find_text(item->string);
        const struct list_row *list = find_list(item->string);
        const char *value = cJSON_GetStringValue(item);
        int64_t n;
        if (list &&
            list->read((char *)&changed + list->at, list->room, item, list->name, (const char *)s + list->at, err))
            return err->code;
        if (text && (!value || !set_text(&changed, text, value)))
            return fault(err, HFP_E_ARG, "%s: %s.", text->name, text->wrong);
        if (text || list)
            continue;
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
    for (size_t i = 0; i < TEXT_ROWS; i++)
        out_text(o, text_rows[i].name, (const char *)s + text_rows[i].at);
    for (size_t i = 0; i < LIST_ROWS; i++)
        list_rows[i].json(o, list_rows[i].name, (const char *)s + list_rows[i].at);
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
    for (size_t i = 0; i < TEXT_ROWS; i++) {
        const char *was = (const char *)a + text_rows[i].at, *is = (const char *)b + text_rows[i].at;
        if (strcmp(was, is) != 0)
            keep(ctx, text_rows[i].name, is);
    }
    for (size_t i = 0; i < LIST_ROWS; i++) {
        const char *was = (const char *)a + list_rows[i].at, *is = (const char *)b + list_rows[i].at;
        if (strcmp(was, is) != 0)
            keep(ctx, list_rows[i].name, is);
    }
}

static uint64_t lower(uint64_t a, uint64_t b)
{
    return a && (!b || a < b) ? a : b;
}

/* An entry of the timetable behind which the same limit holds on, for the other one is the lower, changes nothing. */
uint64_t settings_limit(int64_t *until_unix_s, const struct settings *s, int64_t unix_s)
{
    struct timetable t = { 0 };
    uint64_t limit = s->limit_bytes_per_s, next = 0;
    *until_unix_s = INT64_MAX;
    if (!*s->timetable || !timetable_parse(&t, s->timetable))
        return limit;
    uint64_t now = lower(timetable_limit(&t, unix_s), limit);
    int64_t at = unix_s;
    do
        at = timetable_change(&next, &t, at);
    while (at < unix_s + ROUND_S && lower(next, limit) == now);
    if (at < unix_s + ROUND_S)
        *until_unix_s = at;
    return now;
}
