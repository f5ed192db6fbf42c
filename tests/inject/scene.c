/* What is run: one small repository, one fakehub, and the states in which a command finds its cache. */
#include "inject.h"

#include "base/auto.h"
#include "cli/cli.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPO "org/small"
#define FOLDER "hub/models--org--small"
#define BLOCK (1 << 20)
#define PATIENCE_MS 20000 /* for a run of some 30 ms, on a machine that does much else */
#define READY_MS 20000
#define UNPREPARED 97 /* exit statuses of a child that hf-pull does not have */
#define LEAKS 98

struct scene scenes[] = {
    { .name = "pull", .before = "partial", .writes = true },
    { .name = "local", .before = "empty", .args = { "--local-dir", "local" }, .writes = true },
    { .name = "copies", .before = "empty", .no_links = true, .writes = true },
    { .name = "repair", .before = "damaged", .args = { "repair" }, .writes = true },
    { .name = "again",
      .before = "complete",
      .args = { "--report", "report.json", "--progress-file", "progress.json" },
      .writes = true,
      .keeps = true },
    { .name = "offline", .before = "complete", .args = { "--offline" }, .writes = true, .keeps = true },
    { .name = "verify", .before = "complete", .args = { "verify" }, .writes = true, .keeps = true },
    { .name = "verify-damaged", .before = "damaged", .args = { "verify" }, .status = 4, .writes = true },
    { .name = "plan", .before = "partial", .args = { "plan" } },
};
const size_t scene_count = ARRAY_LEN(scenes);

static const struct {
    const char *path;
    size_t n;
    unsigned seed;
} files[] = {
    { "config.json", 120, 1 },           { "nested/vocab.txt", 300, 2 },
    { "nested/empty.txt", 0, 3 },        { "model.safetensors", 3 * BLOCK + 100, 4 },
    { "data/other.bin", BLOCK + 17, 5 }, { "data/again.bin", BLOCK + 17, 5 }, /* the same content once more */
};

static char *work, *endpoint;
static pid_t fakehub;

static char *file_content(size_t i)
{
    char *data = calloc(files[i].n + 1, 1);
    uint64_t x = files[i].seed;
    for (size_t k = 0; k < files[i].n; k++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        data[k] = (char)(' ' + (x >> 33) % 90);
    }
    return data;
}

static void world_files(const char *root)
{
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char *path = text("%s/models/" REPO "/%s", root, files[i].path), *data = file_content(i);
        file_put(path, data, files[i].n);
        free(path);
        free(data);
    }
    char *path = text("%s/models/" REPO "/.fakehub.json", root);
    static const char config[] = "{\"lfs_over\": 4000}";
    file_put(path, config, sizeof config - 1);
    free(path);
}

static void fakehub_start(const char *program, const char *root)
{
    char *ready = text("%s/ready", work);
    const char *argv[] = { program, "--root",      root,      "--hub", "127.0.0.1:0",
                           "--cdn", "127.0.0.1:0", "--ready", ready,   NULL };
    if (posix_spawn(&fakehub, program, NULL, NULL, (char *const *)(uintptr_t)argv, environ) != 0)
        die("%s does not start", program);
    for (int ms = 0; access(ready, R_OK) < 0; ms += 5) {
        if (ms > READY_MS || waitpid(fakehub, NULL, WNOHANG) != 0)
            die("%s did not come up", program);
        usleep(5000);
    }
    char said[1024] = "";
    FILE *f = fopen(ready, "re");
    if (!f || !fgets(said, sizeof said, f))
        die("%s cannot be read", ready);
    fclose(f);
    cJSON *doc = cJSON_Parse(said);
    const char *hub = cJSON_GetStringValue(cJSON_GetObjectItem(doc, "hub"));
    if (!hub)
        die("%s: %s", ready, said);
    endpoint = text("%s", hub);
    cJSON_Delete(doc);
    free(ready);
}

/* ---- one run ---- */

__attribute__((noreturn)) static void unprepared(const char *what)
{
    dprintf(2, "inject: %s: %s\n", what, strerror(errno));
    _exit(UNPREPARED);
}

static void into_file(const char *path, int fd)
{
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);
    if (file < 0 || dup2(file, fd) < 0)
        unprepared(path);
    close(file);
}

