/* cmd: a shell command per notification, with the JSON on its standard input and the event in its environment. */
#include "front/notify_send.h"

#include "front/clock.h"
#include "front/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS 20000000 /* how often a running command is looked at: it is nobody's hurry */

extern char **environ;

/* Ours and four more. The values are texts for people; the shell never parses them unless the command asks it to. */
struct surroundings {
    char **list;
    char own[4][600];
};

static bool surroundings_make(struct surroundings *s, const struct notify_letter *l)
{
    size_t n = 0, ours = sizeof s->own / sizeof *s->own;
    while (environ[n])
        n++;
    s->list = calloc(n + ours + 1, sizeof *s->list);
    if (!s->list)
        return false;
    memcpy(s->list, environ, n * sizeof *s->list);
    snprintf(s->own[0], sizeof s->own[0], "HF_PULL_EVENT=%s", l->event);
    snprintf(s->own[1], sizeof s->own[1], "HF_PULL_TITLE=%s", l->title);
    snprintf(s->own[2], sizeof s->own[2], "HF_PULL_TEXT=%s", l->text);
    snprintf(s->own[3], sizeof s->own[3], "HF_PULL_DELIVERY=%s", l->id);
    for (size_t i = 0; i < ours; i++)
        s->list[n + i] = s->own[i];
    return true;
}

/* Its own group, so that all it started can be ended; nothing of our signals, streams or descriptors. */
static int start(pid_t *pid, const char *line, int in, char **list)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    char *argv[] = { (char *)"sh", (char *)"-c", (char *)line, NULL };
    if (posix_spawn_file_actions_init(&files))
        return ENOMEM;
    if (posix_spawnattr_init(&attributes)) {
        posix_spawn_file_actions_destroy(&files);
        return ENOMEM;
    }
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    int rc = posix_spawn_file_actions_adddup2(&files, in, 0);
    rc = rc ? rc : posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    rc = rc ? rc : posix_spawn_file_actions_addopen(&files, 2, "/dev/null", O_WRONLY, 0);
    rc = rc ? rc : posix_spawn(pid, "/bin/sh", &files, &attributes, argv, list);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* True when it ended by itself; *state as waitpid gives it. */
static bool wait_for(pid_t pid, int *state, const struct notify_way *way)
{
    uint64_t until = clock_mono_ns() + (uint64_t)NOTIFY_ATTEMPT_S * 1000000000U;
    while (clock_mono_ns() < until && !(way->stop && atomic_load(way->stop))) {
        pid_t got = waitpid(pid, state, WNOHANG);
        if (got == pid || (got < 0 && errno != EINTR))
            return got == pid;
        nanosleep(&(struct timespec){ .tv_nsec = LOOK_NS }, NULL);
    }
    kill(-pid, SIGKILL);
    waitpid(pid, state, 0);
    return false;
}

/* The JSON waits in the pipe before anybody reads: it is far shorter than a pipe is deep (64 KiB), so nothing blocks,
 * and with both ends ours no signal comes. */
static int filled_pipe(const char *json)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    ssize_t n = write(ends[1], json, strlen(json));
    close(ends[1]);
    if (n == (ssize_t)strlen(json))
        return ends[0];
    close(ends[0]);
    errno = n < 0 ? errno : EMSGSIZE;
    return -1;
}

enum notify_outcome notify_command(const struct notify_target *t, const struct notify_letter *l,
                                   const struct notify_way *way, struct hfp_err *err)
{
    struct surroundings s = { 0 };
    pid_t pid = -1;
    int state = 0, in = filled_pipe(l->json);
    int rc = in < 0 ? errno : !surroundings_make(&s, l) ? ENOMEM : start(&pid, t->url, in, s.list);
    if (in >= 0)
        close(in);
    free(s.list);
    if (rc) {
        fault(err, HFP_E_IO, "%s: %s", t->shown, strerror(rc));
        return NOTIFY_AGAIN;
    }
    if (!wait_for(pid, &state, way)) {
        fault(err, HFP_E_TIMEOUT, "%s: still ran after %d s and was ended", t->shown, NOTIFY_ATTEMPT_S);
        return NOTIFY_REFUSED; /* it may have done its work: once more could do it twice */
    }
    if (WIFEXITED(state) && WEXITSTATUS(state) == 0)
        return NOTIFY_SENT;
    fault(err, HFP_E_IO, "%s: ended with %s %d", t->shown, WIFEXITED(state) ? "status" : "signal",
          WIFEXITED(state) ? WEXITSTATUS(state) : WTERMSIG(state));
    return NOTIFY_AGAIN;
}
