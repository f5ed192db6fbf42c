#include "cache/partial_inside.h"

#include "cache/leftovers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CLAIM_TRIES 16 /* each turn means that somebody else renamed or removed a file between our look and our hand */

static void partial_name(char out[192], const struct place *p, const char *suffix, const char *kind)
{
    snprintf(out, 192, "%s.%s.%s", p->part_base, suffix, kind);
}

static void set_names(struct partial *pt, const struct place *p, const char *suffix)
{
    partial_name(pt->name, p, suffix, "incomplete");
    if (pt->blocks > 1) {
        partial_name(pt->digests_name, p, suffix, "digests");
        partial_name(pt->chunks_name, p, suffix, "chunks");
    }
}

/* The suffix in a data file's name: "" for <base>.incomplete. */
static void suffix_of(char out[9], const struct place *p, const char *data)
{
    size_t base = strlen(p->part_base) + 1;
    bool plain = strcmp(data + base, "incomplete") == 0;
    snprintf(out, 9, "%.8s", plain ? "" : data + base);
}

int partial_open_data(int dir, const char *name, int flags)
{
    return io_openat(dir, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | flags, 0666);
}

/* A file of one block: no digests, no look at the folder. The suffix is that of the etag itself, so that what a killed
 * run left is met here, by name, and replaced. */
