#include "cli/signals.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void add_unless_ignored(sigset_t *set, int number)
{
    struct sigaction was;
    if (sigaction(number, NULL, &was) == 0 && was.sa_handler != SIG_IGN)
        sigaddset(set, number);
}

int signals_open(bool terminal)
{
    sigset_t set;
    sigemptyset(&set);
    signal(SIGPIPE, SIG_IGN);
    add_unless_ignored(&set, SIGINT);
    add_unless_ignored(&set, SIGTERM);
    add_unless_ignored(&set, SIGHUP);
    if (terminal) {
        add_unless_ignored(&set, SIGTSTP);
        sigaddset(&set, SIGCONT);
        sigaddset(&set, SIGWINCH);
    }
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int signals_next(int fd)
{
    struct signalfd_siginfo info;
    if (fd < 0 || read(fd, &info, sizeof info) != sizeof info)
        return 0;
    return (int)info.ssi_signo;
}

void signals_deadly(bool on)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(on ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL);
}

const char *signal_name(int number, char out[static 16])
{
    const char *name = sigabbrev_np(number);
    snprintf(out, 16, name ? "SIG%s" : "signal %.0s%d", name ? name : "", number);
    return out;
}

/* A signal handler has no other way to know; set once, before the alarm is. */
static volatile sig_atomic_t last_status;

static void leave(int number)
{
    (void)number;
    _exit(last_status);
}

void leave_within(unsigned seconds, int status)
{
    struct sigaction action = { .sa_handler = leave };
    sigset_t set;
    last_status = status;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigaction(SIGALRM, &action, NULL);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    alarm(seconds);
}
