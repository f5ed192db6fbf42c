/* main.c: fails every call once. See inject.h, and "Fault injection" in docs/reliability.md.
 *
 *   inject FAKEHUB [--jobs N] brief | quick | all | every [SCENE|- [KIND]]
 *       TAP, one line a command, kind of call and way to fail. every: each N of everything; all: each N of a pull and
 *       many of the rest; quick and brief: fewer
 *   inject FAKEHUB one SCENE KIND MODE N
 *       one case, with where the call was made and what the program said; what it left stays
 *
 * Seen red on purpose: a failed fsync ignored, a leak and an open descriptor on an error path, an allocation unchecked,
 * a rename after a failed write, success after a failed rename, a temporary file left. */
#include "inject.h"

#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS 4
#define FAILURES_SHOWN 6 /* of one group; the rest is counted */

/* One command, one kind of call, one way to fail: N = 1, 2, 3 ... until a run passes without it. */
struct group {
    const struct scene *scene;
    enum kind kind;
    enum mode mode;
    unsigned dense, stride; /* the first dense N, then every stride-th */
    unsigned end;           /* not beyond this one; 0: until a run passes without it */
    atomic_uint next, runs, failures, last_hit;
    atomic_bool done;
};

static struct group *groups;
static size_t group_count;

static unsigned nth_of(const struct group *g, unsigned i)
{
    return i < g->dense ? i + 1 : g->dense + (i - g->dense + 1) * g->stride;
}

/* ---- one case ---- */

struct lane {
    char *home;
    struct outcome *outcome;
    const struct scene *kept; /* whose state lies in home, complete and right */
};

/* Empty when all is well. next: it is what the undisturbed run behind it came to. */
static void run_case(char out[VERDICT_MAX], struct lane *l, const struct scene *s, const struct plan *plan, bool *hit,
                     bool *next)
{
    if (!l->kept || !s->keeps || strcmp(l->kept->before, s->before) != 0)
        scene_prepare(s, l->home);
    l->kept = NULL;
    const char *wrong = scene_run(s, l->home, l->outcome, plan);
    *hit = l->outcome->hits > 0;
    *next = false;
    out[0] = 0;
    if (wrong)
        snprintf(out, VERDICT_MAX, "%s", wrong);
    else
        judge_disturbed(out, s, l->home, l->outcome);
    if (out[0] || !*hit)
        return;
    struct outcome *first = l->outcome;
    l->outcome = outcome_shared();
    wrong = scene_run(s, l->home, l->outcome, &(struct plan){ .kind = KIND_COUNT });
    if (wrong)
        snprintf(out, VERDICT_MAX, "%s", wrong);
    else
        judge_next(out, s, l->home, l->outcome, plan->kind);
    *next = out[0] != 0;
    munmap(l->outcome, sizeof *l->outcome);
    l->outcome = first;
    if (!out[0] && s->keeps)
        l->kept = s;
}

/* Functions of our own by name and line; of libraries what they export. */
static void show_site(const struct outcome *o)
{
    char **words = backtrace_symbols((void *const *)(uintptr_t)o->site, o->depth);
    if (!words)
        return;
    for (int i = 1; i < o->depth; i++) {
        char line[1024], *plus = strstr(words[i], "(+");
        if (plus && strncmp(words[i], program_invocation_name, strlen(program_invocation_name)) == 0) {
            char *command =
                text("addr2line -spfe %s %.*s", program_invocation_name, (int)strcspn(plus + 2, ")"), plus + 2);
            FILE *f = popen(command, "r");
            if (f && fgets(line, sizeof line, f))
                printf("#     %s", line);
            if (f)
                pclose(f);
            free(command);
        } else {
            const char *slash = strrchr(words[i], '/');
            printf("#     %s\n", slash ? slash + 1 : words[i]);
        }
    }
    free(words);
}

static void show_words(const struct lane *l, const char *name)
{
    char *path = text("%s/../%s", l->home, name), line[512];
    FILE *f = fopen(path, "re");
    for (int i = 0; f && i < 40 && fgets(line, sizeof line, f); i++)
        printf("#     | %s%s", line, strchr(line, '\n') ? "" : "\n");
    if (f)
        fclose(f);
    free(path);
}

/* ---- all of them ---- */

static void lane_run(struct lane *l)
{
    for (size_t i = 0; i < group_count; i++) {
        struct group *g = &groups[i];
        while (!g->done) {
            char verdict[VERDICT_MAX];
            bool hit, next;
            struct plan plan = { g->kind, g->mode, nth_of(g, g->next++) };
            if (g->end && plan.n > g->end)
                break;
            run_case(verdict, l, g->scene, &plan, &hit, &next);
            g->runs++;
            if (hit && plan.n > g->last_hit)
                g->last_hit = plan.n;
            if (!hit)
                g->done = true;
            if (verdict[0] && g->failures++ < FAILURES_SHOWN) {
                printf("# %s %s %s %u (%s): %s%s\n", g->scene->name, kind_name[g->kind], mode_name[g->mode], plan.n,
                       l->outcome->what, next ? "after the next run: " : "", verdict);
                show_site(l->outcome);
                show_words(l, next ? "next-err" : "err");
                fflush(stdout);
            }
        }
    }
}

