/* Promises of cache/partial: recorded blocks outlive every kill (P2), other tools' bytes are guesses, one writer at a
 * time, nothing stays behind (design: docs/formats/digests.md).
 * Seen red on purpose: take_digests without naming the data's present suffix before its rename (kills), best_of taking
 * the first candidate, data_blocks counting a half block, SEEK_DATA not asked (holes as guesses), no ftruncate of an
 * oversize leftover, the owner kept at close ("claimed at once"), a living owner ignored, the 60 s rule dropped where
 * locks are void or applied where they work, digests beyond the data believed, counted or left on disk, the short last
 * block counted as a whole one, adopted_blocks not
 * written, a read error taken for damage (faults), an owner from before a reboot waited for, small files given digests,
 * adopt without its mark in the header or over recorded blocks, the sweeps removing a living owner's files or ignoring
 * the lock, empty leftovers not dropped (many_kills), what is ours for a moment kept for ever or taken from the
 * living, a readdir or stat that fails taken for nothing there (blind); below --local-dir the lock, the size or what is in
 * place not looked at (local_small_files), a closed folder ending it (local_closed_folder). */
#include "cache/leftovers.h"
#include "cache/listing.h"
#include "cache/lock.h"
#include "cache_fixture.h"

#include <limits.h>
#include <signal.h>

#define MIB BLOCK_BYTES
#define SIZE (4 * MIB + 1000) /* five blocks, the last one short */

static const char *blob_path(const struct place *p, const char *tail)
{
    char below[256];
    snprintf(below, sizeof below, "hub/models--ns--name/blobs/%s%s", p->etag, tail);
    return fx_path(below);
}

/* Claims under the lock, as the engine does. */
static int claim(struct partial **pt, const struct place *p)
{
    int lock = -1;
    int rc = lock_try(&lock, p, NULL);
    if (!rc)
        rc = partial_claim(pt, p, COMMIT, false, NOW, NULL);
    if (lock >= 0)
        close(lock);
    return rc;
}

static void backdate(const char *path, int64_t unix_s)
{
    struct timespec t[2] = { { .tv_sec = unix_s }, { .tv_sec = unix_s } };
    utimensat(AT_FDCWD, path, t, 0);
}

static void kept_and_claimed(void)
{
    struct store *s = fx_store();
    struct place *p = fx_place(s, SIZE, 1, "x");
    struct partial *pt = NULL;
    CHECK(claim(&pt, p) == HFP_OK && pt->recorded_blocks == 0 && !pt->guessed && pt->blocks == 5, "a fresh partial");
    fx_fill(pt, 1, 3, 1);
    struct partial *second = NULL;
    CHECK(claim(&second, p) == HFP_E_LOCKED && !second, "a second job of this process sees the first one alive");
    CHECK(partial_sync(pt, NOW + 5, NULL) == HFP_OK && digests_info(pt->digests)->owner.heartbeat_unix_s == NOW + 5,
          "sync renews the heartbeat");
    partial_close(pt, true);
    CHECK(fx_count(fx_blobs(), ".incomplete") == 1 && fx_count(fx_blobs(), ".digests") == 1, "kept: data and digests");
    struct partial_look look;
    partial_look(&look, p, NOW);
    CHECK(look.recorded_bytes == 2 * MIB && !look.alive && look.guessed_bytes == 0 && look.bytes_seen == 2 * MIB,
          "a look sees the recorded blocks");
    CHECK(claim(&pt, p) == HFP_OK, "claimed at once by the next run");
    CHECK(pt->recorded_blocks == 2 && bit_get(pt->recorded, 1) && bit_get(pt->recorded, 2) &&
              !bit_get(pt->recorded, 0) && !pt->adopted_from[0],
          "with its recorded blocks");
    CHECK(strstr(pt->name, digests_info(pt->digests)->data_suffix) != NULL,
          "its header names the data as it is called now");
    fx_fill(pt, 4, 5, 1);
    partial_close(pt, true);
    partial_look(&look, p, NOW);
    CHECK_U64(look.recorded_bytes, 2 * MIB + 1000, "the short last block counts, for what it has");
    claim(&pt, p);
    CHECK(pt->recorded_blocks == 3 && bit_get(pt->recorded, 4), "and is claimed");
    partial_close(pt, false);
    CHECK_U64(fx_count(fx_blobs(), p->etag), 0, "closed without keeping: nothing stays");
    claim(&pt, p);
    partial_close(pt, true);
    CHECK_U64(fx_count(fx_blobs(), p->etag), 0, "a partial with nothing in it is not kept");
    free(p);
    store_free(s);
}

