#include "rules.h"

#include "base/auto.h"
#include "gen.h"
#include "text.h"

#include <fnmatch.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct ruleset {
    cJSON *json;
    struct {
        const cJSON *match, *act;
        uint64_t hits;
    } rule[RULES_MAX];
    size_t count, users;
};

struct rules {
    pthread_mutex_t lock;
    struct ruleset *now;
};

/* A misspelt order would be a test that cannot fail, so every word must be known. */
static const char *const match_words[] = { "on",        "kind",      "path",   "repo", "addr", "method",
                                           "min_first", "max_first", "ranged", "nth",  "from", "to",
                                           "every",     "conn_nth",  "p",      "seed", NULL };
static const char *const act_words[] = { "status",
                                         "headers",
                                         "body",
                                         "html",
                                         "html_length",
                                         "html_type",
                                         "delay_ms",
                                         "accept_only",
                                         "reset_after",
                                         "close_after",
                                         "reset_every",
                                         "stall_after",
                                         "stall_ms",
                                         "pause",
                                         "creep",
                                         "rate",
                                         "flip",
                                         "garbage",
                                         "short",
                                         "ignore_range",
                                         "content_range",
                                         "content_range_shift",
                                         "body_shift",
                                         "no_length",
                                         "chunked",
                                         "gzip",
                                         "etag",
                                         "linked_etag",
                                         "linked_size",
                                         "commit",
                                         "location",
                                         "location_base",
                                         "expire",
                                         "expire_after_ms",
                                         "forbid_forever",
                                         "refuse",
                                         "http429",
                                         "cut_head",
                                         "page",
                                         "edit",
                                         "separate",
                                         "per_url",
                                         "exact_range",
                                         "blanks",
                                         NULL };

static const char *unknown_word(const cJSON *object, const char *const *words)
{
    const cJSON *item;
    cJSON_ArrayForEach (item, object) {
        size_t i = 0;
        while (words[i] && strcmp(words[i], item->string) != 0)
            i++;
        if (!words[i])
            return item->string;
    }
    return NULL;
}

static void set_free(struct ruleset *s)
{
    cJSON_Delete(s->json);
    free(s);
}

static char *say(const char *what, const char *which)
{
    struct text t = { 0 };
    text_addf(&t, "%s%s%s", what, which ? ": " : "", which ? which : "");
    return t.p;
}

static char *set_fill(struct ruleset *s, const char *json)
{
    s->json = cJSON_Parse(json);
    if (!cJSON_IsArray(s->json))
        return say("rules are not a JSON array", NULL);
    const cJSON *one;
    cJSON_ArrayForEach (one, s->json) {
        if (s->count == RULES_MAX)
            return say("too many rules", NULL);
        const cJSON *match = cJSON_GetObjectItemCaseSensitive(one, "match");
        const cJSON *act = cJSON_GetObjectItemCaseSensitive(one, "do");
        static const char *const top[] = { "match", "do", "note", NULL };
        const char *odd = unknown_word(one, top);
        odd = odd ? odd : unknown_word(match, match_words);
        odd = odd ? odd : unknown_word(act, act_words);
        if (odd)
            return say("unknown word in a rule", odd);
        if (!cJSON_IsObject(act) || (match && !cJSON_IsObject(match)))
            return say("a rule needs \"do\", and \"match\" is an object", NULL);
        s->rule[s->count].match = match;
        s->rule[s->count++].act = act;
    }
    return NULL;
}

bool rules_replace(struct rules *r, const char *json, char **wrong)
{
    struct ruleset *s = must_alloc(sizeof(*s));
    s->users = 1;
    char *bad = set_fill(s, json);
    if (bad) {
        set_free(s);
        *wrong = bad;
        return false;
    }
    pthread_mutex_lock(&r->lock);
    struct ruleset *old = r->now;
    r->now = s;
    bool last = --old->users == 0;
    pthread_mutex_unlock(&r->lock);
    if (last)
        set_free(old);
    return true;
}

struct rules *rules_new(void)
{
    struct rules *r = must_alloc(sizeof(*r));
    pthread_mutex_init(&r->lock, NULL);
    r->now = must_alloc(sizeof(*r->now));
    r->now->users = 1;
    return r;
}

