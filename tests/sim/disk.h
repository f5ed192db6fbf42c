/* disk.h: the inodes behind disk.c and disk_crash.c. */
#ifndef HFP_TESTS_SIM_DISK_H
#define HFP_TESTS_SIM_DISK_H

#include "sim.h"

#define SECTOR 512

struct inode;

struct entry {
    char name[256];
    struct inode *inode;
};

struct entries {
    struct entry *list;
    unsigned n, cap;
};

struct extent {
    uint64_t at, n;
};

struct inode {
    struct inode *all;
    uint64_t ino;
    mode_t mode;
    unsigned opens;
    struct timespec mtime, ctime;
    /* files: what readers see, and what survives power loss; links: data is the target */
    uint8_t *data, *safe;
    uint64_t size, cap, safe_size;
    struct extent *unsynced;
    unsigned unsynced_n, unsynced_cap;
    bool truncated;
    /* folders */
    struct entries now, kept;
    int lock;        /* descriptor that holds the flock alone; 0: none */
    unsigned shares; /* descriptors that share it */
};

/* A change of a folder that no fsync has made durable yet. */
struct dirop {
    struct inode *dir, *inode; /* inode NULL: the name is removed */
    char name[256];
    uint64_t group; /* a rename is two of them and happens whole or not at all */
};

/* What file systems make of O_DIRECT: none at all, taken without a word of its alignment, said to take none, taken, opened
 * and then refused, refused now and then. */
enum disk_direct { DIRECT_NONE, DIRECT_UNTOLD, DIRECT_ZERO, DIRECT_TAKEN, DIRECT_PRETENDS, DIRECT_MOODY, DIRECT_KINDS };
#define DIRECT_ALIGN 512

struct disk {
    struct inode *root, *all;
    uint64_t next_ino, used, capacity, group, changes;
    enum disk_direct direct;
    bool quota;   /* what is missing is not space but leave to use it */
    bool journal; /* this disk orders metadata as a journal does; else folders are on their own */
    struct dirop *ops;
    unsigned ops_n, ops_cap;
};

extern struct disk *disk;

struct inode *inode_new(mode_t mode);
struct inode *entries_find(const struct entries *e, const char *name);
void entries_set(struct entries *e, const char *name, struct inode *inode); /* NULL removes */
void inode_touch(struct inode *i); /* mtime and ctime are now, and no two nows are the same */
void inode_resize(struct inode *i, uint64_t size);
void inode_write(struct inode *i, const void *buf, size_t n, uint64_t at); /* not durable until inode_sync() */
void disk_close_all(void);
void dir_change(struct inode *dir, const char *name, struct inode *inode, uint64_t group);
void inode_sync(struct inode *i, bool data_only);
/* base: where a relative path begins. NULL and errno when it leads nowhere. */
struct inode *disk_walk(struct inode *base, const char *path, bool follow, struct inode **parent, char last[256]);

#endif