static void lost_data(void)
{
    struct store *s = fx_store();
    struct place *p = fx_place(s, SIZE, 1, "x");
    struct partial *pt = NULL;
    claim(&pt, p);
    fx_fill(pt, 0, 5, 1);
    CHECK(ftruncate(pt->fd, 2 * (off_t)MIB + 5) == 0, "power loss cut the data");
    partial_close(pt, true);
    struct partial_look look;
    partial_look(&look, p, NOW);
    CHECK(look.recorded_bytes == 2 * MIB && look.bytes_seen == 2 * MIB, "a look counts no digest without its data");
    claim(&pt, p);
    CHECK(pt->recorded_blocks == 2 && !bit_get(pt->recorded, 3), "digests ahead of their data are missing blocks");
    fx_fill(pt, 4, 5, 1);
    partial_close(pt, true);
    claim(&pt, p);
    CHECK(pt->recorded_blocks == 3 && !bit_get(pt->recorded, 3), "and stay so when the file grows over them");
    partial_close(pt, false);
    free(p);
    store_free(s);
}

/* Each row: a file some tool left, and what is taken from it. */
static void foreign(void)
{
    static const struct {
        const char *name, *tail;
        uint64_t bytes, guessed;
    } rows[] = {
        { "0.x-1.17 prefix", ".incomplete", 2 * MIB + 17, 2 },
        { "1.18+ leftover", ".deadbeef.incomplete", 3 * MIB, 3 },
        { "exact size", ".incomplete", SIZE, 5 },
        { "oversize", ".incomplete", SIZE + 12345, 5 },
        { "less than a block", ".incomplete", MIB - 1, 0 },
        { "0-byte orphan", ".0123abcd.incomplete", 0, 0 },
        { "upper-case suffix is not the client's", ".DEADBEEF.incomplete", 3 * MIB, 0 },
        { "a name that only begins alike", ".deadbeef0.incomplete", 3 * MIB, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        fx_fresh("/tmp");
        struct store *s = fx_store();
        struct place *p = fx_place(s, SIZE, 1, "x");
        struct partial *pt = NULL;
        struct stat st;
        fx_leave(blob_path(p, rows[i].tail), rows[i].bytes, 1);
        CHECK(claim(&pt, p) == HFP_OK && pt->guessed_blocks == rows[i].guessed && pt->recorded_blocks == 0,
              "%s: %u blocks are guesses", rows[i].name, (unsigned)rows[i].guessed);
        CHECK((pt->adopted_from[0] != 0) == (rows[i].guessed > 0) && fstat(pt->fd, &st) == 0 &&
                  (uint64_t)st.st_size <= SIZE,
              "%s: taken over by rename, never longer than the file", rows[i].name);
        if (rows[i].guessed) {
            CHECK(access(blob_path(p, rows[i].tail), F_OK) != 0 &&
                      digests_info(pt->digests)->adopted_blocks >= rows[i].guessed,
                  "%s: marked as adopted", rows[i].name);
            fx_fill(pt, 0, 1, 1); /* the first guess was looked at and recorded */
            partial_close(pt, true);
            claim(&pt, p);
            CHECK(pt->recorded_blocks == 1 && pt->guessed_blocks == rows[i].guessed - 1 && !bit_get(pt->guessed, 0),
                  "%s: the next run knows record from guess", rows[i].name);
        }
        partial_close(pt, false);
        free(p);
        store_free(s);
    }
}

static void sparse(const char *base)
{
    fx_fresh(base);
    struct store *s = fx_store();
    struct place *p = fx_place(s, 16 * MIB + 1000, 1, "x");
    struct partial *pt = NULL;
    uint8_t *buf = malloc(MIB);
    memset(buf, 7, MIB);
    int fd = open(blob_path(p, ".deadbeef.incomplete"), O_RDWR | O_CREAT, 0644);
    CHECK(pwrite(fd, buf, MIB, 3 * (off_t)MIB) == (ssize_t)MIB &&
              pwrite(fd, buf, MIB, 4 * (off_t)MIB) == (ssize_t)MIB &&
              pwrite(fd, buf, MIB / 2, 7 * (off_t)MIB) == (ssize_t)MIB / 2 &&
              pwrite(fd, buf, 1000, 16 * (off_t)MIB) == 1000,
          "%s: a Xet leftover with holes", base);
    close(fd);
    claim(&pt, p);
    CHECK(pt->guessed_blocks == 3 && bit_get(pt->guessed, 3) && bit_get(pt->guessed, 4) && bit_get(pt->guessed, 16),
          "%s: whole blocks and the tail are guesses, holes and halves are not", base);
    partial_close(pt, false);
    free(buf);
    free(p);
    store_free(s);
}

static void damaged_digests(void)
{
    for (int kind = 0; kind < 3; kind++) {
        fx_fresh("/tmp");
        struct store *s = fx_store();
        struct place *p = fx_place(s, SIZE, 1, "x");
        struct partial *pt = NULL;
        claim(&pt, p);
        fx_fill(pt, 0, 3, 1);
        int fd = openat(pt->dir, pt->digests_name, O_RDWR);
        uint8_t byte = 2;
        CHECK(kind == 0   ? pwrite(fd, &byte, 1, 20) == 1 /* torn */
              : kind == 1 ? pwrite(fd, &byte, 1, 8) == 1  /* version 2 */
                          : ftruncate(fd, 0) == 0,
              "digests %s",
              kind == 0   ? "torn"
              : kind == 1 ? "of a later version"
                          : "empty");
        char old[192];
        memcpy(old, pt->digests_name, sizeof old);
        close(fd);
        digests_close(pt->digests); /* gone without a word, as by kill -9 */
        close(pt->fd);
        free(pt->recorded);
        free(pt);
        CHECK(claim(&pt, p) == HFP_OK && pt->recorded_blocks == 0 && pt->guessed_blocks == 3,
              "their bytes become guesses");
        CHECK(faccessat(pt->dir, old, F_OK, 0) != 0, "and the damaged file is removed");
        partial_close(pt, true);
        claim(&pt, p);
        CHECK(pt->guessed_blocks == 3, "which stay guesses");
        partial_close(pt, false);
        free(p);
        store_free(s);
    }
}

static void several(void)
{
    struct store *s = fx_store();
    struct place *p = fx_place(s, SIZE, 1, "x");
    struct partial *a = NULL, *b = NULL;
    partial_claim(&a, p, COMMIT, true, NOW, NULL);
    partial_claim(&b, p, COMMIT, true, NOW, NULL);
    CHECK(a && b && strcmp(a->name, b->name) != 0, "force makes a file of its own each time");
    fx_fill(a, 0, 1, 1);
    fx_fill(b, 0, 3, 1);
    partial_close(a, true);
    partial_close(b, true);
    for (unsigned i = 0; i < 12; i++) { /* in whatever order the folder lists them */
        partial_claim(&a, p, COMMIT, true, NOW, NULL);
        fx_fill(a, 0, i % 3, 1);
        partial_close(a, true);
    }
    fx_leave(blob_path(p, ".incomplete"), 4 * MIB, 1);
    fx_leave(blob_path(p, ".0123abcd.incomplete"), 0, 1);
    CHECK(claim(&a, p) == HFP_OK && a->recorded_blocks == 3, "the one with most recorded blocks wins");
    partial_sweep(p, NOW);
    CHECK(fx_count(fx_blobs(), ".incomplete") == 1 && fx_count(fx_blobs(), ".digests") == 1 && !partial_unlinked(a),
          "the sweep removes the dead ones and leaves the living");
    partial_close(a, false);
    free(p);
    store_free(s);
}

/* What a kill leaves before the first block is recorded. */
static void leave_empty(const struct place *p)
{
    struct partial *pt = NULL;
    partial_claim(&pt, p, COMMIT, true, NOW, NULL);
    struct digests_info info = *digests_info(pt->digests);
    info.owner = (struct digests_owner){ 0 };
    digests_set_info(pt->digests, &info, NULL);
    digests_close(pt->digests);
    close(pt->fd);
    free(pt->recorded);
    free(pt);
}

/* Found by 300 kills over one pull: empty leftovers hid the one that had everything. */
static void many_kills(void)
{
    struct store *s = fx_store();
    struct place *p = fx_place(s, SIZE, 1, "x");
    struct partial *pt = NULL;
    for (unsigned i = 0; i < 3 * LEFTOVERS_MAX; i++) {
        if (i == LEFTOVERS_MAX) {
            partial_claim(&pt, p, COMMIT, true, NOW, NULL);
            fx_fill(pt, 0, 3, 1);
            partial_close(pt, true);
        }
        leave_empty(p);
    }
    CHECK(claim(&pt, p) == HFP_OK && pt->recorded_blocks == 3, "many empty leftovers do not hide the recorded blocks");
    CHECK(fx_count(fx_blobs(), ".incomplete") == 1 && fx_count(fx_blobs(), ".digests") == 1,
          "what was killed before its first block does not pile up");
    partial_close(pt, false);
    free(p);
    store_free(s);
}

/* Where flock does not exist only time and owner records speak. */
static void void_locks(void)
{
    struct store *s = fx_store();
    struct place *p = fx_place(s, SIZE, 1, "x");
    struct partial *pt = NULL;
    fault_install();
    fault_always(FAULT_FLOCK, ENOLCK);
    fx_leave(blob_path(p, ".incomplete"), 2 * MIB, 1);
    backdate(blob_path(p, ".incomplete"), NOW - 59);
    CHECK(claim(&pt, p) == HFP_E_LOCKED, "locks void: bytes written 59 s ago have a living writer");
    backdate(blob_path(p, ".incomplete"), NOW - 60);
    CHECK(claim(&pt, p) == HFP_OK && pt->guessed_blocks == 2, "60 s ago: adopted");
    partial_close(pt, false);
    io = &io_system;
    fx_leave(blob_path(p, ".incomplete"), 2 * MIB, 1);
    backdate(blob_path(p, ".incomplete"), NOW);
    CHECK(claim(&pt, p) == HFP_OK && pt->guessed_blocks == 2,
          "with a lock in hand nobody can be writing: adopted at once");
    struct digests_info info = *digests_info(pt->digests);
    fx_fill(pt, 0, 1, 1);
    strcpy(info.owner.host, "elsewhere");
    strcpy(info.owner.boot_id, "another");
    digests_set_info(pt->digests, &info, NULL);
    struct partial *second = NULL;
    CHECK(claim(&second, p) == HFP_E_LOCKED, "another host with a fresh heartbeat: hands off");
    info.owner.heartbeat_unix_s = NOW - 120;
    digests_set_info(pt->digests, &info, NULL);
    CHECK(claim(&second, p) == HFP_OK && second->recorded_blocks == 1, "its heartbeat 120 s old: taken over");
    digests_owner_self(&info.owner, NOW);
    strcpy(info.owner.boot_id, "the boot before");
    digests_set_info(second->digests, &info, NULL);
    struct partial *third = NULL;
    CHECK(claim(&third, p) == HFP_OK && third->recorded_blocks == 1,
          "this host before its reboot: dead, for we have the lock");
    partial_close(pt, true);
    partial_close(second, true);
    partial_close(third, false);
    free(p);
    store_free(s);
}

/* What a kill left of the files in .hf-pull that are ours for a moment; a living run's are younger. */
static void moments(void)
{
    static const char *const names[] = { "new.0123abcd.tmp", "x.chunks.0123abcd.tmp", "test.0123abcd",
                                         "link.0123abcd" };
    struct store *s = fx_store();
    char path[128];
    for (size_t i = 0; i < 2 * ARRAY_LEN(names) + 1; i++) {
        snprintf(path, sizeof path, "hub/models--ns--name/.hf-pull/%s%s", i < ARRAY_LEN(names) ? "" : "z",
                 i == 2 * ARRAY_LEN(names) ? ".receipt" : names[i % ARRAY_LEN(names)]);
        fx_leave(fx_path(path), 10, 1);
        backdate(fx_path(path), i < 2 ? NOW - 86400 : NOW - 86401);
    }
    unsigned before = fx_count(fx_path("hub/models--ns--name/.hf-pull"), "");
    partial_sweep_all(s, NOW);
    CHECK_U64(before - fx_count(fx_path("hub/models--ns--name/.hf-pull"), ""), 4, "of a day ago: four go");
    CHECK_U64(fx_count(fx_path("hub/models--ns--name/.hf-pull"), "abcd"), 4, "two are too young, two not ours");
    CHECK_U64(fx_count(fx_path("hub/models--ns--name/.hf-pull"), ".receipt"), 1, "and a receipt stays");
    store_free(s);
}

static void small_files(const char *base)
{
    fx_fresh(base);
    struct store *s = fx_store();
    struct place *p = fx_place(s, 2000, 1, "x");
    struct partial *pt = NULL, *second = NULL;
    fault_install();
    CHECK(partial_claim(&pt, p, COMMIT, false, NOW, NULL) == HFP_OK && !pt->digests && !pt->recorded, "a small file");
    CHECK_U64(fault_all_calls(), 1, "is one system call: no digests, no look at the folder");
    close(pt->fd); /* killed */
    free(pt);
    CHECK(claim(&pt, p) == HFP_OK && fx_count(fx_blobs(), p->etag) == 1, "what a kill left is replaced, not added to");
    fault_always(FAULT_FLOCK, ENOSYS);
    backdate(blob_path(p, ""), NOW);
    futimens(pt->fd, (struct timespec[2]){ { .tv_sec = NOW }, { .tv_sec = NOW } });
    CHECK(partial_claim(&second, p, COMMIT, false, NOW + 59, NULL) == HFP_E_LOCKED && !partial_unlinked(pt),
          "locks void: a fresh one may be another's");
    io = &io_system;
    partial_close(pt, true);
    CHECK_U64(fx_count(fx_blobs(), p->etag), 0, "nothing to resume, nothing kept");
    fx_leave(blob_path(p, ".deadbeef.incomplete"), 0, 1);
    partial_sweep_all(s, NOW);
    CHECK_U64(fx_count(fx_blobs(), p->etag), 1, "an orphan of content that is not in place stays");
    fx_leave(blob_path(p, ""), 2000, 1);
    int lock = -1;
    lock_try(&lock, p, NULL);
    partial_sweep_all(s, NOW);
    CHECK_U64(fx_count(fx_blobs(), p->etag), 2, "and one whose lock is held (hf --force-download)");
    close(lock);
    partial_sweep_all(s, NOW);
    CHECK_U64(fx_count(fx_blobs(), p->etag), 1, "the orphan of published content goes");
    free(p);
    store_free(s);
}

/* Kill -9 at every changing call of a claim, of each kind of leftover, twice in a row: the third run must find every
 * recorded block, every guess, and leave nothing behind. */
static int killed_claim(const struct place *p, unsigned at)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        struct partial *pt = NULL;
        fault_install();
        fault_kill_at(at);
        int rc = claim(&pt, p);
        _exit(rc ? 1 : 0); /* not closed: killed right after */
    }
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

