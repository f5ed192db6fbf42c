/* front/foreign.h: other tools' downloads, seen from outside: how far, how fast, how long without a byte.
 *
 * Looks into the folders it was given, and only there, for files that tools name so while they are not finished:
 * .incomplete (the Python client; hub cache and .cache/huggingface/download of a folder), .partial, .part, .tmp, .aria2
 * control files, and files that grow while curl, wget, axel or git-lfs has them open. What hf-pull writes itself is
 * left out: its progress is told better elsewhere. Changes nothing, follows no links. The caller decides when to look;
 * once a second is fine.
 *
 * One thread. A download belongs to the watch and lives until the next foreign_scan(). */
#ifndef HFP_FRONT_FOREIGN_H
#define HFP_FRONT_FOREIGN_H

#include "front/out.h"
#include "hfp/hfp.h"

#define FOREIGN_DIRS_MAX 64
#define FOREIGN_MAX 512 /* downloads shown; more in one set of folders are leftovers nobody looks at one by one */
#define FOREIGN_STALLED_S 30
#define FOREIGN_SAMPLES 16

struct foreign_download {
    char id[17];     /* of the path: the same at each look */
    char path[4096]; /* of the data */
    enum hfp_repo_type type;
    char repo[208], file[1024]; /* "" not known */
    char by[64];          /* "hf download", "aria2", "curl"; by the process if there is one, else by the name's form */
    long pid;             /* who has it open for writing; 0: nobody that we may see */
    uint64_t size_bytes;  /* what is there of it; by the control file where space is reserved ahead */
    uint64_t total_bytes; /* 0: not known */
    uint64_t rate_bytes_per_s; /* mean of the last seconds; 0 when nothing came */
    int64_t first_unix_ms, last_growth_unix_ms;
    uint64_t quiet_s;
    bool stalled;
    char text[80]; /* "No file activity for 35s - download may be stalled"; "" when it moves */
    /* of the watch */
    uint64_t dev, ino;
    bool seen, judged; /* judged: repo, file and total were looked for */
    bool plain;        /* under its final name: a download only as long as a known tool writes it */
    unsigned samples;
    struct {
        int64_t unix_ms;
        uint64_t bytes;
    } sample[FOREIGN_SAMPLES];
};

struct foreign;
int foreign_new(struct foreign **out, struct hfp_err *err);
void foreign_free(struct foreign *f);
/* A folder to look into, with all below it. It need not be there yet. HFP_E_ARG when there are too many. */
int foreign_add(struct foreign *f, const char *folder, struct hfp_err *err);
void foreign_scan(struct foreign *f, int64_t unix_ms);
size_t foreign_count(const struct foreign *f);
const struct foreign_download *foreign_at(const struct foreign *f, size_t i); /* moving ones first, then by path */
const struct foreign_download *foreign_find(const struct foreign *f, const char *id);
void foreign_json(struct out *o, const char *name, const struct foreign_download *d);

#endif
