#include "front/options.h"

#include "front/notify.h"
#include "front/text.h"
#include "front/timetable.h"
#include "front/units.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LIST_MAX 10000 /* patterns or addresses; more is a mistake, not a wish */

const struct option_row option_rows[OPT_COUNT] = {
#define X(id, short_, long_, other_, kind_, value_, default_, group_, where_, add_, help_)                             \
    [OPT_##id] = { .short_name = short_,                                                                               \
                   .long_name = long_,                                                                                 \
                   .other_name = other_,                                                                               \
                   .kind = OPTION_##kind_,                                                                             \
                   .value = value_,                                                                                    \
                   .fallback = default_,                                                                               \
                   .group = GROUP_##group_,                                                                            \
                   .where = WHERE_##where_,                                                                            \
                   .add = ADD_##add_,                                                                                  \
                   .help = help_ },
    CLI_OPTIONS(X)
#undef X
};

const char *const group_titles[GROUP_COUNT] = {
#define X(id, title) [GROUP_##id] = title,
    CLI_GROUPS(X)
#undef X
};

const struct environment_row environment_rows[] = {
#define X(name_, option_, help_) { .name = name_, .option = OPT_##option_, .help = help_ },
    CLI_ENVIRONMENT(X)
#undef X
};
const size_t environment_count = sizeof environment_rows / sizeof *environment_rows;

const struct verb_row verb_rows[] = {
#define X(id, word_, help_) { .verb = HFP_##id, .word = word_, .help = help_ },
    CLI_VERBS(X)
#undef X
};
const size_t verb_count = sizeof verb_rows / sizeof *verb_rows;

const struct command_row command_rows[] = {
#define X(id, word_, help_) { .command = COMMAND_##id, .word = word_, .help = help_ },
    CLI_COMMANDS(X)
#undef X
};
const size_t command_count = sizeof command_rows / sizeof *command_rows;

bool truth(const char *text)
{
    return strcmp(text, "1") == 0 || strcasecmp(text, "on") == 0 || strcasecmp(text, "yes") == 0 ||
           strcasecmp(text, "true") == 0;
}

static bool falsehood(const char *text)
{
    return strcmp(text, "0") == 0 || strcasecmp(text, "off") == 0 || strcasecmp(text, "no") == 0 ||
           strcasecmp(text, "false") == 0;
}

static bool names(const char *name, const char *asked, size_t n)
{
    return name && strlen(name) == n && memcmp(name, asked, n) == 0;
}

enum option_id option_find(const char *long_name, size_t n)
{
    for (unsigned i = 0; i < OPT_COUNT; i++)
        if (names(option_rows[i].long_name, long_name, n) || names(option_rows[i].other_name, long_name, n))
            return (enum option_id)i;
    return OPT_NONE;
}

void options_notice(struct options *o, const char *text)
{
    for (size_t i = 0; i < o->notices_n; i++)
        if (strcmp(o->notices[i], text) == 0)
            return;
    if (o->notices_n < NOTICES_MAX)
        o->notices[o->notices_n++] = text;
}

static int set_text(struct option_value *v, const char *text, struct hfp_err *err)
{
    char *copy = strdup(text);
    if (!copy)
        return fault_nomem(err);
    free(v->text);
    v->text = copy;
    return HFP_OK;
}

static int add_to_list(struct option_value *v, const char *where, const char *text, struct hfp_err *err)
{
    if (v->list_n >= LIST_MAX)
        return fault(err, HFP_E_ARG, "%s: more than %d values.", where, LIST_MAX);
    char **list = realloc(v->list, (v->list_n + 2) * sizeof *list);
    if (!list)
        return fault_nomem(err);
    v->list = list;
    char *copy = strdup(text);
    if (!copy)
        return fault_nomem(err);
    list[v->list_n++] = copy;
    list[v->list_n] = NULL;
    return HFP_OK;
}

/* The value column of a CHOICE is its words: "auto|bar|log". */
static bool choice_find(uint64_t *out, const char *words, const char *text)
{
    size_t n = strlen(text);
    for (uint64_t i = 0;; i++) {
        size_t len = strcspn(words, "|");
        if (len == n && memcmp(words, text, n) == 0) {
            *out = i;
            return true;
        }
        if (!words[len])
            return false;
        words += len + 1;
    }
}