static int open_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* A name look-up cannot be cut and is left behind (base/work.c): what it still holds is no leak once it has ended. */
static void await_threads(void)
{
    for (int ms = 0; ms < PATIENCE_MS / 4; ms++) {
        int threads = 0;
        DIR *dir = opendir("/proc/self/task");
        while (dir && readdir(dir))
            threads++;
        if (dir)
            closedir(dir);
        if (threads <= 3) /* ".", ".." and this one */
            return;
        usleep(1000);
    }
}

static int arguments(const char *argv[], const struct scene *s)
{
    int n = 0;
    argv[n++] = "hf-pull";
    for (size_t i = 0; i < ARRAY_LEN(s->args) && s->args[i]; i++)
        argv[n++] = s->args[i];
    argv[n++] = "--endpoint";
    argv[n++] = endpoint;
    argv[n++] = "--max-attempts";
    argv[n++] = "2";
    argv[n++] = s->asked ? s->asked : REPO;
    argv[n] = NULL;
    return n;
}

static void environment(const struct scene *s, const char *home)
{
    clearenv();
    setenv("PATH", "/usr/bin:/bin", 1);
    setenv("HOME", home, 1);
    setenv("HF_HOME", home, 1);
    setenv("XDG_STATE_HOME", home, 1);
    setenv("NO_PROXY", "*", 1);
    if (s->no_links)
        setenv("HF_HUB_DISABLE_SYMLINKS", "1", 1);
}

/* Where it crashed, into what it said. */
static void crashed(int number)
{
    void *site[SITE_DEPTH];
    backtrace_symbols_fd(site, backtrace(site, SITE_DEPTH), 2);
    signal(number, SIG_DFL);
    raise(number);
}

int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

__attribute__((noreturn)) static void child(const struct scene *s, const char *home, struct outcome *o)
{
    const char *argv[24];
    int argc = arguments(argv, s);
    environment(s, home);
    if (chdir(home) < 0)
        unprepared(home);
    into_file("/dev/null", 0);
    bool disturbed = o->plan.kind != KIND_COUNT;
    into_file(disturbed ? "../out" : "../next-out", 1);
    into_file(disturbed ? "../err" : "../next-err", 2);
    if (!&__lsan_do_recoverable_leak_check) { /* the sanitizers say it better */
        signal(SIGSEGV, crashed);
        signal(SIGABRT, crashed);
    }
    o->fds_before = open_fds();
    faults_arm(o);
    int status = cli_main(argc, (char **)(uintptr_t)argv);
    await_threads();
    faults_disarm();
    o->live_left = o->live;
    o->curl_live_left = o->curl_live;
    o->fds_after = open_fds();
    o->status = status;
    o->returned = true;
    if (&__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check())
        _exit(LEAKS);
    _exit(0);
}

static const char *end_of(pid_t pid, const struct outcome *o)
{
    static char words[64];
    struct pollfd p = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
    bool hangs = p.fd >= 0 && poll(&p, 1, PATIENCE_MS) == 0;
    if (hangs)
        kill(pid, SIGABRT);
    int status = 0;
    if (waitpid(pid, &status, 0) != pid)
        die("waitpid: %s", strerror(errno));
    close(p.fd);
    if (hangs)
        return "it hangs";
    if (WIFSIGNALED(status)) {
        snprintf(words, sizeof words, "it ends by signal %d", WTERMSIG(status));
        return words;
    }
    if (WEXITSTATUS(status) == LEAKS)
        return "LeakSanitizer finds a leak";
    snprintf(words, sizeof words, "it ends inside cli_main() with %d", WEXITSTATUS(status));
    return o->returned ? NULL : words;
}

const char *scene_run(const struct scene *s, const char *home, struct outcome *o, const struct plan *plan)
{
    memset(o, 0, sizeof *o);
    o->plan = *plan;
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        die("fork: %s", strerror(errno));
    if (pid == 0)
        child(s, home, o);
    return end_of(pid, o);
}

/* ---- the states ---- */

static void run_undisturbed(const struct scene *s, const char *home, struct outcome *o)
{
    const char *wrong = scene_run(s, home, o, &(struct plan){ .kind = KIND_COUNT });
    if (wrong || o->status != s->status)
        die("%s: undisturbed: %s, exit %d, see %s/../next-err", s->name, wrong ? wrong : "it ends", o->status, home);
}

/* Each lane has its own, for the lanes prepare at the same time. */
static struct outcome *spare;

void scene_lane_begins(void)
{
    spare = outcome_shared();
}

static void home_make(const char *home)
{
    char *inside = text("%s/x", home);
    tree_remove(home);
    file_put(inside, "", 0);
    unlink(inside);
    free(inside);
}

