#include "cache/leftovers.h"

#include "cache/lock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FOREIGN_QUIET_S 60 /* without locks: a tool that has written nothing for so long is gone, or will not miss it */
#define EXTENTS_MAX                                                                                                    \
    1048576u /* of one sparse file: a 16 TiB file with a hole per block has sixteen times as many; the
                                rest then counts as absent */

int leftovers_open_dir(int *dir, int *own, const struct place *p, struct hfp_err *err)
{
    if (p->part_dir < 0)
        return err_set(err, HFP_E_NO_FILE, "no folder for partials");
    int rc = p->part_folder[0] ? io_open_dir(own, p->part_dir, p->part_folder, false, err) : HFP_OK;
    if (!rc)
        *dir = p->part_folder[0] ? *own : p->part_dir;
    return rc;
}

uint64_t leftovers_data_blocks(uint8_t *bits, int fd, uint64_t data_bytes, uint64_t size_bytes)
{
    uint64_t end = MIN(data_bytes, size_bytes), at = 0, found = 0;
    for (unsigned i = 0; at < end && i < EXTENTS_MAX; i++) {
        off_t from = io->lseek(fd, (off_t)at, SEEK_DATA);
        if (from < 0 && errno == ENXIO)
            break;
        off_t to = from < 0 ? (off_t)end : io->lseek(fd, from, SEEK_HOLE);
        if (from < 0) /* a file system that knows no holes: all of it is data */
            from = (off_t)at;
        if (to < 0 || (uint64_t)to > end)
            to = (off_t)end;
        if (to <= from)
            break;
        uint64_t first = blocks_of((uint64_t)from);
        uint64_t last = (uint64_t)to == size_bytes ? blocks_of(size_bytes) : (uint64_t)to / BLOCK_BYTES;
        for (uint64_t b = first; b < last; b++, found++)
            if (bits)
                bit_set(bits, b);
        at = (uint64_t)to;
    }
    return found;
}

/* Splits "<base>.incomplete" and "<base>.<8 hex>.<kind>". suffix is "" for the first. */
static bool name_parts(const char *name, const char *base, char suffix[9], bool *is_data)
{
    size_t len = strlen(base);
    if (strncmp(name, base, len) != 0 || name[len] != '.')
        return false;
    const char *rest = name + len + 1;
    suffix[0] = 0;
    if (strspn(rest, "0123456789abcdef") == 8 && rest[8] == '.') {
        memcpy(suffix, rest, 8);
        suffix[8] = 0;
        rest += 9;
    }
    *is_data = strcmp(rest, "incomplete") == 0;
    return *is_data || (suffix[0] && strcmp(rest, "digests") == 0);
}

struct finder {
    const struct place *p;
    int dir;
    int64_t unix_s;
    int locks_work; /* -1: not asked yet */
    struct leftover *items;
    size_t n;
};

/* Asking for the lock once more tells: void is the only way to succeed without a descriptor. */
bool leftovers_locks_work(const struct place *p)
{
    AUTO(fd_closep) int fd = -1;
    int rc = lock_try(&fd, p, NULL);
    return rc != HFP_OK || fd >= 0;
}

static bool locks_work(struct finder *f)
{
    if (f->locks_work < 0)
        f->locks_work = leftovers_locks_work(f->p);
    return f->locks_work;
}

bool leftovers_quiet(const struct stat *st, int64_t unix_s)
{
    return unix_s - (int64_t)st->st_mtim.tv_sec >= FOREIGN_QUIET_S;
}

/* With a working lock in our hands nobody on this kernel, and no older boot of this host, can still be writing. */
static bool owner_alive(struct finder *f, const struct digests_owner *o)
{
    struct digests_owner self;
    if (!digests_owner_alive(o, f->unix_s))
        return false;
    digests_owner_self(&self, f->unix_s);
    bool same_host = strcmp(o->host, self.host) == 0, same_boot = strcmp(o->boot_id, self.boot_id) == 0;
    if (same_host && same_boot && o->pid_space == self.pid_space)
        return true; /* the process is there to be seen */
    return !((same_host || same_boot) && locks_work(f));
}

static void make_name(char out[192], const struct place *p, const char *suffix, const char *kind)
{
    snprintf(out, 192, "%s%s%s.%s", p->part_base, suffix[0] ? "." : "", suffix, kind);
}

static int stat_regular(bool *is, int dir, const char *name, struct stat *st, struct hfp_err *err)
{
    int failed = io->fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) < 0 ? errno : 0;
    *is = !failed && S_ISREG(st->st_mode);
    return io_damaged(failed) ? err_sys(err, HFP_E_IO, failed, "stat %s", name) : HFP_OK;
}

static bool data_taken(const struct finder *f, const char *data)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->items[i].data, data) == 0)
            return true;
    return false;
}

static void set_sizes(struct leftover *l, const struct stat *st)
{
    l->data_bytes = (uint64_t)st->st_size;
    l->disk_bytes = (uint64_t)st->st_blocks * 512; /* stat(2): in this unit everywhere */
}

/* Which data a digests file speaks of: the same suffix, or, when a claim was killed between its two renames, the one
 * its header still names. */
