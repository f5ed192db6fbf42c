/* inject.h: what fails, when, and what a run of the program came to.
 *
 * A case is one run of cli_main() in a child process in which one call fails: the Nth of its kind, or all from the Nth
 * on. The plan and the counts lie in memory shared with the parent, so a crash loses nothing. The calls are taken over
 * in wrap_io.c (the table of base/io.h), wrap_libc.c and wrap_curl.c (the linker's --wrap); all of them ask call_fails(). */
#ifndef HFP_TESTS_INJECT_H
#define HFP_TESTS_INJECT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* id, name, allowed exit statuses besides the undisturbed one, errno where one is set */
#define KINDS(X)                                                                                                       \
    /* memory */                                                                                                       \
    X(ALLOC, "alloc", "1", ENOMEM)                                                                                     \
    X(CURL_ALLOC, "curl-alloc", "1 3", ENOMEM)                                                                         \
    X(CRYPTO_ALLOC, "crypto-alloc", "1", ENOMEM)                                                                       \
    /* base/io.h */                                                                                                    \
    X(OPENAT, "openat", "7", EIO)                                                                                      \
    X(CLOSE, "close", "7", EIO)                                                                                        \
    X(PREAD, "pread", "7", EIO)                                                                                        \
    X(PWRITE, "pwrite", "7", EIO)                                                                                      \
    X(FSYNC, "fsync", "7", EIO)                                                                                        \
    X(FDATASYNC, "fdatasync", "7", EIO)                                                                                \
    X(SYNC_RANGE, "sync_range", "7", EIO)                                                                              \
    X(FTRUNCATE, "ftruncate", "7", EIO)                                                                                \
    X(FALLOCATE, "fallocate", "7", EIO)                                                                                \
    X(RENAMEAT, "renameat", "7", EIO)                                                                                  \
    X(UNLINKAT, "unlinkat", "7", EIO)                                                                                  \
    X(MKDIRAT, "mkdirat", "7", EIO)                                                                                    \
    X(SYMLINKAT, "symlinkat", "7", EIO)                                                                                \
    X(READLINKAT, "readlinkat", "7", EIO)                                                                              \
    X(FSTAT, "fstat", "7", EIO)                                                                                        \
    X(FSTATAT, "fstatat", "7", EIO)                                                                                    \
    X(FCHMOD, "fchmod", "7", EIO)                                                                                      \
    X(FCHOWNAT, "fchownat", "7", EIO)                                                                                  \
    X(FLOCK, "flock", "7", EIO)                                                                                        \
    X(FSTATVFS, "fstatvfs", "7", EIO)                                                                                  \
    X(LSEEK, "lseek", "7", EIO)                                                                                        \
    X(FDOPENDIR, "fdopendir", "7", EIO)                                                                                \
    X(READDIR, "readdir", "7", EIO)                                                                                    \
    X(CLOSEDIR, "closedir", "7", EIO)                                                                                  \
    X(UTIMENSAT, "utimensat", "7", EIO)                                                                                \
    X(DIRECT_ALIGN, "direct_align", "7", EIO)                                                                          \
    /* libcurl */                                                                                                      \
    X(GLOBAL_INIT, "curl_global_init", "1", 0)                                                                         \
    X(EASY_INIT, "curl_easy_init", "1", 0)                                                                             \
    X(EASY_SETOPT, "curl_easy_setopt", "1", 0)                                                                         \
    X(EASY_GETINFO, "curl_easy_getinfo", "1 3", 0)                                                                     \
    X(EASY_PAUSE, "curl_easy_pause", "1", 0)                                                                           \
    X(MULTI_INIT, "curl_multi_init", "1", 0)                                                                           \
    X(MULTI_SETOPT, "curl_multi_setopt", "1", 0)                                                                       \
    X(MULTI_ADD, "curl_multi_add_handle", "1", 0)                                                                      \
    X(MULTI_REMOVE, "curl_multi_remove_handle", "1", 0)                                                                \
    X(MULTI_PERFORM, "curl_multi_perform", "1", 0)                                                                     \
    X(MULTI_POLL, "curl_multi_poll", "1", 0)                                                                           \
    X(URL, "curl_url", "1", 0)                                                                                         \
    X(URL_SET, "curl_url_set", "1", 0)                                                                                 \
    X(URL_GET, "curl_url_get", "1", 0)                                                                                 \
    X(SLIST_APPEND, "curl_slist_append", "1", 0)                                                                       \
    /* the system, by libhfpull or the program */                                                                      \
    X(THREAD, "pthread_create", "1", EAGAIN)                                                                           \
    X(EVENTFD, "eventfd", "1", EMFILE)                                                                                 \
    X(PIPE, "pipe2", "1", EMFILE)                                                                                      \
    X(SIGNALFD, "signalfd", "1", EMFILE)                                                                               \
    X(SOCKET, "socket", "3", EMFILE)                                                                                   \
    X(SOCKNAME, "getsockname", "3", EINVAL)                                                                            \
    X(NAMES, "getaddrinfo", "3", 0)                                                                                    \
    X(POLL, "poll", "1", ENOMEM)                                                                                       \
    X(RANDOM, "getrandom", "1", EAGAIN)                                                                                \
    X(OPEN, "open", "2", EIO)                                                                                          \
    X(STAT, "stat", "2", EIO)                                                                                          \
    X(READ, "read", "2", EIO)                                                                                          \
    X(WRITE, "write", "1 7", EIO)                                                                                      \
    X(RENAME, "rename", "1 7", EIO)                                                                                    \
    X(UNLINK, "unlink", "1", EIO)