static void prepare_leftover(const struct place *p, int kind)
{
    struct partial *pt = NULL;
    if (kind == 1) { /* a prefix of an old client */
        fx_leave(blob_path(p, ".incomplete"), 3 * MIB, 1);
        return;
    }
    claim(&pt, p);
    fx_fill(pt, 0, 3, 1);
    if (kind == 2) { /* damaged digests */
        uint8_t byte = 0;
        digests_close(pt->digests);
        int fd = openat(pt->dir, pt->digests_name, O_RDWR);
        pwrite(fd, &byte, 1, 0) == 1 ? (void)0 : abort();
        close(fd);
        close(pt->fd);
        free(pt->recorded);
        free(pt);
        return;
    }
    partial_close(pt, true);
}

static void kills(const char *base)
{
    static const char *const kinds[] = { "own", "foreign", "damaged" };
    for (int kind = 0; kind < 3; kind++) {
        unsigned lost = 0, refused = 0, stayed = 0, rounds = 0;
        bool first_done = false;
        for (unsigned a = 1; !first_done && a < 40; a++) {
            bool second_done = false;
            for (unsigned b = 1; !second_done && b < 40; b++, rounds++) {
                fx_fresh(base);
                struct store *s = fx_store();
                struct place *p = fx_place(s, SIZE, 1, "x");
                struct partial *pt = NULL;
                prepare_leftover(p, kind);
                first_done = killed_claim(p, a) == 0;
                second_done = killed_claim(p, b) == 0;
                if (claim(&pt, p) != HFP_OK) {
                    refused++;
                } else {
                    lost += pt->recorded_blocks + pt->guessed_blocks != 3 || (kind == 0 && pt->recorded_blocks != 3);
                    partial_close(pt, true);
                    claim(&pt, p);
                    fx_fill(pt, 3, 5, 1);
                    partial_close(pt, false);
                    partial_sweep(p, NOW);
                    stayed += fx_count(fx_blobs(), p->etag) != 0;
                }
                free(p);
                store_free(s);
            }
        }
        CHECK(rounds >= 16, "%s leftover on %s: %u pairs of kills", kinds[kind], base, rounds);
        CHECK_U64(refused, 0, "%s: no dead claim blocks the next", kinds[kind]);
        CHECK_U64(lost, 0, "%s: no block is lost", kinds[kind]);
        CHECK_U64(stayed, 0, "%s: nothing stays after the sweep", kinds[kind]);
    }
}

