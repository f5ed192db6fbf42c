/* oplog.h: every change of the disk that a real hf-pull made, in order, as record.c wrote it and replay.c reads it.
 *
 * A log begins with the tree as it was (made, written, durable) up to OP_BEGIN. Objects are numbered, not named: an inode
 * number comes back when a file is gone. A sync that has ended covers what was logged before it began, and nothing else:
 * other threads go on meanwhile. sync_file_range and fallocate promise nothing that a reader could see and are not logged.
 * Host byte order; a log does not leave its machine. */
#ifndef HFP_TESTS_OPLOG_H
#define HFP_TESTS_OPLOG_H

#include <stdint.h>

#define OPLOG_ROOT 1 /* the object that is the folder given as HFP_OPLOG_ROOT */

enum oplog_kind {
    OP_BEGIN,  /* the tree as it was is complete, all of it durable */
    OP_DIR,    /* object made in folder under name */
    OP_FILE,   /* likewise; at is its inode number */
    OP_LINK,   /* likewise; the data are the target */
    OP_WRITE,  /* data at at */
    OP_SIZE,   /* cut to, or grown to, at */
    OP_SYNC,   /* fsync or fdatasync of object begins */
    OP_SYNCED, /* it has ended well; at is the number of its OP_SYNC in the log */
    OP_RENAME, /* object from folder, name to folder at, the second name: the data */
    OP_UNLINK  /* name in folder is gone */
};

struct oplog_record {
    uint32_t kind, thread;
    uint64_t at_ns, object, folder, at;
    uint32_t name_bytes, data_bytes; /* both follow, neither with a NUL */
};

#endif
