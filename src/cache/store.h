/* cache/store.h: the folders of one repository on disk, held open.
 *
 * Two shapes, one interface: the hub cache (blobs, snapshots, refs) and --local-dir (files where the user wants them,
 * notes under .cache/huggingface). Everything else in cache/ and commit/ works through a store and a place.
 * Blocking calls; any one thread at a time per place, any number of places at once. A store is immutable once opened,
 * so workers share it. Layout: docs/formats/cache.md. */
#ifndef HFP_CACHE_STORE_H
#define HFP_CACHE_STORE_H

#include "base/digest.h"
#include "base/io.h"
#include "cache/names.h"

struct store {
    enum hfp_repo_type type;
    char repo[REPO_ID_MAX];
    char folder[REPO_FOLDER_MAX]; /* models--ns--name */
    int hub;                      /* the cache dir; -1 when it does not exist and was not to be made */
    int repo_dir;                 /* hub/<folder>; -1 when absent */
    int blobs;                    /* hub/<folder>/blobs */
    int locks;                    /* hub/.locks/<folder> */
    int receipts;                 /* hub/<folder>/.hf-pull, or D/.cache/huggingface/.hf-pull */
    bool is_local;                /* --local-dir was given, even when the folder is not there yet */
    int local;                    /* D of --local-dir, else -1 */
    int local_notes;              /* D/.cache/huggingface */
    bool symlinks;                /* links work here and are wanted */
    bool shared_blobs;            /* cache/shared.h is wanted */
    bool writable;                /* false: a complete cache on a read-only file system is still a success */
    int refused_errno;            /* why not; 0 unknown */
    bool give_owner;              /* root in another user's cache: new files get owner_uid:owner_gid */
    uid_t owner_uid;
    gid_t owner_gid;
    mode_t file_mode;     /* what a fresh file gets under the umask: 0644, 0600 ... */
    char root_text[1024]; /* hub cache or local dir as the user gave it, absolute, for messages and stdout */
};

struct store_spec {
    enum hfp_repo_type type;
    const char *repo;
    const char *hub_cache;
    const char *local_dir; /* or NULL */
    bool create;           /* make what is missing; false for verify, plan, offline */
    bool no_symlinks, shared_blobs;
};

/* On success the caller owns *out (store_free). A missing cache with create false is fine: descriptors are -1.
 * With create true and a file system that refuses writes, writable is false and no error is reported. */
int store_open(struct store **out, const struct store_spec *spec, struct hfp_err *err);
void store_free(struct store *s);
void store_freep(struct store **s); /* for AUTO */

/* Where one content lives. For the hub cache one place per etag; for --local-dir, and where links do not work,
 * one per file. Plain data, no descriptors of its own. */
struct place {
    const struct store *store;
    struct content_id id;
    uint64_t size_bytes;
    char etag[65];
    int final_dir;                        /* blobs, or local, or the repo dir when without symlinks */
    char final_name[PATH_NAME_MAX + 64];  /* <etag>, or the path below local, or snapshots/<commit>/<path> */
    int part_dir;                         /* where partials live: blobs, or local_notes */
    char part_folder[PATH_NAME_MAX + 16]; /* "" or download/<dir>, below part_dir */
    char part_base[160];                  /* <etag>, or <H>.<etag>: partials are <part_base>.<8 hex>.incomplete */
    int lock_dir;
    char lock_name[PATH_NAME_MAX + 64]; /* <etag>.lock, or download/<path>.lock */
    char receipt_name[80];              /* <etag>.receipt, or <sha1 of final_name>.receipt */
};

/* path and commit are needed for --local-dir and for caches without symlinks; both are checked names. */
void place_of(struct place *out, const struct store *s, const struct content_id *id, uint64_t size_bytes,
              const char *commit, const char *path);

/* The content lies at blobs/<etag> and snapshots only point to it. */
bool place_is_blob(const struct place *p);
/* Makes the folders a place needs (part_folder, parents of final_name). A path of --local-dir that would lie among the
 * notes (.cache/huggingface) is HFP_E_PROTO: no repository may write its own receipts. */
int place_prepare(const struct place *p, struct hfp_err *err);
/* io_mkdirs of the folder that holds path, each new folder with the owner the cache wants. */
int store_make_parents(const struct store *s, int dir, const char *path, struct hfp_err *err);
/* Makes the entries of hub and repo folder durable: blobs/ and the others could be lost with all that lies in them. */
int store_sync_folders(const struct store *s, struct hfp_err *err);
/* Gives a new file or folder the owner and mode the cache wants; quiet where that is not allowed. */
void store_adopt_owner(const struct store *s, int dir, const char *name);

#endif