static void make_complete(const char *home)
{
    static const struct scene whole = { .name = "pull of all", .before = "empty" };
    home_make(home);
    run_undisturbed(&whole, home, spare);
}

static char *blob_of(const char *home, const char *path)
{
    struct tree t;
    char *found = NULL;
    tree_read(&t, home);
    for (size_t i = 0; i < t.n && !found; i++) {
        const struct entry *e = &t.entry[i];
        size_t n = strlen(e->path), m = strlen(path);
        if (S_ISLNK(e->mode) && n > m && strcmp(e->path + n - m, path) == 0)
            found = text("%s/" FOLDER "/blobs/%s", home, strrchr(e->data, '/') + 1);
    }
    tree_free(&t);
    if (!found)
        die("%s has no %s", home, path);
    return found;
}

static void flip_byte(const char *path, off_t at)
{
    char byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || pread(fd, &byte, 1, at) != 1)
        die("%s: %s", path, strerror(errno));
    byte ^= 4;
    if (pwrite(fd, &byte, 1, at) != 1 || close(fd) < 0)
        die("%s: %s", path, strerror(errno));
}

/* Our own partial of the model, with some blocks recorded, left by a full disk; and another tool's of other.bin, half. */
static void make_partial(const char *home)
{
    static const struct scene one = { .name = "pull of one", .asked = REPO ":model.safetensors" };
    const struct plan full = { .kind = K_PWRITE, .mode = ONWARD, .n = 6 };
    char *whole = text("%s/../whole", home);
    make_complete(whole);
    char *blob = blob_of(whole, "data/other.bin"), *data = file_content(4);
    home_make(home);
    if (scene_run(&one, home, spare, &full) || spare->status != 7)
        die("no partial was left: exit %d", spare->status);
    char *guess = text("%s/" FOLDER "/blobs/%s.0123abcd.incomplete", home, strrchr(blob, '/') + 1);
    file_put(guess, data, BLOCK - 5);
    free(whole);
    free(blob);
    free(data);
    free(guess);
}

void scene_prepare(const struct scene *s, const char *home)
{
    if (strcmp(s->before, "partial") == 0) {
        char *kept = text("%s/partial/home", work);
        home_make(home);
        tree_copy(kept, home);
        free(kept);
    } else if (strcmp(s->before, "empty") == 0) {
        home_make(home);
    } else {
        make_complete(home);
        char *blob = strcmp(s->before, "damaged") == 0 ? blob_of(home, "model.safetensors") : NULL;
        if (blob)
            flip_byte(blob, 2 * BLOCK + 9);
        free(blob);
    }
}

/* The reference must be right itself: as readers see it, through the links. */
static void check_reference(const struct scene *s, const char *home)
{
    const char *below = "local";
    char *snapshot = NULL;
    for (size_t i = 0; i < s->at_end.n && !snapshot; i++)
        if (strstr(s->at_end.entry[i].path, "/snapshots/"))
            snapshot = strndup(s->at_end.entry[i].path, strlen(FOLDER "/snapshots/") + 40);
    for (size_t i = 0; i < ARRAY_LEN(files) && s->status == 0 && s->writes; i++) {
        char *path = text("%s/%s/%s", home, snapshot ? snapshot : below, files[i].path), *want = file_content(i);
        char *got = calloc(files[i].n + 2, 1);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || read(fd, got, files[i].n + 1) != (ssize_t)files[i].n || memcmp(got, want, files[i].n) != 0)
            die("%s: undisturbed: %s is wrong", s->name, path);
        close(fd);
        free(path);
        free(want);
        free(got);
    }
    free(snapshot);
}

void world_open(const char *folder, const char *program)
{
    work = text("%s", folder);
    char *root = text("%s/root", work), *home = text("%s/reference/home", work),
         *partial = text("%s/partial/home", work);
    world_files(root);
    fakehub_start(program, root);
    scene_lane_begins();
    make_partial(partial);
    for (size_t i = 0; i < scene_count; i++) {
        struct scene *s = &scenes[i];
        scene_prepare(s, home);
        tree_read(&s->at_start, home);
        run_undisturbed(s, home, spare);
        tree_read(&s->at_end, home);
        check_reference(s, home);
        for (int k = 0; k < KIND_COUNT; k++)
            s->count[k] = spare->count[k];
    }
    free(root);
    free(home);
    free(partial);
}

void world_close(void)
{
    kill(fakehub, SIGTERM);
    waitpid(fakehub, NULL, 0);
    free(work);
    free(endpoint);
}
