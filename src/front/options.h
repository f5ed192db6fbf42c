/* front/options.h: what the user asked for, from all places it can be said.
 *
 * Command line beats environment beats user's config file beats system config file beats default. Each source is read
 * once, highest first; a value that is set is never replaced by a lower source. One thread. Texts belong to the struct.
 * The tables are in options.def. */
#ifndef HFP_FRONT_OPTIONS_H
#define HFP_FRONT_OPTIONS_H

#include "front/options.def"
#include "hfp/hfp.h"

#include <stdio.h>

enum option_id {
#define X(id, ...) OPT_##id,
    CLI_OPTIONS(X)
#undef X
        OPT_COUNT,
    OPT_NONE = OPT_COUNT
};

enum option_kind {
    OPTION_FLAG,
    OPTION_COUNT,
    OPTION_TEXT,
    OPTION_SECRET,
    OPTION_PATH,
    OPTION_LIST,
    OPTION_NUMBER,
    OPTION_SIZE,
    OPTION_RATE,
    OPTION_TIME,
    OPTION_CHOICE,
    OPTION_TARGETS,
    OPTION_ACTION,
    OPTION_OLD,
    OPTION_OLD_VALUE
};
enum option_group {
#define X(id, title) GROUP_##id,
    CLI_GROUPS(X)
#undef X
        GROUP_COUNT
};
enum option_where { WHERE_ANY, WHERE_LINE };
enum option_add { ADD_REFUSES, ADD_TAKES };

struct option_row {
    const char *long_name, *other_name, *value, *fallback, *help;
    enum option_kind kind;
    enum option_group group;
    enum option_where where;
    enum option_add add;
    char short_name; /* 0: none */
};
extern const struct option_row option_rows[OPT_COUNT];
extern const char *const group_titles[GROUP_COUNT];

struct environment_row {
    const char *name, *help;
    enum option_id option; /* OPT_NONE: env.c gives it a meaning of its own */
};
extern const struct environment_row environment_rows[];
extern const size_t environment_count;

struct verb_row {
    enum hfp_verb verb;
    const char *word, *help;
};
extern const struct verb_row verb_rows[];
extern const size_t verb_count;

enum command {
    COMMAND_NONE,
#define X(id, word, help) COMMAND_##id,
    CLI_COMMANDS(X)
#undef X
};
struct command_row {
    enum command command;
    const char *word, *help;
};
extern const struct command_row command_rows[];
extern const size_t command_count;

enum log_format { LOG_TEXT, LOG_JSON };                                                         /* as in options.def */
enum progress_kind { PROGRESS_AUTO, PROGRESS_BAR, PROGRESS_LOG, PROGRESS_JSON, PROGRESS_NONE }; /* as in options.def */

enum option_source { FROM_NOWHERE, FROM_DEFAULT, FROM_SYSTEM, FROM_USER, FROM_ENVIRONMENT, FROM_LINE };

struct option_value {
    enum option_source source;
    uint64_t number; /* flags, counts, bytes, ns, index of a choice */
    char *text;
    char **list; /* NULL-terminated or NULL */
    size_t list_n;
};

#define NOTICES_MAX 8

struct options {
    struct option_value v[OPT_COUNT];
    enum hfp_verb verb;
    bool verb_given;
    enum command command; /* instead of a verb; COMMAND_NONE: there is none */
    char **args;          /* the repositories as typed; NULL-terminated */
    size_t args_n;
    bool want_help, want_version;
    /* What only the environment can say. */
    char *hub_cache, *token_path, *state_dir, *user_agent, *ca_dir, *token;
    uint64_t api_timeout_ns;
    bool no_symlinks, no_shared_blobs, no_color;
    const char *notices[NOTICES_MAX]; /* old options that were met, one sentence each */
    size_t notices_n;
};

/* where names the place for the error text: "--timeout", "HF_HUB_DOWNLOAD_TIMEOUT", "/etc/hf-pull/config:3: timeout".
 * Lower sources never replace higher ones; that is no error. HFP_E_ARG says what is wrong and gives examples. */
int option_set(struct options *o, enum option_id id, enum option_source source, const char *where, const char *text,
               struct hfp_err *err);
enum option_id option_find(const char *long_name, size_t n); /* own or other name; OPT_NONE */
void options_notice(struct options *o, const char *text);

/* Reads the command line. Secrets in argv are overwritten after they were copied. */
int options_read_line(struct options *o, int argc, char **argv, struct hfp_err *err);
/* A missing file is fine. */
int options_read_config(struct options *o, enum option_source source, const char *path, struct hfp_err *err);
/* lookup is getenv, or a test's. */
int options_read_environment(struct options *o, char *(*lookup)(const char *name), struct hfp_err *err);
int options_defaults(struct options *o, struct hfp_err *err);
/* Finds the token and puts it into o->token (NULL: none): command line, environment, config files, stored file. */
int options_token(struct options *o, char *(*lookup)(const char *name), struct hfp_err *err);
/* What does not go together, and values out of range. After all sources were read. */
int options_check(struct options *o, struct hfp_err *err);
/* All of the above in the right order. */
int options_read(struct options *o, int argc, char **argv, struct hfp_err *err);
void options_done(struct options *o);

void options_help(FILE *out);

/* The hub folder of the cache, from whichever place named it; owned by o. */
const char *hub_folder(const struct options *o);
/* The engine's view of the options; texts stay owned by o. Makes paths absolute in o. */
int engine_config(struct hfp_config *out, struct options *o, struct hfp_err *err);

static inline bool option_on(const struct options *o, enum option_id id)
{
    return o->v[id].number != 0;
}

/* Python's idea of a true word in the environment (huggingface_hub constants.py): 1, ON, YES, TRUE in any case. */
bool truth(const char *text);

#endif
