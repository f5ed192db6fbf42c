/* daemon/job_files.h: the files of one job, as the engine's events name them.
 *
 * In memory while the job runs, then in the store (store.h). Loop's thread; rows are handed to the store by
 * job_files_steal(). A row keeps its place, so that pages of the list stay as they are. */
#ifndef HFP_DAEMON_JOB_FILES_H
#define HFP_DAEMON_JOB_FILES_H

#include "front/out.h"

#define JOB_FILES_MAX 300000 /* the largest repositories have some 200,000; what is beyond is not listed */
#define FILES_PAGE 1000      /* rows of one answer */

struct job_file {
    char *path, *hash, *host; /* hash, host: NULL when not known; host: who sent the last of it */
    uint64_t size_bytes, recorded_bytes;
    uint8_t state; /* enum hfp_file_state */
    bool changed;  /* since job_files_changed() told it */
};

struct job_files {
    struct job_file *row;
    size_t n, room, index_room;
    uint32_t *index; /* hash of the path to place + 1; 0: free */
    size_t changed;
};

/* The row of this path, made when it is new; NULL when there is no room or no memory. */
struct job_file *job_files_at(struct job_files **files, const char *path);
struct job_file *job_files_find(const struct job_files *files, const char *path);
void job_files_event(struct job_files **files, const struct hfp_event *ev);
/* What moves now: recorded bytes and host of the files at the front. */
void job_files_fronts(struct job_files *files, const struct hfp_status *st);
/* The job is over, or begins anew: nothing is being fetched. */
void job_files_stopped(struct job_files *files);
void job_file_json(struct out *o, const struct job_file *f);
/* A list of the changed rows, at most max; false when none has changed. */
bool job_files_changed(struct out *o, struct job_files *files, size_t max);
void job_files_free(struct job_files *files);

#endif