static int claim_small(struct partial *pt, const struct place *p, int64_t unix_s, struct hfp_err *err)
{
    char suffix[9];
    snprintf(suffix, sizeof suffix, "%.8s", p->etag);
    set_names(pt, p, suffix);
    for (int i = 0; i < CLAIM_TRIES; i++) {
        pt->fd = partial_open_data(pt->dir, pt->name, O_CREAT | O_EXCL);
        if (pt->fd >= 0)
            return HFP_OK;
        struct stat st;
        if (errno != EEXIST)
            break;
        if (io->fstatat(pt->dir, pt->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (!leftovers_quiet(&st, unix_s) && !leftovers_locks_work(p)) {
            pt->name[0] = 0; /* not ours to remove */
            return err_set(err, HFP_E_LOCKED, "%s is being written by another process", p->etag);
        }
        io->unlinkat(pt->dir, pt->name, 0);
    }
    int saved = errno;
    int rc = err_sys(err, HFP_E_IO, saved, "create %s", pt->name);
    pt->name[0] = 0;
    return rc;
}

/* Digests before data: so no data of ours is ever seen without its owner. */
static int claim_fresh(struct partial *pt, const struct place *p, struct digests_info *info, struct hfp_err *err)
{
    char suffix[9];
    io_salt(suffix);
    set_names(pt, p, suffix);
    snprintf(info->data_suffix, sizeof info->data_suffix, "%s", suffix);
    int rc = digests_create(&pt->digests, pt->dir, pt->digests_name, info, err);
    if (rc) {
        pt->name[0] = pt->digests_name[0] = pt->chunks_name[0] = 0;
        return rc;
    }
    pt->fd = partial_open_data(pt->dir, pt->name, O_CREAT | O_EXCL);
    if (pt->fd < 0)
        return err_sys(err, HFP_E_IO, errno, "create %s", pt->name);
    store_adopt_owner(pt->store, pt->dir, pt->name);
    store_adopt_owner(pt->store, pt->dir, pt->digests_name);
    return HFP_OK;
}

/* The digests of a dead owner. Each step leaves a state that leftovers.c can pair again: before the rename the header
 * names the data as it is called now, and it keeps that name until the data has followed. */
static int take_digests(struct partial *pt, const struct place *p, const struct leftover *l, struct digests_info *info,
                        struct hfp_err *err)
{
    char now[9];
    int rc = digests_open(&pt->digests, pt->dir, l->digests, err);
    if (rc)
        return rc == HFP_E_NO_FILE ? HFP_E_AGAIN : rc;
    suffix_of(now, p, l->data);
    struct digests_info old = *digests_info(pt->digests);
    if (strcmp(old.data_suffix, now) != 0) {
        memcpy(old.data_suffix, now, sizeof now);
        rc = digests_set_info(pt->digests, &old, err);
        if (rc)
            return rc;
    }
    if (io->renameat(pt->dir, l->digests, pt->dir, pt->digests_name) < 0)
        return errno == ENOENT ? HFP_E_AGAIN : err_sys(err, HFP_E_IO, errno, "rename %s", l->digests);
    memcpy(info->data_suffix, now, sizeof now);
    info->adopted_blocks = old.adopted_blocks;
    rc = digests_set_info(pt->digests, info, err);
    /* Only without locks: somebody saw the dead owner's record after our rename and before our own record. */
    if (!rc && !digests_is(pt->digests, pt->dir, pt->digests_name))
        rc = HFP_E_AGAIN;
    return rc;
}

/* Bytes without digests: new digests that name the data as it is called now. */
static int make_digests(struct partial *pt, const struct place *p, const struct leftover *l, struct digests_info *info,
                        struct hfp_err *err)
{
    suffix_of(info->data_suffix, p, l->data);
    info->adopted_blocks = blocks_of(MIN(l->data_bytes, p->size_bytes));
    int rc = digests_create(&pt->digests, pt->dir, pt->digests_name, info, err);
    if (!rc)
        store_adopt_owner(pt->store, pt->dir, pt->digests_name);
    return rc;
}

/* The open map that lies beside the data, or, after a kill between two renames, beside the digests. A convenience: what
 * is lost of it is chunks that are not known. */
static void take_chunks(const struct partial *pt, const struct place *p, const struct leftover *l)
{
    char suffix[9], name[192];
    suffix_of(suffix, p, l->data);
    partial_name(name, p, suffix, "chunks");
    if (io->renameat(pt->dir, name, pt->dir, pt->chunks_name) == 0 || !l->digests[0])
        return;
    suffix_of(suffix, p, l->digests);
    partial_name(name, p, suffix, "chunks");
    io->renameat(pt->dir, name, pt->dir, pt->chunks_name);
}

/* HFP_E_AGAIN: somebody was quicker, look again. HFP_E_FORBIDDEN: not ours to write, try the next. */
static int take(struct partial *pt, const struct place *p, const struct leftover *l, struct digests_info *info,
                struct hfp_err *err)
{
    char suffix[9];
    io_salt(suffix);
    set_names(pt, p, suffix);
    bool guess = l->damaged || !l->digests[0];
    pt->fd = partial_open_data(pt->dir, l->data, 0);
    if (pt->fd < 0 && (errno == EACCES || errno == EPERM || errno == ELOOP))
        return HFP_E_FORBIDDEN;
    if (pt->fd < 0)
        return errno == ENOENT ? HFP_E_AGAIN : err_sys(err, HFP_E_IO, errno, "open %s", l->data);
    int rc = guess ? make_digests(pt, p, l, info, err) : take_digests(pt, p, l, info, err);
    /* Each step is durable before the next: else power loss may keep the second rename or the new suffix alone, and the
     * digests and their data would not find each other again. A guess has nothing to lose. */
    if (!rc && !guess)
        rc = io_fsync(pt->dir, err, "the folder of partials");
    if (rc)
        return rc;
    if (io->renameat(pt->dir, l->data, pt->dir, pt->name) < 0)
        return errno == ENOENT ? HFP_E_AGAIN : err_sys(err, HFP_E_IO, errno, "rename %s", l->data);
    if (!guess)
        rc = io_fsync(pt->dir, err, "the folder of partials");
    take_chunks(pt, p, l);
    memcpy(info->data_suffix, suffix, sizeof suffix);
    if (!rc)
        rc = digests_set_info(pt->digests, info, err);
    if (!rc && l->data_bytes > p->size_bytes && io->ftruncate(pt->fd, (off_t)p->size_bytes) < 0)
        rc = err_sys(err, HFP_E_IO, errno, "shorten %s", pt->name);
    if (rc)
        return rc;
    if (guess) {
        if (l->digests[0])
            io->unlinkat(pt->dir, l->digests, 0);
        memcpy(pt->adopted_from, l->data, sizeof pt->adopted_from);
    }
    return HFP_OK;
}

/* Takes back a take() that came to nothing. Digests we made for other's bytes go; a notebook we took over stays, under
 * whichever name, without an owner. */
static void untake(struct partial *pt, bool made_digests)
{
    fd_closep(&pt->fd);
    if (pt->digests && digests_is(pt->digests, pt->dir, pt->digests_name)) {
        struct digests_info info = *digests_info(pt->digests);
        info.owner = (struct digests_owner){ 0 };
        if (made_digests && !io_exists(pt->dir, pt->name))
            io->unlinkat(pt->dir, pt->digests_name, 0);
        else
            digests_set_info(pt->digests, &info, NULL);
    }
    digests_close(pt->digests);
    pt->digests = NULL;
    pt->name[0] = pt->digests_name[0] = pt->chunks_name[0] = 0;
}

static struct leftover *best_of(struct leftover *items, size_t n)
{
    struct leftover *best = NULL;
    for (size_t i = 0; i < n; i++) {
        struct leftover *l = &items[i];
        if (l->closed || !l->data[0] || (l->recorded_blocks == 0 && l->guessed_blocks == 0))
            continue;
        if (!best || l->recorded_blocks > best->recorded_blocks ||
            (l->recorded_blocks == best->recorded_blocks && l->guessed_blocks > best->guessed_blocks))
            best = l;
    }
    return best;
}

/* Killed before its first block was recorded: nothing to go on with, and enough of them would hide the one that has. */
static size_t drop_empty(const struct partial *pt, const struct leftover *items, size_t n)
{
    size_t dropped = 0;
    for (size_t i = 0; i < n; i++) {
        const struct leftover *l = &items[i];
        bool ours = l->digests[0] && !l->damaged && !l->closed && l->info.adopted_blocks == 0;
        if (!ours || l->recorded_blocks > 0)
            continue;
        if (l->data[0]) /* data first, as in sweep.c */
            io->unlinkat(pt->dir, l->data, 0);
        io->unlinkat(pt->dir, l->digests, 0);
        dropped++;
    }
    return dropped;
}

/* One look at the folder, and the best of it. */
static int claim_once(struct partial *pt, const struct place *p, struct digests_info *info, int64_t unix_s,
                      struct hfp_err *err)
{
    AUTO_FREE struct leftover *items = NULL;
    size_t n = 0;
    int rc = leftovers_find(&items, &n, p, pt->dir, true, unix_s, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < n; i++)
        if (items[i].alive)
            return err_set(err, HFP_E_LOCKED, "%s is being written by another process", p->etag);
    if (drop_empty(pt, items, n) > 0 && n == LEFTOVERS_MAX)
        return HFP_E_AGAIN; /* there may be more, and better ones */
    for (;;) {
        struct leftover *best = best_of(items, n);
        if (!best)
            return claim_fresh(pt, p, info, err);
        struct digests_info mine = *info;
        rc = take(pt, p, best, &mine, err);
        if (rc == HFP_OK)
            return HFP_OK;
        untake(pt, best->damaged || !best->digests[0]);
        if (rc != HFP_E_FORBIDDEN)
            return rc;
        best->data[0] = 0; /* another user's: their bytes stay theirs */
    }
}

/* What the claimed files hold, as bits. */
int partial_fill_bits(struct partial *pt, struct hfp_err *err)
{
    struct stat st;
    size_t bytes = (size_t)((pt->blocks + 7) / 8);
    pt->recorded = calloc(1, bytes);
    AUTO_FREE uint8_t *guessed = calloc(1, bytes);
    if (!pt->recorded || !guessed)
        return err_nomem(err);
    if (io->fstat(pt->fd, &st) < 0)
        return err_sys(err, HFP_E_IO, errno, "stat %s", pt->name);
    int rc = digests_count(pt->digests, pt->recorded, &pt->recorded_blocks, err);
    uint64_t have = (uint64_t)st.st_size;
    uint64_t whole = have >= pt->size_bytes ? pt->blocks : have / BLOCK_BYTES;
    for (uint64_t b = whole; !rc && b < pt->blocks; b++) {
        if (!bit_get(pt->recorded, b))
            continue;
        bit_clear(pt->recorded, b); /* power loss: the digest reached the disk and its data did not */
        pt->recorded_blocks--;
        rc = digests_set(pt->digests, b, NULL, err);
    }
    if (rc)
        return rc;
    uint64_t adopted_bytes = digests_info(pt->digests)->adopted_blocks * BLOCK_BYTES;
    leftovers_data_blocks(guessed, pt->fd, MIN(have, adopted_bytes), pt->size_bytes);
    for (uint64_t b = 0; b < pt->blocks; b++) {
        if (bit_get(pt->recorded, b))
            bit_clear(guessed, b);
        pt->guessed_blocks += bit_get(guessed, b);
    }
    if (pt->guessed_blocks)
        pt->guessed = ptr_steal(&guessed);
    return HFP_OK;
}

static int claim_large(struct partial *pt, const struct place *p, const char *commit, bool force, int64_t unix_s,
                       struct hfp_err *err)
{
    struct digests_info info = { .id = p->id, .size_bytes = p->size_bytes };
    snprintf(info.commit, sizeof info.commit, "%s", commit && name_is_commit(commit) ? commit : "");
    digests_owner_self(&info.owner, unix_s);
    int rc = force ? claim_fresh(pt, p, &info, err) : HFP_E_AGAIN;
    for (int i = 0; i < CLAIM_TRIES && rc == HFP_E_AGAIN; i++)
        rc = claim_once(pt, p, &info, unix_s, err);
    if (rc == HFP_E_AGAIN)
        rc = err_set(err, HFP_E_LOCKED, "the partials of %s change under our hands", p->etag);
    return rc ? rc : partial_fill_bits(pt, err);
}

int partial_claim(struct partial **out, const struct place *p, const char *commit, bool force, int64_t unix_s,
                  struct hfp_err *err)
{
    if (p->size_bytes > DIGESTS_SIZE_MAX)
        return err_set(err, HFP_E_PROTO, "a file of %llu bytes is not believed", (unsigned long long)p->size_bytes);
    struct partial *pt = calloc(1, sizeof *pt);
    if (!pt)
        return err_nomem(err);
    *pt = (struct partial){ .store = p->store,
                            .fd = -1,
                            .direct_fd = -1,
                            .dir = -1,
                            .size_bytes = p->size_bytes,
                            .blocks = blocks_of(p->size_bytes) };
    int own = -1;
    int rc = leftovers_open_dir(&pt->dir, &own, p, err);
    pt->dir_borrowed = own < 0;
    if (!rc)
        rc = pt->blocks <= 1 ? claim_small(pt, p, unix_s, err) : claim_large(pt, p, commit, force, unix_s, err);
    if (rc) {
        partial_close(pt, true);
        return rc;
    }
    *out = pt;
    return HFP_OK;
}

void partial_look(struct partial_look *out, const struct place *p, int64_t unix_s)
{
    *out = (struct partial_look){ 0 };
    AUTO_FREE struct leftover *items = NULL;
    size_t n = 0;
    int dir = -1;
    AUTO(fd_closep) int own = -1;
    if (blocks_of(p->size_bytes) <= 1 || leftovers_open_dir(&dir, &own, p, NULL))
        return;
    if (leftovers_find(&items, &n, p, dir, false, unix_s, NULL))
        return;
    for (size_t i = 0; i < n; i++) {
        /* Ours are written out of order and reach their full size early: what is recorded tells more. */
        bool ours = items[i].digests[0] && !items[i].damaged;
        out->bytes_seen = MAX(out->bytes_seen, ours ? items[i].recorded_bytes : items[i].data_bytes);
        out->alive = out->alive || items[i].alive;
    }
    const struct leftover *best = best_of(items, n);
    if (best) {
        out->recorded_bytes = best->recorded_bytes;
        out->guessed_bytes = best->guessed_blocks * BLOCK_BYTES;
        out->held_bytes = best->disk_bytes - MIN(best->recorded_bytes, best->disk_bytes);
    }
}

bool partial_unlinked(const struct partial *pt)
{
    struct stat st;
    return io->fstat(pt->fd, &st) == 0 && st.st_nlink == 0;
}

static bool worth_keeping(const struct partial *pt)
{
    uint64_t recorded = 0;
    return pt->digests && pt->fd >= 0 && pt->name[0] &&
           (digests_info(pt->digests)->adopted_blocks || digests_count(pt->digests, NULL, &recorded, NULL) || recorded);
}

void partial_close(struct partial *pt, bool keep)
{
    if (!pt)
        return;
    if (keep && worth_keeping(pt)) {
        struct digests_info info = *digests_info(pt->digests);
        info.owner = (struct digests_owner){ 0 };
        digests_set_info(pt->digests, &info, NULL); /* if it fails, our death says the same */
    } else {
        if (pt->name[0])
            io->unlinkat(pt->dir, pt->name, 0);
        if (pt->digests_name[0])
            io->unlinkat(pt->dir, pt->digests_name, 0);
        if (pt->chunks_name[0])
            io->unlinkat(pt->dir, pt->chunks_name, 0);
    }
    digests_close(pt->digests);
    fd_closep(&pt->fd);
    fd_closep(&pt->direct_fd);
    if (!pt->dir_borrowed)
        fd_closep(&pt->dir);
    free(pt->recorded);
    free(pt->guessed);
    free(pt);
}
