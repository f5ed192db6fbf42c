#include "disk.h"

#include <stdlib.h>
#include <string.h>

/* What fsync promises and what power loss may take. Files: data written since the last fdatasync survives sector by
 * sector, or not. Folders: on a journalling disk a prefix of all changes survives, and any sync commits those before it;
 * on the other kind each change since the folder's own fsync survives by itself, in any combination (POSIX promises no
 * more). A rename is never seen half done. */

void dir_change(struct inode *dir, const char *name, struct inode *inode, uint64_t group)
{
    entries_set(&dir->now, name, inode);
    if (disk->ops_n == disk->ops_cap) {
        disk->ops_cap = disk->ops_cap ? 2 * disk->ops_cap : 64;
        disk->ops = realloc(disk->ops, disk->ops_cap * sizeof *disk->ops);
    }
    struct dirop *op = &disk->ops[disk->ops_n++];
    *op = (struct dirop){ .dir = dir, .inode = inode, .group = group };
    snprintf(op->name, sizeof op->name, "%s", name);
}

/* Makes durable what the predicate names, in order; the rest stays pending. */
static void commit(const struct inode *dir)
{
    unsigned left = 0;
    for (unsigned i = 0; i < disk->ops_n; i++) {
        struct dirop *op = &disk->ops[i];
        if (!dir || op->dir == dir)
            entries_set(&op->dir->kept, op->name, op->inode);
        else
            disk->ops[left++] = *op;
    }
    disk->ops_n = left;
}

void inode_sync(struct inode *i, bool data_only)
{
    if (S_ISDIR(i->mode)) {
        commit(disk->journal ? NULL : i);
        return;
    }
    (void)data_only;
    i->safe = realloc(i->safe, (size_t)i->size + 1);
    if (i->size)
        memcpy(i->safe, i->data, (size_t)i->size);
    i->safe_size = i->size;
    i->unsynced_n = 0;
    i->truncated = false;
    if (disk->journal)
        commit(NULL);
}

static void lose_data(struct inode *i)
{
    uint64_t size = i->safe_size;
    uint8_t *after = calloc(1, (size_t)MAX(i->size, size) + 1);
    if (i->truncated && sim_random(2) == 0)
        size = 0;
    if (i->safe && size)
        memcpy(after, i->safe, (size_t)size);
    for (unsigned k = 0; k < i->unsynced_n; k++) {
        const struct extent *e = &i->unsynced[k];
        bool whole = sim_random(2) == 0;
        for (uint64_t at = e->at; at < e->at + e->n; at = (at / SECTOR + 1) * SECTOR) {
            uint64_t end = MIN(MIN((at / SECTOR + 1) * SECTOR, e->at + e->n), i->size);
            if (end <= at || (!whole && sim_random(2) == 0))
                continue;
            memcpy(after + at, i->data + at, (size_t)(end - at));
            size = MAX(size, end);
        }
    }
    disk->used -= i->size;
    free(i->data);
    i->data = after;
    i->size = i->cap = size;
    disk->used += size;
    inode_sync(i, true);
}

static void lose_names(void)
{
    unsigned cut = (unsigned)sim_random(disk->ops_n + 1);
    uint64_t coin = sim_random(UINT64_MAX);
    for (unsigned i = 0; i < disk->ops_n; i++) {
        struct dirop *op = &disk->ops[i];
        uint64_t mixed = op->group * UINT64_C(0x9E3779B97F4A7C15) ^ coin;
        bool kept = disk->journal ? i < cut : random_next(&mixed) % 2 == 0;
        /* A journal's cut never falls inside a rename. */
        if (disk->journal && i == cut && i > 0 && disk->ops[i - 1].group == op->group)
            kept = true;
        if (kept)
            entries_set(&op->dir->kept, op->name, op->inode);
    }
    disk->ops_n = 0;
    for (struct inode *i = disk->all; i; i = i->all)
        if (S_ISDIR(i->mode)) {
            i->now.n = 0;
            for (unsigned k = 0; k < i->kept.n; k++)
                entries_set(&i->now, i->kept.list[k].name, i->kept.list[k].inode);
        }
}

void disk_power_loss(void)
{
    lose_names();
    for (struct inode *i = disk->all; i; i = i->all)
        if (S_ISREG(i->mode) && (i->unsynced_n > 0 || i->truncated || !i->safe))
            lose_data(i);
}