/* Each changing call fails once instead: the claim says so or copes, and the next one has everything. */
static void faults(void)
{
    static const enum fault_kind kinds[] = { FAULT_CREATE, FAULT_WRITE,  FAULT_RENAME,  FAULT_OPEN,
                                             FAULT_STAT,   FAULT_UNLINK, FAULT_TRUNCATE };
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        for (int kind = 0; kind < 3; kind++) {
            unsigned lost = 0, nth = 1;
            bool hit = true;
            for (; hit && nth < 200; nth++) {
                fx_fresh("/tmp");
                struct store *s = fx_store();
                struct place *p = fx_place(s, SIZE, 1, "x");
                struct partial *pt = NULL;
                prepare_leftover(p, kind);
                fault_install();
                fault_arm(kinds[k], nth, EIO);
                claim(&pt, p);
                hit = fault_calls(kinds[k]) >= nth;
                io = &io_system;
                partial_close(pt, true);
                pt = NULL;
                lost += claim(&pt, p) != HFP_OK || pt->recorded_blocks + pt->guessed_blocks != 3 ||
                        (kind == 0 && pt->recorded_blocks != 3);
                partial_close(pt, false);
                free(p);
                store_free(s);
            }
            CHECK_U64(lost, 0, "fault kind %d, leftover %d: %u places, nothing lost and nothing locked", (int)kinds[k],
                      kind, nth - 2);
        }
    }
}