static int find_data(struct finder *f, struct leftover *l, const char *suffix, struct hfp_err *err)
{
    struct stat st;
    char other[192];
    bool is;
    make_name(l->data, f->p, suffix, "incomplete");
    int rc = stat_regular(&is, f->dir, l->data, &st, err);
    if (is)
        set_sizes(l, &st);
    else
        l->data[0] = 0;
    if (rc || is || l->damaged || l->closed)
        return rc;
    make_name(other, f->p, l->info.data_suffix, "digests");
    bool has_own = l->info.data_suffix[0] && strcmp(l->info.data_suffix, suffix) != 0 && io_exists(f->dir, other);
    make_name(other, f->p, l->info.data_suffix, "incomplete");
    if (has_own || data_taken(f, other))
        return HFP_OK;
    rc = stat_regular(&is, f->dir, other, &st, err);
    if (is) {
        memcpy(l->data, other, sizeof l->data);
        set_sizes(l, &st);
    }
    return rc;
}

static void count_guesses(struct finder *f, struct leftover *l, uint64_t upto_bytes)
{
    AUTO(fd_closep) int fd = io_openat(f->dir, l->data, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd >= 0)
        l->guessed_blocks = leftovers_data_blocks(NULL, fd, MIN(l->data_bytes, upto_bytes), f->p->size_bytes);
}

/* A digest whose data is not there, as power loss leaves it, counts for nothing, and the last block for what it has. */
static int count_recorded(struct leftover *l, const struct digests *d, struct hfp_err *err)
{
    uint64_t blocks = blocks_of(l->info.size_bytes);
    AUTO_FREE uint8_t *bits = calloc(1, (size_t)(blocks / 8 + 1));
    if (!bits)
        return err_nomem(err);
    int rc = digests_count(d, bits, &l->recorded_blocks, err);
    for (uint64_t b = 0; !rc && b < blocks; b++) {
        uint64_t bytes = MIN(BLOCK_BYTES, l->info.size_bytes - b * BLOCK_BYTES);
        if (!bit_get(bits, b))
            continue;
        if (b * BLOCK_BYTES + bytes <= l->data_bytes)
            l->recorded_bytes += bytes;
        else
            l->recorded_blocks--;
    }
    return rc;
}

/* Only what was read and makes no sense is damage: a disk error, or no descriptor left, must not cost the records. */
static int judge_digests(struct finder *f, struct leftover *l, const char *suffix, struct hfp_err *err)
{
    struct digests *d = NULL;
    struct hfp_err why = { 0 };
    int rc = digests_open(&d, f->dir, l->digests, &why);
    l->damaged = rc == HFP_E_CORRUPT || rc == HFP_E_VERSION;
    l->closed =
        rc && (why.sys_errno == EACCES || why.sys_errno == EPERM || why.sys_errno == ELOOP || why.sys_errno == ENOENT);
    if (l->damaged || l->closed)
        return find_data(f, l, suffix, err); /* why not is no word for err: a caller may read it as a failure */
    if (rc) {
        if (err)
            *err = why;
        return rc;
    }
    l->info = *digests_info(d);
    l->damaged = !content_id_equal(&l->info.id, &f->p->id) || l->info.size_bytes != f->p->size_bytes;
    l->alive = !l->damaged && owner_alive(f, &l->info.owner);
    rc = find_data(f, l, suffix, err);
    if (!rc && !l->damaged)
        rc = count_recorded(l, d, err);
    digests_close(d);
    return rc;
}

/* Bytes nobody recorded: what other tools left, or a partial whose digests are of no use. */
static int judge_data(struct finder *f, struct leftover *l, struct hfp_err *err)
{
    struct stat st;
    bool is = false;
    int rc = l->data[0] ? stat_regular(&is, f->dir, l->data, &st, err) : HFP_OK;
    if (!is)
        return rc;
    set_sizes(l, &st);
    l->alive = !leftovers_quiet(&st, f->unix_s) && !locks_work(f);
    count_guesses(f, l, f->p->size_bytes);
    return HFP_OK;
}

static int each_name(struct finder *f, bool want_data, struct hfp_err *err)
{
    AUTO(dir_closep) DIR *list = io_list(f->dir, ".");
    if (!list)
        return err_sys(err, HFP_E_IO, errno, "read the folder of partials");
    int rc = HFP_OK;
    for (struct dirent *e; f->n < LEFTOVERS_MAX && (e = io_readdir(list, &rc, err, "the folder of partials"));) {
        char suffix[9];
        bool is_data = false;
        if (!name_parts(e->d_name, f->p->part_base, suffix, &is_data) || is_data != want_data ||
            (is_data && data_taken(f, e->d_name)))
            continue;
        struct leftover *l = &f->items[f->n];
        memset(l, 0, sizeof *l);
        snprintf(is_data ? l->data : l->digests, sizeof l->data, "%.191s", e->d_name);
        rc = is_data ? HFP_OK : judge_digests(f, l, suffix, err);
        if (!rc && (is_data || l->damaged))
            rc = judge_data(f, l, err);
        if (rc)
            return rc;
        if (!is_data && !l->damaged && l->data[0] && l->info.adopted_blocks)
            count_guesses(f, l, l->info.adopted_blocks * BLOCK_BYTES);
        f->n++;
    }
    return rc;
}

int leftovers_find(struct leftover **out, size_t *n, const struct place *p, int dir, bool locked, int64_t unix_s,
                   struct hfp_err *err)
{
    AUTO_FREE struct leftover *items = calloc(LEFTOVERS_MAX, sizeof *items);
    if (!items)
        return err_nomem(err);
    struct finder f = { .p = p, .dir = dir, .unix_s = unix_s, .locks_work = locked ? -1 : 0, .items = items };
    int rc = each_name(&f, false, err); /* digests first: they claim their data */
    if (!rc)
        rc = each_name(&f, true, err);
    if (rc)
        return rc;
    *n = f.n;
    *out = ptr_steal(&items);
    return HFP_OK;
}
