/* --help, from the same rows as everything else; 80 columns. */
#include "front/options.h"

#include <string.h>

#define HELP_COLUMN 26
#define HELP_WIDTH 80

static void wrapped(FILE *out, const char *text, size_t at)
{
    while (*text) {
        size_t n = strcspn(text, " ");
        if (at + 1 + n > HELP_WIDTH) {
            fprintf(out, "\n%*s", HELP_COLUMN, "");
            at = HELP_COLUMN;
        }
        if (at > HELP_COLUMN) {
            fputc(' ', out);
            at++;
        }
        fwrite(text, 1, n, out);
        at += n;
        text += n + (text[n] == ' ');
    }
    fputc('\n', out);
}

static void entry(FILE *out, const char *left, const char *help)
{
    size_t n = strlen(left);
    fputs(left, out);
    if (n + 2 > HELP_COLUMN) {
        fputc('\n', out);
        n = 0;
    }
    fprintf(out, "%*s", (int)(HELP_COLUMN - n), "");
    wrapped(out, help, HELP_COLUMN);
}

static void option(FILE *out, const struct option_row *row)
{
    char left[160], help[320];
    int n =
        row->short_name ? snprintf(left, sizeof left, "  -%c, ", row->short_name) : snprintf(left, sizeof left, "  ");
    n += snprintf(left + n, sizeof left - (size_t)n, "--%s", row->long_name);
    if (row->other_name)
        n += snprintf(left + n, sizeof left - (size_t)n, ", --%s", row->other_name);
    if (row->value) /* "--notify[=URL]" */
        snprintf(left + n, sizeof left - (size_t)n, "%s%s", *row->value == '[' ? "" : " ", row->value);
    if (*row->fallback && strcmp(row->fallback, "0") != 0)
        snprintf(help, sizeof help, "%s (default: %s)", row->help, row->fallback);
    else
        snprintf(help, sizeof help, "%s", row->help);
    entry(out, left, help);
}

void options_help(FILE *out)
{
    fputs("hf-pull " HFP_VERSION ": brings Hugging Face repositories here, every byte proved.\n\n"
          "  hf-pull [VERB] [OPTION...] ORG/NAME[@REV][:PATH]...\n\n"
          "Verbs\n",
          out);
    for (size_t i = 0; i < verb_count; i++) {
        char left[40];
        snprintf(left, sizeof left, "  %s", verb_rows[i].word);
        entry(out, left, verb_rows[i].help);
    }
    for (size_t i = 0; i < command_count; i++) {
        char left[40];
        snprintf(left, sizeof left, "  %s", command_rows[i].word);
        entry(out, left, command_rows[i].help);
    }
    for (unsigned g = 0; g < GROUP_COUNT; g++) {
        fprintf(out, "\n%s\n", group_titles[g]);
        for (unsigned i = 0; i < OPT_COUNT; i++)
            if (option_rows[i].group == g)
                option(out, &option_rows[i]);
    }
    fputs("\nExit status\n", out);
#define X(status, text, again) entry(out, "  " status, text);
    CLI_STATUSES(X)
#undef X
    fputs("\nEnvironment: HF_HOME, HF_HUB_CACHE, HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE and\n"
          "the others of the Python client mean the same here.\n"
          "Config: /etc/hf-pull/config, ~/.config/hf-pull/config (long-option = value).\n"
          "More: man hf-pull.\n",
          out);
}