/* A living process that does not answer for its lock (void locks): seen by its owner record alone. */
static const char *unseen;
static unsigned unseen_left;

static int not_seen(int dir, const char *path, struct stat *st, int flags)
{
    size_t n = strlen(path), k = strlen(unseen);
    if (unseen_left > 0 && n > k && strcmp(path + n - k, unseen) == 0) {
        unseen_left--;
        errno = EIO;
        return -1;
    }
    return io_system.fstatat(dir, path, st, flags);
}

/* What cannot be seen for a moment is no reason to begin from nothing: the claim fails, or has all of it. */
static void blind(void)
{
    for (unsigned nth = 0; nth < 200; nth++) { /* 0: the data cannot be looked at, however often */
        struct partial *pt = NULL;
        fx_fresh("/tmp");
        struct store *s = fx_store();
        struct place *p = fx_place(s, SIZE, 1, "x");
        prepare_leftover(p, 0);
        fault_install();
        unseen = ".incomplete";
        unseen_left = nth ? 0 : UINT_MAX;
        fault_ops.fstatat = nth ? fault_ops.fstatat : not_seen;
        if (nth)
            fault_arm(FAULT_READDIR, nth, EIO);
        int rc = claim(&pt, p);
        bool hit = nth == 0 || fault_calls(FAULT_READDIR) >= nth;
        io = &io_system;
        CHECK(rc != HFP_OK || pt->recorded_blocks == 3, "%s: what is recorded is gone on with or waits",
              nth ? "readdir fails once" : "stat fails");
        partial_close(pt, true);
        pt = NULL;
        CHECK(claim(&pt, p) == HFP_OK && pt->recorded_blocks == 3, "and then it is there");
        partial_close(pt, false);
        free(p);
        store_free(s);
        if (!hit)
            break;
    }
}