enum kind {
#define X(id, name, statuses, number) K_##id,
    KINDS(X)
#undef X
        KIND_COUNT
};
extern const char *const kind_name[KIND_COUNT];
extern const char *const kind_statuses[KIND_COUNT];

enum mode {
    ONCE,   /* the Nth fails */
    ONWARD, /* the Nth and all after it; a full disk where that is what it would be */
    SHORT,  /* the Nth read or write moves less than asked: no reason to fail */
    EINTR_, /* the Nth is interrupted: no reason to fail */
    MODES
};
extern const char *const mode_name[MODES];
bool mode_fits(enum mode mode, enum kind kind);

#define SITE_DEPTH 24

struct plan {
    enum kind kind; /* KIND_COUNT: nothing fails */
    enum mode mode;
    unsigned n; /* from 1 */
};

/* Shared between a child and its parent. */
struct outcome {
    struct plan plan;
    atomic_bool armed;
    atomic_uint count[KIND_COUNT];
    atomic_uint hits;
    atomic_long live, curl_live; /* allocations not freed */
    long live_left, curl_live_left;
    int fds_before, fds_after;
    bool returned; /* cli_main() did */
    int status;
    int depth; /* of the first failed call */
    void *site[SITE_DEPTH];
    char what[256];
};

/* ---- wrap_*.c, in the child ---- */
extern struct outcome *now; /* NULL in the parent */
struct outcome *outcome_shared(void);
void faults_arm(struct outcome *o);
void faults_disarm(void);
/* Counts one call; true when it is to fail. errno is set when the kind has one. what: a path, or NULL. */
bool call_fails(enum kind kind, const char *what);
bool plan_is(enum kind kind, enum mode mode); /* does the plan say so? For calls with more than one way to fail */
void io_take_over(void);
void memory_take_over(void); /* before the first call into libcrypto */
void curl_ledger(long change);

/* ---- tree.c: a folder as a list ---- */
struct entry {
    char *path;
    mode_t mode;
    char *data; /* content, or where the link leads */
    size_t n;
    bool final; /* a name that promises what is under it (docs/formats/cache.md) */
};
struct tree {
    struct entry *entry; /* by path */
    size_t n;
};
void tree_read(struct tree *t, const char *root);
void tree_free(struct tree *t);
const struct entry *tree_find(const struct tree *t, const char *path);
bool entry_same(const struct entry *a, const struct entry *b);
void tree_copy(const char *from, const char *to);
void tree_remove(const char *root);
void file_put(const char *path, const void *data, size_t n); /* parents are made */

/* ---- scene.c: what is run ---- */
struct scene {
    const char *name;
    const char *before; /* name of the prepared state */
    const char *args[8];
    const char *asked; /* NULL: the repository */
    bool no_links;
    int status;  /* undisturbed */
    bool writes; /* else the tree is the same after as before */
    bool keeps;  /* what it leaves may be used for the next case */
    struct tree at_start, at_end;
    unsigned count[KIND_COUNT];
};
extern struct scene scenes[];
extern const size_t scene_count;
/* Content, fakehub and the prepared states below work. */
void world_open(const char *work, const char *fakehub);
void world_close(void);
void scene_prepare(const struct scene *s, const char *home);
/* In each process that prepares scenes, before the first one. */
void scene_lane_begins(void);
/* Runs cli_main() in a child. Returns NULL or what is wrong with how it ended. */
const char *scene_run(const struct scene *s, const char *home, struct outcome *o, const struct plan *plan);

/* ---- judge.c ---- */
#define VERDICT_MAX 600
/* After the disturbed run; after the undisturbed one behind it. Empty when right. */
void judge_disturbed(char out[VERDICT_MAX], const struct scene *s, const char *home, const struct outcome *o);
void judge_next(char out[VERDICT_MAX], const struct scene *s, const char *home, const struct outcome *o,
                enum kind failed);

__attribute__((noreturn, format(printf, 1, 2))) void die(const char *fmt, ...);
__attribute__((format(printf, 1, 2))) char *text(const char *fmt, ...);

#endif
