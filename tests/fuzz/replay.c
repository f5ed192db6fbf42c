/* replay.c: runs one fuzz target over its corpus, with any compiler: replay_<target> FOLDER
 *
 * A file of the folder is one input as it stands. A file NAME.lines holds one input a line, with \n, \r, \t, \\ and
 * \xHH for what would not be text; a line that begins with # is a remark. Before each input its name is printed, so
 * that a crash can be told; one that takes longer than DEADLINE_S ends the program as a hang. */
#include "fuzz.h"

#include "tap.h"

#include <dirent.h>
#include <unistd.h>

#define DEADLINE_S 60 /* milliseconds are usual; a loaded machine under a sanitizer may take a thousand times that */
#define NAMES_MAX 4096
#define FILE_BYTES_MAX (4u << 20)

/* In memory of its own, not a byte more: sanitizers see each read beyond it. */
static void run_one(const char *name, const uint8_t *data, size_t n)
{
    printf("# %s\n", name);
    fflush(stdout);
    AUTO_FREE uint8_t *own = malloc(n);
    if (n)
        memcpy(own, data, n);
    alarm(DEADLINE_S);
    LLVMFuzzerTestOneInput(own, n);
    alarm(0);
}

static char *file_read_whole(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    char *text = malloc(FILE_BYTES_MAX + 1);
    if (!f || !text) {
        perror(path);
        exit(99);
    }
    *n = fread(text, 1, FILE_BYTES_MAX, f);
    text[*n] = 0;
    fclose(f);
    return text;
}

/* In place; returns the length, or -1 for an escape that is none. */
static ssize_t unescape(char *line)
{
    char *to = line;
    for (const char *s = line; *s; s++) {
        unsigned byte;
        if (*s != '\\') {
            *to++ = *s;
        } else if (s[1] == 'x' && sscanf(s + 2, "%2x", &byte) == 1) {
            *to++ = (char)byte;
            s += 3;
        } else {
            const char *letter = s[1] ? strchr("n\nr\rt\t\\\\", s[1]) : NULL;
            if (!letter)
                return -1;
            *to++ = letter[1];
            s++;
        }
    }
    return to - line;
}

static void run_lines(const char *name, char *text)
{
    unsigned number = 0, inputs = 0;
    char label[300];
    for (char *rest = text; rest && *rest;) {
        char *line = strsep(&rest, "\n");
        number++;
        if (*line == '#')
            continue;
        snprintf(label, sizeof label, "%s:%u", name, number);
        ssize_t n = unescape(line);
        if (n < 0)
            CHECK(false, "%s is written as it should be", label);
        else
            run_one(label, (const uint8_t *)line, (size_t)n);
        inputs++;
    }
    CHECK(inputs > 0, "%s: %u inputs keep their promises", name, inputs);
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    struct dirent **names = NULL;
    int count = argc == 2 ? scandir(argv[1], &names, visible, alphasort) : -1;
    if (count < 0 || count > NAMES_MAX) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    run_one("nothing at all", (const uint8_t *)"", 0);
    for (int i = 0; i < count; i++) {
        char path[4096];
        const char *name = names[i]->d_name, *dot = strrchr(name, '.');
        size_t n = 0;
        snprintf(path, sizeof path, "%s/%s", argv[1], name);
        AUTO_FREE char *text = file_read_whole(path, &n);
        if (dot && strcmp(dot, ".lines") == 0) {
            run_lines(name, text);
        } else {
            run_one(name, (const uint8_t *)text, n);
            CHECK(true, "%s", name);
        }
        free(names[i]);
    }
    free(names);
    return tap_end();
}
