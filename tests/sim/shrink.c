#include "sim.h"

#include "base/auto.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Makes the world of a failure smaller for as long as the same promise fails: kinds of fault are switched off one after
 * another, then files, blocks and jobs become fewer. A smaller world takes another course, so each is tried a few times
 * with its events shuffled. Every try is a process of its own: it may abort, or never end. */

#define SHUFFLES 12
#define TRY_SECONDS 10
#define TRIES_MAX 2000

static unsigned tries;

/* "P3: ..." fails as P3 does; a death is a death. */
static bool same_promise(const char *a, const char *b)
{
    return strncmp(a, b, 3) == 0;
}

/* What fails in this world; "" when nothing does. */
static void try_world(char failure[512], uint64_t seed, const struct sim_switches *s)
{
    int ends[2], status = 0;
    failure[0] = 0;
    if (tries++ >= TRIES_MAX || pipe(ends) < 0)
        return;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        char said[512];
        signal(SIGABRT, SIG_DFL);
        signal(SIGSEGV, SIG_DFL);
        alarm(TRY_SECONDS);
        dup2(ends[1], STDERR_FILENO); /* an assertion's last words go there too */
        run_world(seed, s, false, said);
        ssize_t n = write(ends[1], said, strlen(said));
        _exit(n < 0);
    }
    close(ends[1]);
    ssize_t n = child > 0 ? read(ends[0], failure, 511) : 0;
    failure[MAX(n, 0)] = 0;
    close(ends[0]);
    if (child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status))
        snprintf(failure, 512, "%s", WTERMSIG(status) == SIGALRM ? "P3: no end" : "the library died");
}

/* Keeps the smaller world when the promise fails in it, in one of a few courses of events. */
static bool keep(uint64_t seed, struct sim_switches *now, struct sim_switches smaller, const char *failure)
{
    char said[512];
    for (unsigned i = 0; i < SHUFFLES; i++) {
        try_world(said, seed, &smaller);
        if (same_promise(said, failure)) {
            *now = smaller;
            return true;
        }
        smaller.shuffle = now->shuffle + i + 1;
    }
    return false;
}

static struct sim_faults faults_of(uint64_t seed, const struct sim_switches *s)
{
    struct sim world = { 0 };
    sim = &world;
    world_make(seed, s);
    world_free();
    sim = NULL;
    return world.faults;
}

static void fewer_faults(uint64_t seed, struct sim_switches *now, const char *failure)
{
    struct sim_faults faults = faults_of(seed, now);
    for (unsigned i = 0; i < sim_fault_count; i++) {
        struct sim_switches smaller = *now;
        smaller.without |= UINT64_C(1) << i;
        if (*fault_at(&faults, i))
            keep(seed, now, smaller, failure);
    }
}

static void fewer_things(uint64_t seed, struct sim_switches *now, const char *failure)
{
    static const unsigned counts[] = { 1, 2, 3, 6, 12 };
    for (unsigned i = 0; i < ARRAY_LEN(counts); i++) {
        struct sim_switches smaller = *now;
        smaller.jobs = counts[i];
        if (counts[i] > SIM_JOBS || keep(seed, now, smaller, failure))
            break;
    }
    for (unsigned i = 0; i < ARRAY_LEN(counts); i++) {
        struct sim_switches smaller = *now;
        smaller.files = counts[i];
        if (keep(seed, now, smaller, failure))
            break;
    }
    for (unsigned i = 0; i < ARRAY_LEN(counts); i++) {
        struct sim_switches smaller = *now;
        smaller.blocks = counts[i];
        if (keep(seed, now, smaller, failure))
            break;
    }
}

static void add(char *out, size_t n, const char *name, uint64_t value)
{
    size_t used = strlen(out);
    if (value && used < n)
        snprintf(out + used, n - used, " --%s %llu", name, (unsigned long long)value);
}

void switches_text(char *out, size_t n, uint64_t seed, const struct sim_switches *s)
{
    snprintf(out, n, "%llu", (unsigned long long)seed);
    const char *before = " --without ";
    for (unsigned i = 0; i < sim_fault_count; i++) {
        size_t used = strlen(out);
        if (!(s->without >> i & 1) || used >= n)
            continue;
        snprintf(out + used, n - used, "%s%s", before, sim_fault_names[i]);
        before = ",";
    }
    add(out, n, "files", s->files);
    add(out, n, "blocks", s->blocks);
    add(out, n, "jobs", s->jobs);
    add(out, n, "shuffle", s->shuffle);
}

void shrink_and_tell(uint64_t seed, const struct sim_switches *switches, const char *failure)
{
    struct sim_switches now = *switches;
    char text[1024], said[512];
    tries = 0;
    fewer_faults(seed, &now, failure);
    fewer_things(seed, &now, failure);
    try_world(said, seed, &now);
    switches_text(text, sizeof text, seed, &now);
    fprintf(stderr, "  smallest of %u tries: %s\n  again (worlds of generation %d): sim %s\n", tries,
            said[0] ? said : failure, SIM_GENERATION, text);
}
