/* The plan: which call fails, and where it was made. */
#include "inject.h"

#include <errno.h>
#include <execinfo.h>
#include <stdio.h>
#include <sys/mman.h>

#define X(id, name, statuses, number) name,
const char *const kind_name[KIND_COUNT] = { KINDS(X) };
#undef X
#define X(id, name, statuses, number) statuses,
const char *const kind_statuses[KIND_COUNT] = { KINDS(X) };
#undef X
#define X(id, name, statuses, number) number,
static const int kind_errno[KIND_COUNT] = { KINDS(X) };
#undef X
const char *const mode_name[MODES] = { "once", "onward", "short", "eintr" };

struct outcome *now;

struct outcome *outcome_shared(void)
{
    struct outcome *o = mmap(NULL, sizeof *o, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (o == MAP_FAILED)
        die("no memory");
    return o;
}

bool mode_fits(enum mode mode, enum kind kind)
{
    switch (mode) {
    case ONCE:
        return true;
    case ONWARD:
        return kind != K_MULTI_REMOVE && kind != K_CLOSE;
    case SHORT:
        return kind == K_PREAD || kind == K_PWRITE;
    default:
        return kind == K_PREAD || kind == K_PWRITE || kind == K_OPENAT || kind == K_FSYNC || kind == K_FDATASYNC;
    }
}

void faults_arm(struct outcome *o)
{
    void *first[2];
    backtrace(first, 2); /* the first one loads a library, and that allocates */
    now = o;
    o->armed = true;
}

void faults_disarm(void)
{
    now->armed = false;
}

bool plan_is(enum kind kind, enum mode mode)
{
    return now && now->plan.kind == kind && now->plan.mode == mode;
}

/* What a disk without room says from some call on. */
static bool needs_room(enum kind kind)
{
    return kind == K_PWRITE || kind == K_OPENAT || kind == K_MKDIRAT || kind == K_SYMLINKAT || kind == K_FALLOCATE;
}

bool call_fails(enum kind kind, const char *what)
{
    struct outcome *o = now;
    if (!o || !o->armed)
        return false;
    unsigned nth = ++o->count[kind];
    if (kind != o->plan.kind || nth < o->plan.n || (nth > o->plan.n && o->plan.mode != ONWARD))
        return false;
    if (o->hits++ == 0) {
        o->depth = backtrace(o->site, SITE_DEPTH);
        snprintf(o->what, sizeof o->what, "%s", what ? what : "");
    }
    if (o->plan.mode == EINTR_)
        errno = EINTR;
    else if (kind_errno[kind])
        errno = o->plan.mode == ONWARD && needs_room(kind) ? ENOSPC : kind_errno[kind];
    return true;
}
