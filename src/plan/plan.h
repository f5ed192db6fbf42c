/* plan/plan.h: what a job has to do, decided from facts. Pure: no I/O, no clock.
 *
 * Made from a listing and a filter; facts about the disk arrive one content at a time, in any order, and again later
 * (a lock was waited for, a file turned out damaged): the decision follows the newest fact. The dry run prints this
 * object, the job executes it. Files of equal content share one blob. About 60 bytes a file. */
#ifndef HFP_PLAN_PLAN_H
#define HFP_PLAN_PLAN_H

#include "cache/listing.h"
#include "cache/receipt.h"
#include "resolve/patterns.h"

enum plan_action {
    PLAN_UNKNOWN, /* no fact yet */
    PLAN_HERE,    /* in place, a receipt holds */
    PLAN_PROVE,   /* in place, to be hashed before it is believed */
    PLAN_FETCH,   /* to be fetched, perhaps with a part of it here */
    PLAN_EMPTY    /* no content: made on the spot */
};

struct plan_fact {
    enum receipt_verdict receipt;
    bool file_present; /* final name leads to a file of the right size */
    bool wrong_size;   /* ... of another size: damage, and not absence */
    bool linked;       /* every wanted path leads to it */
    bool shared;       /* it is not there, but the shared store claims to have it (cache/shared.h) */
    bool copyable;     /* it is not there, but need not be asked for: offline, and the cache beside a folder has it */
    bool damaged;      /* its content was read and is wrong */
    uint64_t recorded_bytes; /* of a partial, with digests */
    uint64_t guessed_bytes;  /* of a partial, of unknown worth */
    uint64_t held_bytes;     /* of a partial: on disk and not recorded */
    int64_t proved_unix_s;
};

struct plan_blob {
    uint32_t file;  /* first wanted file with this content: index in the listing */
    uint8_t action; /* enum plan_action */
    bool linked, wrong_size;
    bool shared;         /* PROVE: a link to the shared store is to be made first */
    bool copyable;       /* FETCH, EMPTY: no request is needed */
    bool done;           /* its content is in place and proved */
    uint64_t here_bytes; /* counts as received and recorded from the start */
    uint64_t guessed_bytes, held_bytes;
};

struct plan {
    const struct listing *listing;
    uint32_t blobs, files;  /* distinct contents, wanted files */
    struct plan_blob *blob; /* in the order of work: contents of one block first, then by path */
    uint32_t *next_file;    /* per listed file: the next wanted one of equal content; UINT32_MAX: none */
    uint64_t total_bytes, shards;
    int64_t oldest_receipt_unix_s;
    bool force; /* nothing here counts */
};

/* HFP_E_NO_MATCH when the filter leaves nothing of a listing that has files; HFP_E_NO_FILE when an exact path is not in
 * it. The listing outlives the plan. */
int plan_new(struct plan **out, const struct listing *l, const struct filter *f, bool force, struct hfp_err *err);
void plan_free(struct plan *p);
void plan_fact(struct plan *p, uint32_t blob, const struct plan_fact *fact);

struct plan_sums {
    uint64_t files_here, here_bytes; /* proved by receipts */
    uint64_t prove_files, prove_bytes;
    uint64_t fetch_files, fetch_bytes; /* what must come: sizes less recorded bytes */
    uint64_t copy_files;               /* of fetch_files: without a request */
    uint64_t recorded_bytes;           /* here_bytes and what partials have */
    uint64_t guessed_bytes;            /* on disk already, of unknown worth */
    uint64_t held_bytes;               /* of fetch_bytes: guesses and space reserved ahead, needs no new space */
    bool all_linked;                   /* no link is missing */
};
void plan_sums(struct plan_sums *out, const struct plan *p);
/* A weights file name that counts as a shard: model-00001-of-00016.safetensors and kin, *.gguf, *.bin. */
bool plan_is_shard(const char *path);

#endif