static void living_process(void)
{
    struct store *s = fx_store();
    struct place *p = fx_place(s, SIZE, 1, "x");
    struct partial *pt = NULL;
    int pipes[2];
    if (pipe(pipes))
        return;
    pid_t child = fork();
    if (child == 0) {
        claim(&pt, p);
        fx_fill(pt, 0, 2, 1);
        _exit(write(pipes[1], "x", 1) == 1 ? pause() : 1);
    }
    char c;
    CHECK(read(pipes[0], &c, 1) == 1 && claim(&pt, p) == HFP_E_LOCKED, "a living process keeps its partial");
    struct partial_look look;
    partial_look(&look, p, NOW);
    CHECK(look.alive && look.recorded_bytes == 2 * MIB && look.bytes_seen == 2 * MIB,
          "and a look sees it, and how far it is");
    partial_sweep(p, NOW);
    CHECK_U64(fx_count(fx_blobs(), ".incomplete"), 1, "the sweep leaves it alone");
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    CHECK(claim(&pt, p) == HFP_OK && pt->recorded_blocks == 2, "killed: claimed at once with all it recorded");
    partial_close(pt, false);
    free(p);
    store_free(s);
}

static void reserve(void)
{
    struct store *s = fx_store();
    struct place *p = fx_place(s, SIZE, 1, "x");
    struct partial *pt = NULL;
    struct stat st;
    claim(&pt, p);
    CHECK(partial_reserve(pt, 0, UINT64_MAX, NULL) == HFP_OK && fstat(pt->fd, &st) == 0 && st.st_size == 0,
          "reserving keeps the size, which scanners show");
    CHECK(partial_reserve(pt, SIZE, 1, NULL) == HFP_OK, "nothing beyond the end");
    fault_install();
    fault_always(FAULT_FALLOCATE, EOPNOTSUPP);
    CHECK(partial_reserve(pt, 0, MIB, NULL) == HFP_OK, "quiet where it is not supported");
    fault_always(FAULT_FALLOCATE, ENOSPC);
    CHECK(partial_reserve(pt, 0, MIB, NULL) == HFP_E_NO_SPACE, "a full disk is said");
    fault_always(FAULT_FALLOCATE, EDQUOT);
    CHECK(partial_reserve(pt, 0, MIB, NULL) == HFP_E_QUOTA, "a quota is said");
    io = &io_system;
    CHECK(!partial_unlinked(pt) && unlink(blob_path(p, pt->name + strlen(p->etag))) == 0 && partial_unlinked(pt),
          "a pruned partial is noticed");
    partial_close(pt, false);
    free(p);
    store_free(s);
}

