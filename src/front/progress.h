/* front/progress.h: which figure of a status is shown, and the progress file made of it.
 *
 * One thread per call; nothing is kept. */
#ifndef HFP_FRONT_PROGRESS_H
#define HFP_FRONT_PROGRESS_H

#include "hfp/hfp.h"

/* Verify and repair read what is here, and their work is to prove it. */
static inline bool shows_proof(const struct hfp_status *st)
{
    return st->verb == HFP_VERIFY || st->verb == HFP_REPAIR;
}

/* What a status shows as its figure: what was looked at for verify and repair, recorded bytes for all else. */
static inline uint64_t shown_bytes(const struct hfp_status *st)
{
    return shows_proof(st) ? st->checked_bytes : st->recorded_bytes;
}

/* And as its speed. Repair reads at first, and then fetches what was wrong. */
static inline uint64_t shown_rate(const struct hfp_status *st)
{
    bool reads = shows_proof(st) && st->checked_bytes_per_s > st->rate_bytes_per_s;
    return reads ? st->checked_bytes_per_s : st->rate_bytes_per_s;
}

/* The middle of the estimate, or UINT64_MAX: nothing moves, nothing is left, or too little is known. */
static inline uint64_t eta_s(const struct hfp_status *st)
{
    if (st->eta_low_s == UINT64_MAX || st->eta_high_s == UINT64_MAX || shown_rate(st) == 0 ||
        shown_bytes(st) >= st->total_bytes)
        return UINT64_MAX;
    return st->eta_low_s + (st->eta_high_s - st->eta_low_s) / 2;
}

/* {"downloaded","total","progress","speed","eta"}, as a line. */
#define PROGRESS_TEXT 256
size_t progress_text(char out[static PROGRESS_TEXT], const struct hfp_status *st);
/* Replaces the file whole: who reads it sees an old or a new one, never half of one. A failure is harmless and silent,
 * for the download is not about it. */
void progress_write(const char *path, const char *text, size_t n);

#endif