/* Kept as text: what it means depends on the time of day. */
static int set_rate(struct option_value *v, const char *where, const char *text, struct hfp_err *err)
{
    struct timetable t;
    if (timetable_parse(&t, text))
        return set_text(v, text, err);
    return fault(err, HFP_E_ARG, "%s: '%s' is not a rate. Examples: 2M, 500K, 1.5MB, or '08:00,2M 20:00,off'.", where,
                 text);
}

static int set_flag(struct option_value *v, const char *where, const char *text, bool lenient, struct hfp_err *err)
{
    if (truth(text))
        v->number = 1;
    else if (lenient || falsehood(text)) /* Python takes every other word in the environment for false */
        v->number = 0;
    else
        return fault(err, HFP_E_ARG, "%s: '%s' is neither true nor false.", where, text);
    return HFP_OK;
}

static int set_number(struct option_value *v, const struct option_row *row, const char *where, const char *text,
                      struct hfp_err *err)
{
    switch (row->kind) {
    case OPTION_NUMBER:
        if (number_parse(&v->number, text) && v->number <= UINT32_MAX)
            return HFP_OK;
        return fault(err, HFP_E_ARG, "%s: '%s' is not a number. Examples: 4, 16.", where, text);
    case OPTION_SIZE:
        if (size_parse(&v->number, text))
            return HFP_OK;
        return fault(err, HFP_E_ARG, "%s: '%s' is not a size. Examples: 16M, 512K, 50MB.", where, text);
    case OPTION_TIME:
        if (duration_parse(&v->number, text))
            return HFP_OK;
        return fault(err, HFP_E_ARG, "%s: '%s' is not a time. Examples: 30, 30s, 5m.", where, text);
    default:
        if (choice_find(&v->number, row->value, text))
            return HFP_OK;
        return fault(err, HFP_E_ARG, "%s: '%s' is not one of %s.", where, text, row->value);
    }
}

int option_set(struct options *o, enum option_id id, enum option_source source, const char *where, const char *text,
               struct hfp_err *err)
{
    struct option_value *v = &o->v[id];
    const struct option_row *row = &option_rows[id];
    if (v->source > source || (v->source == source && source == FROM_ENVIRONMENT))
        return HFP_OK; /* of two names in the environment the upper one wins */
    v->source = source;
    switch (row->kind) {
    case OPTION_FLAG:
        return set_flag(v, where, text, source == FROM_ENVIRONMENT, err);
    case OPTION_COUNT:
        v->number++;
        return HFP_OK;
    case OPTION_RATE:
        return set_rate(v, where, text, err);
    case OPTION_LIST:
    case OPTION_TARGETS:
        return add_to_list(v, where, text, err);
    case OPTION_TEXT:
    case OPTION_SECRET:
    case OPTION_PATH:
        return set_text(v, text, err);
    case OPTION_ACTION:
    case OPTION_OLD:
    case OPTION_OLD_VALUE:
        v->number = 1;
        return HFP_OK;
    default:
        return set_number(v, row, where, text, err);
    }
}

int options_defaults(struct options *o, struct hfp_err *err)
{
    for (unsigned i = 0; i < OPT_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        if (*row->fallback && option_set(o, (enum option_id)i, FROM_DEFAULT, row->long_name, row->fallback, err))
            return err->code;
    }
    return HFP_OK;
}

/* Two that exclude each other in one source; in two sources the higher one wins. */
static int exclusive(struct options *o, enum option_id a, enum option_id b, struct hfp_err *err)
{
    struct option_value *va = &o->v[a], *vb = &o->v[b];
    bool texts = option_rows[a].kind == OPTION_SECRET;
    if (texts ? !va->text || !vb->text : !va->number || !vb->number)
        return HFP_OK;
    if (va->source == vb->source)
        return fault(err, HFP_E_ARG, "--%s and --%s exclude each other.", option_rows[a].long_name,
                     option_rows[b].long_name);
    struct option_value *loser = va->source < vb->source ? va : vb;
    loser->number = 0;
    free(loser->text);
    loser->text = NULL;
    return HFP_OK;
}

