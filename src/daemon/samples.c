#include "daemon/samples.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct sample {
    int64_t unix_s;
    uint64_t bytes_per_s, limit_bytes_per_s;
};

struct stall {
    int64_t from_unix_s, to_unix_s;
    char reason[120];
};

struct samples {
    struct sample at[SAMPLES_MAX];
    unsigned n;
    unsigned step_s;
    struct stall *stall;
    unsigned stalls;
    bool stalled; /* the last of them lasts */
    /* the step under way */
    bool begun;
    int64_t from_unix_s;
    uint64_t from_bytes;
};

struct samples *samples_new(void)
{
    struct samples *s = calloc(1, sizeof *s);
    if (s)
        s->step_s = 1;
    return s;
}

void samples_free(struct samples *s)
{
    if (s)
        free(s->stall);
    free(s);
}

/* Neighbours become their mean; the later time stands for both. */
static void thin(struct samples *s)
{
    for (unsigned i = 0; i + 1 < s->n; i += 2) {
        const struct sample *a = &s->at[i], *b = &s->at[i + 1];
        s->at[i / 2] = (struct sample){ b->unix_s, a->bytes_per_s / 2 + b->bytes_per_s / 2, b->limit_bytes_per_s };
    }
    s->n /= 2;
    s->step_s *= 2;
}

void samples_add(struct samples *s, int64_t unix_s, uint64_t recorded_bytes, uint64_t limit_bytes_per_s)
{
    if (!s->begun || unix_s < s->from_unix_s) { /* the first, or the clock was set back */
        s->begun = true;
        s->from_unix_s = unix_s;
        s->from_bytes = recorded_bytes;
        return;
    }
    uint64_t passed_s = (uint64_t)(unix_s - s->from_unix_s);
    if (passed_s < s->step_s)
        return;
    uint64_t bytes = recorded_bytes > s->from_bytes ? recorded_bytes - s->from_bytes : 0;
    if (s->n == SAMPLES_MAX)
        thin(s);
    s->at[s->n++] = (struct sample){ unix_s, bytes / passed_s, limit_bytes_per_s };
    s->from_unix_s = unix_s;
    s->from_bytes = recorded_bytes;
}

void samples_gap(struct samples *s)
{
    s->begun = false;
}

static void take_reason(struct stall *t, const char *reason)
{
    size_t n = strnlen(reason, sizeof t->reason - 1);
    memcpy(t->reason, reason, n);
    t->reason[n] = '\0';
}

void samples_stall(struct samples *s, int64_t from_unix_s, const char *reason)
{
    if (s->stalled)
        take_reason(&s->stall[s->stalls - 1], reason);
    if (s->stalled || s->stalls == STALLS_MAX)
        return;
    if (!s->stall && !(s->stall = calloc(STALLS_MAX, sizeof *s->stall)))
        return;
    struct stall *t = &s->stall[s->stalls++];
    s->stalled = true;
    t->from_unix_s = from_unix_s;
    take_reason(t, reason);
}

void samples_stall_end(struct samples *s, int64_t to_unix_s, const char *reason)
{
    if (!s->stalled)
        return;
    struct stall *t = &s->stall[s->stalls - 1];
    s->stalled = false;
    t->to_unix_s = to_unix_s;
    if (*reason)
        take_reason(t, reason);
}

void samples_json(struct out *o, const struct samples *s, int64_t now_unix_s)
{
    out_object(o, NULL);
    out_u64(o, "step_s", s->step_s);
    out_list(o, "samples");
    for (unsigned i = 0; i < s->n; i++)
        out_fmt(o, "%s[%" PRId64 ",%" PRIu64 ",%" PRIu64 "]", i ? "," : "", s->at[i].unix_s, s->at[i].bytes_per_s,
                s->at[i].limit_bytes_per_s);
    out_list_end(o);
    out_list(o, "stalls");
    for (unsigned i = 0; i < s->stalls; i++) {
        out_list(o, NULL);
        out_i64(o, NULL, s->stall[i].from_unix_s);
        out_i64(o, NULL, s->stalled && i + 1 == s->stalls ? now_unix_s : s->stall[i].to_unix_s);
        out_text(o, NULL, s->stall[i].reason);
        out_list_end(o);
    }
    out_list_end(o);
    out_object_end(o);
}

static double number_at(const cJSON *list, int i)
{
    const cJSON *item = cJSON_GetArrayItem(list, i);
    return cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble < 9e15 ? item->valuedouble : 0;
}

struct samples *samples_read(const char *json)
{
    cJSON *root = cJSON_Parse(json);
    struct samples *s = root ? samples_new() : NULL;
    const cJSON *step = cJSON_GetObjectItemCaseSensitive(root, "step_s"), *one;
    if (s && cJSON_IsNumber(step) && step->valueint >= 1)
        s->step_s = (unsigned)step->valueint;
    cJSON_ArrayForEach (one, cJSON_GetObjectItemCaseSensitive(root, "samples")) {
        if (s && s->n < SAMPLES_MAX)
            s->at[s->n++] =
                (struct sample){ (int64_t)number_at(one, 0), (uint64_t)number_at(one, 1), (uint64_t)number_at(one, 2) };
    }
    cJSON_ArrayForEach (one, cJSON_GetObjectItemCaseSensitive(root, "stalls")) {
        const char *reason = cJSON_GetStringValue(cJSON_GetArrayItem(one, 2));
        if (!s)
            continue;
        samples_stall(s, (int64_t)number_at(one, 0), reason ? reason : "");
        samples_stall_end(s, (int64_t)number_at(one, 1), "");
    }
    cJSON_Delete(root);
    return s;
}