static bool lanes_run(const char *work, unsigned jobs)
{
    bool fine = true;
    pid_t pid[64];
    for (unsigned i = 0; i < jobs; i++) {
        fflush(stdout);
        pid[i] = fork();
        if (pid[i] < 0)
            die("fork: %s", strerror(errno));
        if (pid[i] == 0) {
            static char lines[1 << 16]; /* what is printed about one case stays together */
            setvbuf(stdout, lines, _IOFBF, sizeof lines);
            struct lane l = { .home = text("%s/lane%u/home", work, i), .outcome = outcome_shared() };
            scene_lane_begins();
            lane_run(&l);
            fflush(stdout);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < jobs; i++) {
        int status = 0;
        fine &= waitpid(pid[i], &status, 0) == pid[i] && status == 0;
    }
    return fine;
}

static bool wanted(const char *name, const char *only)
{
    return !only || strcmp(only, "-") == 0 || strcmp(name, only) == 0;
}

/* How many N of each group: the first half one after the other, the rest spread over all that there are. */
static const struct level {
    const char *name;
    unsigned first_scene, others; /* 0: all */
} levels[] = { { "brief", 4, 1 }, { "quick", 10, 3 }, { "all", 0, 120 }, { "every", 0, 0 } };

/* only: a scene and a kind, or NULL. */
static void groups_make(const struct level *level, char **only)
{
    size_t most = scene_count * KIND_COUNT * MODES;
    groups = mmap(NULL, most * sizeof *groups, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (groups == MAP_FAILED)
        die("no memory");
    for (size_t i = 0; i < scene_count; i++)
        for (int k = 0; k < KIND_COUNT; k++)
            for (int m = 0; m < MODES; m++) {
                unsigned count = scenes[i].count[k], limit = i == 0 ? level->first_scene : level->others;
                if (count == 0 || !mode_fits(m, k) || !wanted(scenes[i].name, only[0]) ||
                    !wanted(kind_name[k], only[0] ? only[1] : NULL))
                    continue;
                struct group *g = &groups[group_count++];
                g->scene = &scenes[i];
                g->kind = k;
                g->mode = m;
                g->dense = limit ? limit / 2 : 1u << 30;
                g->end = limit ? count : 0;
                unsigned rest = limit - limit / 2;
                g->stride = limit && count > limit ? (count - g->dense + rest - 1) / rest : 1;
            }
}

static int report(void)
{
    unsigned tests = 0, failed = 0, runs = 0;
    for (size_t i = 0; i < group_count; i++) {
        struct group *g = &groups[i];
        printf("%s %u - %s, %s %s: %u runs, the last at %u\n", g->failures ? "not ok" : "ok", ++tests, g->scene->name,
               kind_name[g->kind], mode_name[g->mode], g->runs, g->last_hit);
        runs += g->runs;
        failed += g->failures > 0;
    }
    printf("# %u runs\n1..%u\n", runs, tests);
    return failed || tests == 0;
}

static int run_one(const char *work, char *const argv[])
{
    struct plan plan = { KIND_COUNT, MODES, (unsigned)strtoul(argv[3], NULL, 10) };
    const struct scene *s = NULL;
    for (size_t i = 0; i < scene_count; i++)
        if (strcmp(scenes[i].name, argv[0]) == 0)
            s = &scenes[i];
    for (int k = 0; k < KIND_COUNT; k++)
        if (strcmp(kind_name[k], argv[1]) == 0)
            plan.kind = (enum kind)k;
    for (int m = 0; m < MODES; m++)
        if (strcmp(mode_name[m], argv[2]) == 0)
            plan.mode = (enum mode)m;
    if (!s || plan.kind == KIND_COUNT || plan.mode == MODES)
        die("no such scene, kind or mode");
    char verdict[VERDICT_MAX];
    bool hit, next;
    struct lane l = { .home = text("%s/one/home", work), .outcome = outcome_shared() };
    run_case(verdict, &l, s, &plan, &hit, &next);
    printf("# %s at \"%s\", exit %d: %s%s\n", hit ? "failed" : "not reached", l.outcome->what, l.outcome->status,
           next ? "after the next run: " : "", verdict[0] ? verdict : "all is well");
    show_site(l.outcome);
    show_words(&l, "err");
    if (hit)
        show_words(&l, "next-err");
    return verdict[0] != 0;
}

int main(int argc, char **argv)
{
    memory_take_over();
    io_take_over();
    unsigned jobs = JOBS;
    if (argc > 4 && strcmp(argv[2], "--jobs") == 0) {
        jobs = (unsigned)strtoul(argv[3], NULL, 10);
        memmove(argv + 2, argv + 4, sizeof *argv * (size_t)(argc - 3));
        argc -= 2;
    }
    const struct level *level = NULL;
    for (size_t i = 0; argc >= 3 && i < sizeof levels / sizeof *levels; i++)
        if (strcmp(argv[2], levels[i].name) == 0)
            level = &levels[i];
    bool one = argc == 7 && strcmp(argv[2], "one") == 0;
    if (jobs == 0 || jobs > 64 || (!one && (!level || argc > 5)))
        die("FAKEHUB [--jobs N] brief | quick | all | every [SCENE|- [KIND]], or one SCENE KIND MODE N");
    char *work = text("%s/hf-pull-inject.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : P_tmpdir);
    if (!mkdtemp(work))
        die("%s: %s", work, strerror(errno));
    world_open(work, argv[1]);
    int status;
    if (one) {
        status = run_one(work, argv + 3);
    } else {
        groups_make(level, argv + 3);
        bool fine = lanes_run(work, jobs);
        status = report() || !fine;
    }
    world_close();
    if (!one)
        tree_remove(work);
    else
        printf("# left in %s\n", work);
    free(work);
    return status;
}
