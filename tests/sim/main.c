/* The simulator's program.
 *
 *   sim SEED [SWITCHES]                one run, traced to stderr
 *   sim FIRST COUNT [SWITCHES]         COUNT runs; TAP on stdout, one line for each thousand. A seed that failed is told
 *                                      on stderr, with the switches that make its world small and still failing
 *   sim --regressions FILE             the worlds of a file: a seed and its switches a line
 *
 * Switches: --without KIND,KIND...     faults that shall not happen (SIM_FAULTS in sim.h)
 *           --files N --blocks N --jobs N    at most so many, and files of so many blocks
 *           --shuffle N                another course of events in the same world
 *           --first                    stop at the first seed that fails, and do not make it small */
#include "sim.h"

#include "base/auto.h"

#include <cjson/cJSON.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHRUNK_MAX 3 /* failures that are made small; the rest is probably the same */

void *sim_malloc(size_t n);
void sim_release(void *p);

static char dying_words[128]; /* of the seed that runs; written before it does */

static void die(int number)
{
    ssize_t said = write(STDERR_FILENO, dying_words, strlen(dying_words));
    (void)said;
    signal(number, SIG_DFL);
    raise(number);
}

static bool fault_named(const char *name, size_t n, unsigned *number)
{
    for (*number = 0; *number < sim_fault_count; ++*number)
        if (strlen(sim_fault_names[*number]) == n && memcmp(sim_fault_names[*number], name, n) == 0)
            return true;
    return false;
}

static bool take_without(struct sim_switches *s, const char *list)
{
    while (*list) {
        size_t n = strcspn(list, ",");
        unsigned number;
        if (!fault_named(list, n, &number))
            return false;
        s->without |= UINT64_C(1) << number;
        list += n + (list[n] == ',');
    }
    return true;
}

struct options {
    uint64_t number[2];
    unsigned numbers;
    bool first;
    const char *regressions;
    struct sim_switches switches;
};

static bool take_value(struct options *o, const char *name, const char *value)
{
    struct sim_switches *s = &o->switches;
    uint64_t n = strtoull(value, NULL, 10);
    if (strcmp(name, "--without") == 0)
        return take_without(s, value);
    if (strcmp(name, "--files") == 0)
        s->files = (unsigned)n;
    else if (strcmp(name, "--blocks") == 0)
        s->blocks = (unsigned)n;
    else if (strcmp(name, "--jobs") == 0)
        s->jobs = (unsigned)n;
    else if (strcmp(name, "--shuffle") == 0)
        s->shuffle = n;
    else if (strcmp(name, "--regressions") == 0)
        o->regressions = value;
    else
        return false;
    return true;
}

static bool take_options(struct options *o, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--first") == 0)
            o->first = true;
        else if (argv[i][0] != '-' && o->numbers < 2)
            o->number[o->numbers++] = strtoull(argv[i], NULL, 10);
        else if (i + 1 == argc || !take_value(o, argv[i], argv[i + 1]))
            return false;
        else
            i++;
    }
    return true;
}

static bool run(uint64_t seed, const struct options *o, char *failure)
{
    snprintf(dying_words, sizeof dying_words, "seed %llu: the library died\n", (unsigned long long)seed);
    return run_world(seed, &o->switches, o->numbers == 1, failure);
}

static int many(const struct options *o)
{
    uint64_t first = o->number[0], count = o->number[1], failed = 0, lines = 0;
    char failure[512];
    for (uint64_t done = 0; done < count && !(failed && o->first);) {
        uint64_t part = MIN(count - done, 1000), bad = 0;
        for (uint64_t i = 0; i < part && !(bad && o->first); i++) {
            uint64_t seed = first + done + i;
            if (run(seed, o, failure))
                continue;
            fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, failure);
            if (!o->first && failed + bad < SHRUNK_MAX)
                shrink_and_tell(seed, &o->switches, failure);
            bad++;
        }
        printf("%s %llu - seeds %llu to %llu keep every promise\n", bad ? "not ok" : "ok", (unsigned long long)++lines,
               (unsigned long long)(first + done), (unsigned long long)(first + done + part - 1));
        failed += bad;
        done += part;
    }
    printf("1..%llu\n", (unsigned long long)lines);
    return failed ? 1 : 0;
}

/* One world a line, as the switches that shrinking printed; # begins a comment. */
static int regressions(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[1024], failure[512];
    unsigned worlds = 0, failed = 0;
    while (file && fgets(line, sizeof line, file)) {
        char *word[64], *rest = NULL, said[1024];
        int words = 0;
        line[strcspn(line, "#\n")] = 0;
        snprintf(said, sizeof said, "%s", line);
        for (char *w = strtok_r(line, " ", &rest); w && words < 64; w = strtok_r(NULL, " ", &rest))
            word[words++] = w;
        if (words == 0)
            continue;
        struct options o = { 0 };
        bool ok = take_options(&o, words, word) && o.numbers == 1;
        o.numbers = 2; /* not traced */
        ok = ok && run(o.number[0], &o, failure);
        printf("%s %u - the world of %s\n", ok ? "ok" : "not ok", ++worlds, said);
        failed += !ok;
    }
    if (file)
        fclose(file);
    printf("1..%u\n", worlds);
    return failed || !worlds ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct options o = { 0 };
    char failure[512];
    io = &sim_disk;
    cJSON_InitHooks(&(cJSON_Hooks){ sim_malloc, sim_release });
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGABRT, die);
    signal(SIGSEGV, die);
    if (!take_options(&o, argc - 1, argv + 1) || (o.numbers == 0 && !o.regressions)) {
        fprintf(stderr, "sim SEED | FIRST COUNT | --regressions FILE  [--without KIND,...] [--files N] [--blocks N] "
                        "[--jobs N] [--shuffle N] [--first]\n");
        return 2;
    }
    if (o.regressions)
        return regressions(o.regressions);
    if (o.numbers == 2)
        return many(&o);
    bool ok = run(o.number[0], &o, failure);
    fprintf(stderr, "seed %llu: %s\n", (unsigned long long)o.number[0], ok ? "every promise kept" : failure);
    return ok ? 0 : 1;
}