static void local_folder(void)
{
    struct store *s = fx_store_with(fx_path("D"), true, false);
    struct place *p = fx_place(s, SIZE, 1, "sub/model.bin");
    struct partial *pt = NULL;
    char old[512];
    place_prepare(p, NULL);
    snprintf(old, sizeof old, "D/.cache/huggingface/download/sub/%s.incomplete", p->part_base);
    fx_leave(fx_path(old), 2 * MIB, 1);
    CHECK(claim(&pt, p) == HFP_OK && pt->guessed_blocks == 2, "--local-dir: a leftover of <= 1.17 is adopted");
    fx_fill(pt, 0, 4, 1);
    partial_close(pt, true);
    CHECK(claim(&pt, p) == HFP_OK && pt->recorded_blocks == 4, "and resumed");
    partial_close(pt, false);
    free(p);
    store_free(s);
}

/* A killed client's leftovers of small files below --local-dir, and what only looks like them. */
static void local_small_files(void)
{
    static const char *const paths[] = { "a.json", "sub/deep/b.json", "sub/large.bin", "missing.json", "locked.json" };
    char notes[1024], left[512];
    struct store *s = fx_store_with(fx_path("D"), true, false);
    struct listing *l = NULL;
    struct place *p[ARRAY_LEN(paths)];
    snprintf(notes, sizeof notes, "%s", fx_path("D/.cache/huggingface/download"));
    listing_new(&l, NULL);
    for (unsigned i = 0; i < ARRAY_LEN(paths); i++) {
        p[i] = fx_place(s, i == 2 ? SIZE : 2000, i + 1, paths[i]);
        place_prepare(p[i], NULL);
        listing_add(l, &(struct listed_file){ .path = paths[i], .size_bytes = p[i]->size_bytes, .id = p[i]->id }, NULL);
        snprintf(left, sizeof left, "D/%s", paths[i]);
        if (i != 3)
            fx_leave(fx_path(left), p[i]->size_bytes, i + 1);
        for (int k = 0; k < 2; k++) {
            snprintf(left, sizeof left, "D/.cache/huggingface/%.200s/%s%s.incomplete", p[i]->part_folder,
                     p[i]->part_base, k ? ".0123abcd" : "");
            fx_leave(fx_path(left), 10, 1);
        }
    }
    listing_seal(l, NULL);
    snprintf(left, sizeof left, "D/.cache/huggingface/download/sub/%s.incomplete", p[0]->part_base);
    fx_leave(fx_path(left), 10, 1);
    int lock = -1;
    lock_try(&lock, p[4], NULL);
    partial_sweep_local(s, l, NOW);
    CHECK_U64(fx_count(fx_path("D/.cache/huggingface/download/sub/deep"), ".incomplete"), 0, "both names go");
    CHECK_U64(fx_count(notes, p[0]->part_base), 0, "at the top as well");
    CHECK_U64(fx_count(fx_path("D/.cache/huggingface/download/sub"), ".incomplete"), 3,
              "a large file's stay (it is swept when it is linked), and one that is of no file there");
    CHECK_U64(fx_count(notes, p[3]->part_base), 2, "so do those of a file that is not in place");
    CHECK_U64(fx_count(notes, p[4]->part_base), 2, "and where the lock is held");
    close(lock);
    partial_sweep_local(s, l, NOW);
    CHECK_U64(fx_count(notes, p[4]->part_base), 0, "which go when it is free");
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        free(p[i]);
    listing_free(l);
    store_free(s);
}

