/* Config files: `long-option = value`, one a line, # begins a comment. Unknown keys are errors, so that a slip of the
 * pen does not silently change nothing. */
#include "front/options.h"

#include "front/files.h"
#include "front/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_MAX_BYTES (1U << 20) /* some hundred options; more is not a config file */

static char *trim(char *s)
{
    s += strspn(s, " \t\r");
    size_t n = strlen(s);
    while (n > 0 && strchr(" \t\r", s[n - 1]))
        n--;
    s[n] = '\0';
    return s;
}

/* "token = x" or "quiet" alone, which means true. A # inside a value belongs to it unless a blank stands before. */
static void split(char *line, char **key, char **value)
{
    for (char *hash = line; (hash = strchr(hash, '#')) != NULL; hash++) {
        if (hash == line || hash[-1] == ' ' || hash[-1] == '\t') {
            *hash = '\0';
            break;
        }
    }
    char *equals = strchr(line, '=');
    if (equals)
        *equals = '\0';
    *key = trim(line);
    *value = equals ? trim(equals + 1) : NULL;
}

static int set_line(struct options *o, enum option_source source, const char *place, char *line, struct hfp_err *err)
{
    char *key, *value;
    split(line, &key, &value);
    if (!*key && !value)
        return HFP_OK;
    char *rest = key + strcspn(key, " \t");
    bool more = *rest; /* "token hf_...": where the = was forgotten a secret may stand, which is not to be shown */
    *rest = '\0';
    enum option_id id = option_find(key, strlen(key));
    if (id == OPT_NONE)
        return fault(err, HFP_E_ARG, "%s: no option '%s'. hf-pull --help lists all.", place, key);
    const struct option_row *row = &option_rows[id];
    if (row->where == WHERE_LINE)
        return fault(err, HFP_E_ARG, "%s: '%s' works on the command line only.", place, key);
    if (more || (!value && row->kind != OPTION_FLAG))
        return fault(err, HFP_E_ARG, "%s: '%s' needs a value: %s = %s.", place, key, key,
                     row->value ? row->value : "true");
    char where[512];
    snprintf(where, sizeof where, "%s: %s", place, key);
    if (row->kind != OPTION_PATH)
        return option_set(o, id, source, where, value ? value : "true", err);
    char *path = path_expand(value, getenv);
    int rc = path ? option_set(o, id, source, where, path, err) : fault_nomem(err);
    free(path);
    return rc;
}

int options_read_config(struct options *o, enum option_source source, const char *path, struct hfp_err *err)
{
    char *text = NULL;
    int rc = file_read(&text, path, CONFIG_MAX_BYTES, false, err);
    if (rc == HFP_E_NO_FILE)
        return HFP_OK;
    unsigned number = 0;
    char *rest = text;
    while (rc == HFP_OK && rest) {
        char *line = strsep(&rest, "\n"), place[400];
        snprintf(place, sizeof place, "%s:%u", path, ++number);
        rc = set_line(o, source, place, line, err);
    }
    free(text);
    return rc;
}

/* $XDG_CONFIG_HOME/hf-pull/config, ~/.config when that is unset or empty (XDG Base Directory 0.8). */
static char *user_config(void)
{
    const char *home = getenv("XDG_CONFIG_HOME");
    char *folder = home && *home == '/' ? strdup(home) : path_expand("~/.config", getenv);
    char *path = folder ? path_join(folder, "hf-pull/config") : NULL;
    free(folder);
    return path;
}

int options_read(struct options *o, int argc, char **argv, struct hfp_err *err)
{
    if (options_read_line(o, argc, argv, err))
        return err->code;
    if (o->want_help || o->want_version) /* these work whatever the other places say */
        return HFP_OK;
    if (options_read_environment(o, getenv, err))
        return err->code;
    char *user = user_config();
    int rc = user ? options_read_config(o, FROM_USER, user, err) : fault_nomem(err);
    free(user);
    if (rc || options_read_config(o, FROM_SYSTEM, "/etc/hf-pull/config", err) || options_defaults(o, err))
        return err->code;
    if (options_check(o, err))
        return err->code;
    return options_token(o, getenv, err);
}
