/* cache/snapshots.h: walks what a repository's folder of the hub cache holds (snapshots, their files, refs), and the
 * notes of --local-dir.
 *
 * Reads only. For inventory.c, removal.c, sweep.c and who looks for content that is here. Blocking; any thread. A callback
 * that returns something else than HFP_OK ends the walk with that; so does what is there and cannot be looked at: who
 * removes things must not take it for nothing. */
#ifndef HFP_CACHE_SNAPSHOTS_H
#define HFP_CACHE_SNAPSHOTS_H

#include "cache/store.h"

#define WALK_DEPTH_MAX 64 /* folders in folders; the Hub's own limit of a path is far below */

/* One file of a snapshot. */
struct snapshot_file {
    const char *path; /* below the snapshot */
    bool there;       /* false: a link to nothing */
    bool in_blobs;    /* a link to blobs/<etag>; else the content itself, or somebody's own link */
    char etag[65];    /* when in_blobs */
    struct stat st;   /* of the content, when there */
};

typedef int snapshot_file_fn(void *ctx, const struct snapshot_file *f, struct hfp_err *err);
/* folder: "snapshots/<commit>", below the repository's folder. */
int snapshot_walk(const struct store *s, const char *folder, snapshot_file_fn *each, void *ctx, struct hfp_err *err);

typedef int name_fn(void *ctx, const char *name, struct hfp_err *err);
/* Every commit that has a snapshot. */
int snapshot_commits(const struct store *s, name_fn *each, void *ctx, struct hfp_err *err);
/* Every ref that leads to commit. */
int snapshot_refs(const struct store *s, const char *commit, name_fn *each, void *ctx, struct hfp_err *err);

#define NOTE_MAX 4096 /* three lines; anything longer was not written by a client of the Hub */

/* A file below --local-dir of which a note says that it is this content. Whether it still is, the note does not know. */
typedef int note_fn(void *ctx, const char *path, const char *etag, struct hfp_err *err);
int snapshot_notes(const struct store *s, note_fn *each, void *ctx, struct hfp_err *err);
/* Whatever lies among those notes, by the last part of its name; nothing is read or looked at, and a folder that cannot be
 * listed is passed over. */
int snapshot_note_names(const struct store *s, name_fn *each, void *ctx, struct hfp_err *err);

#endif