/* Of two folders among the notes one cannot be listed: what lies in the other one goes. */
static void local_closed_folder(void)
{
    static const char *const paths[] = { "a/x.json", "b/x.json" };
    struct store *s = fx_store_with(fx_path("D"), true, false);
    struct listing *l = NULL;
    char left[512];
    listing_new(&l, NULL);
    for (unsigned i = 0; i < ARRAY_LEN(paths); i++) {
        struct place *p = fx_place(s, 2000, i + 1, paths[i]);
        place_prepare(p, NULL);
        listing_add(l, &(struct listed_file){ .path = paths[i], .size_bytes = 2000, .id = p->id }, NULL);
        snprintf(left, sizeof left, "D/%s", paths[i]);
        fx_leave(fx_path(left), 2000, i + 1);
        snprintf(left, sizeof left, "D/.cache/huggingface/download/%c/%s.incomplete", paths[i][0], p->part_base);
        fx_leave(fx_path(left), 10, 1);
        free(p);
    }
    listing_seal(l, NULL);
    fault_install();
    fault_arm(FAULT_FDOPENDIR, 2, EACCES);
    partial_sweep_local(s, l, NOW);
    io = &io_system;
    CHECK_U64(fx_count(fx_path("D/.cache/huggingface/download/a"), ".incomplete") +
                  fx_count(fx_path("D/.cache/huggingface/download/b"), ".incomplete"),
              1, "a closed folder is passed over");
    listing_free(l);
    store_free(s);
}

/* Another tool's file beside what is recorded: gaps are filled, nothing recorded is touched, and after a death what was
 * copied is still a guess. */
static void adopted(void)
{
    struct store *s = fx_store();
    struct place *p = fx_place(s, SIZE, 1, "x");
    struct partial *pt = NULL;
    static uint8_t bytes[SIZE], got[MIB];
    memset(bytes, 0xAB, sizeof bytes);
    int fd = open(fx_path("other"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || pwrite(fd, bytes, SIZE - MIB, MIB) != SIZE - MIB) /* its first block is a hole */
        abort();
    claim(&pt, p);
    fx_fill(pt, 2, 3, 1);
    partial_close(pt, true);
    claim(&pt, p);
    atomic_bool stop = false;
    _Atomic uint64_t read_bytes = 0;
    struct partial_source from = { .fd = fd, .name = "other", .stop = &stop, .read_bytes = &read_bytes };
    CHECK(partial_adopt(pt, &from, NULL) == HFP_OK && pt->guessed_blocks == 3 && !bit_get(pt->guessed, 0) &&
              bit_get(pt->guessed, 1) && !bit_get(pt->guessed, 2) && bit_get(pt->guessed, 3) && bit_get(pt->guessed, 4),
          "adopted: what we have not, and no hole");
    CHECK(pread(pt->fd, got, MIB, 2 * MIB) == (ssize_t)MIB && got[5] != 0xAB &&
              pread(pt->fd, got, MIB, 3 * MIB) == (ssize_t)MIB && got[5] == 0xAB,
          "what was recorded stays as it is");
    CHECK(atomic_load(&read_bytes) == 2 * MIB + 1000, "the work is counted");
    partial_close(pt, true);
    claim(&pt, p);
    CHECK(pt->recorded_blocks == 1 && pt->guessed_blocks == 3, "after the end of the process it is a guess still");
    stop = true;
    bit_clear(pt->guessed, 1);
    CHECK(partial_adopt(pt, &from, NULL) == HFP_E_CANCELLED, "it stops when told");
    partial_close(pt, false);
    close(fd);
    free(p);
    store_free(s);
}

int main(void)
{
    static void (*const tests[])(void) = { kept_and_claimed,
                                           lost_data,
                                           foreign,
                                           damaged_digests,
                                           several,
                                           adopted,
                                           many_kills,
                                           void_locks,
                                           living_process,
                                           reserve,
                                           local_folder,
                                           local_small_files,
                                           local_closed_folder,
                                           faults,
                                           moments,
                                           blind };
    for (size_t i = 0; i < ARRAY_LEN(tests); i++) {
        fx_fresh("/tmp");
        tests[i]();
    }
    fx_fresh("/dev/shm");
    kept_and_claimed();
    sparse("/tmp");
    sparse("/dev/shm");
    small_files("/tmp");
    small_files("/dev/shm");
    kills("/dev/shm");
    fx_wipe();
    return tap_end();
}
