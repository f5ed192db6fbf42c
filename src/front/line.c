/* The command line: long options with = or a following word, joined short flags, -- ends options. */
#include "front/options.h"

#include "front/text.h"

#include <stdlib.h>
#include <string.h>

/* The nearest option name, when it is near enough to be a slip of the finger. */
static unsigned distance(const char *a, size_t an, const char *b)
{
    enum { WORD = 40 };
    size_t bn = strlen(b);
    unsigned row[WORD + 1];
    if (an > WORD || bn > WORD)
        return WORD;
    for (unsigned j = 0; j <= bn; j++)
        row[j] = j;
    for (unsigned i = 1; i <= an; i++) {
        unsigned corner = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= bn; j++) {
            unsigned change = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            unsigned least = row[j - 1] < row[j] ? row[j - 1] + 1 : row[j] + 1;
            row[j] = change < least ? change : least;
        }
    }
    return row[bn];
}

static int unknown_option(const char *name, size_t n, struct hfp_err *err)
{
    unsigned best = 4; /* further away than this is another word */
    const char *near = NULL;
    for (unsigned i = 0; i < OPT_COUNT; i++) {
        unsigned d = distance(name, n, option_rows[i].long_name);
        if (d < best) {
            best = d;
            near = option_rows[i].long_name;
        }
    }
    if (near)
        return fault(err, HFP_E_ARG, "no option --%.*s. Did you mean --%s? hf-pull --help lists all.", (int)n, name,
                     near);
    return fault(err, HFP_E_ARG, "no option --%.*s. hf-pull --help lists all.", (int)n, name);
}

static bool takes_value(enum option_kind kind)
{
    return kind != OPTION_FLAG && kind != OPTION_COUNT && kind != OPTION_ACTION && kind != OPTION_OLD;
}

struct words {
    int argc, at;
    char **argv;
};

/* A secret is visible in /proc/PID/cmdline for as long as it stands in argv. */
static int set_secret(struct options *o, enum option_id id, const char *where, char *value, struct hfp_err *err)
{
    int rc = option_set(o, id, FROM_LINE, where, value, err);
    memset(value, '*', strlen(value));
    return rc;
}

static int read_value(struct options *o, enum option_id id, struct words *w, char *value, struct hfp_err *err)
{
    const struct option_row *row = &option_rows[id];
    char where[64];
    struct text t;
    text_clear(&t);
    text_fmt(&t, "--%s", row->long_name);
    memcpy(where, t.data, t.len + 1); /* option names are ours and short */
    if (!takes_value(row->kind)) {
        if (value)
            return fault(err, HFP_E_ARG, "%s takes no value.", where);
        o->want_help |= id == OPT_HELP;
        o->want_version |= id == OPT_VERSION;
        return option_set(o, id, FROM_LINE, where, "1", err);
    }
    if (row->kind == OPTION_TARGETS && !value) { /* the config file's; which it has is not known yet */
        o->v[id].number = 1;
        return HFP_OK;
    }
    if (!value && w->at + 1 >= w->argc)
        return fault(err, HFP_E_ARG, "%s needs a value: %s.", where, row->value);
    if (!value)
        value = w->argv[++w->at];
    if (row->kind == OPTION_SECRET || row->kind == OPTION_TARGETS)
        return set_secret(o, id, where, value, err);
    return option_set(o, id, FROM_LINE, where, value, err);
}

static int read_long(struct options *o, struct words *w, struct hfp_err *err)
{
    char *name = w->argv[w->at] + 2, *value = strchr(name, '=');
    size_t n = value ? (size_t)(value - name) : strlen(name);
    enum option_id id = option_find(name, n);
    if (id == OPT_NONE && n > 3 && memcmp(name, "no-", 3) == 0) {
        id = option_find(name + 3, n - 3);
        if (id != OPT_NONE && option_rows[id].kind == OPTION_FLAG && !value)
            return option_set(o, id, FROM_LINE, option_rows[id].long_name, "0", err);
        id = OPT_NONE;
    }
    if (id == OPT_NONE)
        return unknown_option(name, n, err);
    return read_value(o, id, w, value ? value + 1 : NULL, err);
}

static int read_short(struct options *o, struct words *w, struct hfp_err *err)
{
    for (const char *s = w->argv[w->at] + 1; *s; s++) {
        enum option_id id = OPT_NONE;
        for (unsigned i = 0; i < OPT_COUNT; i++)
            if (option_rows[i].short_name == *s)
                id = (enum option_id)i;
        if (id == OPT_NONE)
            return fault(err, HFP_E_ARG, "no option -%c. hf-pull --help lists all.", *s);
        if (read_value(o, id, w, NULL, err))
            return err->code;
    }
    return HFP_OK;
}

/* A verb beats a bare repository id: `hf-pull pull top` pulls top. Only the first word can be one. */
static bool take_verb(struct options *o, const char *word)
{
    if (o->args_n || o->verb_given)
        return false;
    for (size_t i = 0; i < verb_count; i++) {
        if (strcmp(verb_rows[i].word, word) == 0) {
            o->verb = verb_rows[i].verb;
            return o->verb_given = true;
        }
    }
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(command_rows[i].word, word) == 0) {
            o->command = command_rows[i].command;
            return o->verb_given = true;
        }
    }
    return false;
}

int options_read_line(struct options *o, int argc, char **argv, struct hfp_err *err)
{
    struct words w = { .argc = argc, .at = 1, .argv = argv };
    bool only_words = false;
    free(o->args);
    o->args_n = 0;
    o->args = calloc((size_t)argc + 1, sizeof *o->args);
    if (!o->args)
        return fault_nomem(err);
    for (; w.at < argc; w.at++) {
        char *word = argv[w.at];
        int rc = HFP_OK;
        if (only_words || word[0] != '-' || !word[1]) {
            if (only_words || !take_verb(o, word))
                o->args[o->args_n++] = word;
        } else if (strcmp(word, "--") == 0) {
            only_words = true;
        } else {
            rc = word[1] == '-' ? read_long(o, &w, err) : read_short(o, &w, err);
        }
        if (rc)
            return rc;
    }
    return HFP_OK;
}