void rules_free(struct rules *r)
{
    if (!r)
        return;
    set_free(r->now);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

/* A text that is one of those asked for; an array means any of them. */
static bool text_fits(const cJSON *asked, const char *is, bool glob)
{
    if (!asked)
        return true;
    const cJSON *one;
    if (cJSON_IsArray(asked)) {
        cJSON_ArrayForEach (one, asked)
            if (text_fits(one, is, glob))
                return true;
        return false;
    }
    if (!cJSON_IsString(asked) || !is)
        return false;
    return glob ? fnmatch(asked->valuestring, is, 0) == 0 : !strcmp(asked->valuestring, is);
}

uint64_t whole_number(const cJSON *n)
{
    return cJSON_IsNumber(n) && n->valuedouble >= 0 && n->valuedouble <= 0x1p53 ? (uint64_t)n->valuedouble : 0;
}

static bool count_fits(const cJSON *asked, uint64_t is)
{
    const cJSON *one;
    if (!asked)
        return true;
    if (!cJSON_IsArray(asked))
        return cJSON_IsNumber(asked) && whole_number(asked) == is;
    cJSON_ArrayForEach (one, asked)
        if (count_fits(one, is))
            return true;
    return false;
}

static const cJSON *word(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* "any" is every kind of request; the start of a connection has to be named. */
static bool kind_fits(const cJSON *asked, const char *kind)
{
    if (!asked || (cJSON_IsString(asked) && !strcmp(asked->valuestring, "any")))
        return strcmp(kind, "connect") != 0;
    return text_fits(asked, kind, false);
}

static bool sees(const cJSON *m, const struct sight *s)
{
    const cJSON *low = word(m, "min_first"), *high = word(m, "max_first"), *ranged = word(m, "ranged");
    const cJSON *path = word(m, "path");
    return text_fits(word(m, "on"), s->on, false) && kind_fits(word(m, "kind"), s->kind) &&
           (text_fits(path, s->file, true) || text_fits(path, s->url_path, true)) &&
           text_fits(word(m, "repo"), s->repo, true) && text_fits(word(m, "addr"), s->addr, true) &&
           text_fits(word(m, "method"), s->method, false) && count_fits(word(m, "conn_nth"), s->conn_nth) &&
           (!low || (double)s->first >= low->valuedouble) && (!high || (double)s->first <= high->valuedouble) &&
           (!ranged || cJSON_IsTrue(ranged) == s->ranged);
}

/* n: the how-manieth match of this rule, from 1. */
static bool due(const cJSON *m, uint64_t n)
{
    const cJSON *from = word(m, "from"), *to = word(m, "to"), *every = word(m, "every"), *p = word(m, "p");
    const cJSON *seed = word(m, "seed");
    if (!count_fits(word(m, "nth"), n) || (from && (double)n < from->valuedouble) ||
        (to && (double)n > to->valuedouble))
        return false;
    if (whole_number(every) && n % whole_number(every) != 0)
        return false;
    if (!p)
        return true;
    uint64_t dice = gen_word(seed ? whole_number(seed) : 1, n) >> 11;
    return (double)dice * 0x1p-53 < p->valuedouble;
}

void rules_judge(struct rules *r, const struct sight *s, struct fault *out)
{
    *out = (struct fault){ 0 };
    pthread_mutex_lock(&r->lock);
    struct ruleset *set = r->now;
    for (size_t i = 0; i < set->count && out->count < FAULT_LAYERS_MAX; i++) {
        if (!sees(set->rule[i].match, s) || !due(set->rule[i].match, ++set->rule[i].hits))
            continue;
        out->index[out->count] = (int)i;
        out->layers[out->count++] = set->rule[i].act;
    }
    if (out->count) {
        out->from = r;
        out->held = set;
        set->users++;
    }
    pthread_mutex_unlock(&r->lock);
}

void fault_free(struct fault *f)
{
    if (!f->held)
        return;
    pthread_mutex_lock(&f->from->lock);
    bool last = --f->held->users == 0;
    pthread_mutex_unlock(&f->from->lock);
    if (last)
        set_free(f->held);
    *f = (struct fault){ 0 };
}

const cJSON *fault_item(const struct fault *f, const char *action)
{
    const cJSON *found = NULL;
    for (size_t i = f->count; i-- && !found;)
        found = word(f->layers[i], action);
    return found;
}

double fault_num(const struct fault *f, const char *action, double none)
{
    const cJSON *n = fault_item(f, action);
    if (!cJSON_IsNumber(n))
        return none;
    return MAX(-0x1p53, MIN(0x1p53, n->valuedouble)); /* so that it fits any integer it is cast to */
}

uint64_t fault_count(const struct fault *f, const char *action)
{
    return whole_number(fault_item(f, action));
}

const char *fault_text(const struct fault *f, const char *action)
{
    const cJSON *s = fault_item(f, action);
    return cJSON_IsString(s) ? s->valuestring : NULL;
}

bool fault_on(const struct fault *f, const char *action)
{
    const cJSON *b = fault_item(f, action);
    return b && !cJSON_IsFalse(b) && !cJSON_IsNull(b) && !(cJSON_IsNumber(b) && b->valuedouble == 0);
}