static int check_ranges(struct options *o, struct hfp_err *err)
{
    enum { WORKERS_MAX = 16 }; /* what struct hfp_config takes */
    struct option_value *workers = &o->v[OPT_MAX_WORKERS], *chunk = &o->v[OPT_CHUNK_SIZE];
    if (workers->number > WORKERS_MAX) {
        workers->number = WORKERS_MAX;
        options_notice(o, "--max-workers: more than 16 connections gain nothing; 16 are used at most.");
    }
    if (chunk->number < 1U << 20) /* the unit of recording is 1 MiB */
        return fault(err, HFP_E_ARG, "--chunk-size: the least is 1M, the unit in which bytes are recorded.");
    if (o->v[OPT_LOG_INTERVAL].number < 1000000000ULL)
        return fault(err, HFP_E_ARG, "--log-interval: the least is 1 second.");
    return HFP_OK;
}

static int check_verb(struct options *o, struct hfp_err *err)
{
    bool validate = option_on(o, OPT_VALIDATE_ONLY), dry = option_on(o, OPT_DRY_RUN);
    if (validate && dry)
        return fault(err, HFP_E_ARG, "--validate-only and --dry-run exclude each other.");
    enum hfp_verb asked = validate ? HFP_VERIFY : HFP_PLAN;
    if ((validate || dry) && o->verb_given && o->verb != HFP_PULL && o->verb != asked)
        return fault(err, HFP_E_ARG, "--%s does not go with the verb %s.", validate ? "validate-only" : "dry-run",
                     verb_rows[o->verb].word);
    if (validate || dry)
        o->verb = asked;
    if (o->verb != HFP_PULL && o->verb != HFP_PLAN && option_on(o, OPT_FORCE_DOWNLOAD))
        return fault(err, HFP_E_ARG, "--force-download does not go with the verb %s.", verb_rows[o->verb].word);
    return HFP_OK;
}

/* The config file says where to, the command line whether at all. */
static int check_notify(struct options *o, struct hfp_err *err)
{
    struct option_value *v = &o->v[OPT_NOTIFY];
    unsigned events;
    if (!notify_events_parse(&events, o->v[OPT_NOTIFY_ON].text))
        return fault(err, HFP_E_ARG,
                     "--notify-on: '%s' is none of started, stalled, recovered, done, failed, disk_low, all.",
                     o->v[OPT_NOTIFY_ON].text);
    if (v->number && v->list_n == 0)
        return fault(err, HFP_E_ARG,
                     "--notify: the config file names no address. Give --notify=URL, or put a line "
                     "'notify = URL' into it.");
    v->number = v->number || (v->source == FROM_LINE && v->list_n);
    struct notify_target t;
    struct hfp_err why = { 0 };
    for (size_t i = 0; v->number && i < v->list_n; i++)
        if (notify_target_parse(&t, v->list[i], true, &why))
            return fault(err, HFP_E_ARG, "--notify: %s.", why.message);
    return HFP_OK;
}

int options_check(struct options *o, struct hfp_err *err)
{
    if (exclusive(o, OPT_IPV4, OPT_IPV6, err) || exclusive(o, OPT_TOKEN, OPT_TOKEN_FILE, err) ||
        exclusive(o, OPT_QUIET, OPT_VERBOSE, err))
        return err->code;
    if (option_on(o, OPT_OFFLINE) && option_on(o, OPT_FORCE_DOWNLOAD))
        return fault(err, HFP_E_ARG, "--force-download needs the network, and %s forbids it.",
                     o->v[OPT_OFFLINE].source == FROM_ENVIRONMENT ? "HF_HUB_OFFLINE" : "--offline");
    if (check_ranges(o, err) || check_verb(o, err) || check_notify(o, err))
        return err->code;
    if (o->v[OPT_RESUME_DOWNLOAD].number)
        options_notice(o, "--resume-download has no effect: hf-pull always resumes.");
    if (o->v[OPT_USE_SYMLINKS].number)
        options_notice(o, "--local-dir-use-symlinks has no effect: files in --local-dir are always real files.");
    return HFP_OK;
}

void options_done(struct options *o)
{
    for (unsigned i = 0; i < OPT_COUNT; i++) {
        for (size_t k = 0; k < o->v[i].list_n; k++)
            free(o->v[i].list[k]);
        free(o->v[i].list);
        free(o->v[i].text);
    }
    free(o->args);
    free(o->hub_cache);
    free(o->token_path);
    free(o->state_dir);
    free(o->user_agent);
    free(o->ca_dir);
    free(o->token);
    *o = (struct options){ 0 };
}
