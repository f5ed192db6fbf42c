/* xet/reconstruction.h: how one slice of a file is made of pieces of xorbs, as the CAS answers it, checked.
 *
 * Pure; any thread; immutable once parsed. Both spellings, GET /v2/reconstructions (xorbs) and /v1 (fetch_info), give
 * the same struct; which one came is told from the body. (xet-core: cas_types/mod.rs, openapi/cas.openapi.yaml)
 *
 * Units and ends: chunk ranges are [chunk_start, chunk_end), as in the answer. Byte ranges are first_byte to last_byte,
 * both included, and go as they are into a Range header; they count in the stored xorb. Offsets and lengths of files
 * count decoded bytes.
 *
 * Terms are whole chunks: where a slice begins inside a chunk, the first term begins with that chunk, before the slice.
 * The bytes ahead of the slice (offset_into_first_range in the answer) and behind it are bytes of the file all the
 * same, so nothing is ever cut: file_offset is where the first chunk of the term goes, and every chunk is written
 * whole.
 *
 * What holds for every struct that was parsed (HFP_E_PROTO otherwise, and nothing is returned):
 *   - at least one term; each has 1 to XET_XORB_CHUNKS_MAX chunks and 1 to 128 KiB of bytes for each of them
 *   - terms lie one behind the other in the file: term i + 1 begins where term i ends
 *   - the first begins at or before the slice, the last ends at or behind it and not behind the file's end; each has
 *     bytes of the slice
 *   - each term lies inside the fetch it names: same xorb, fetch.chunk_start <= term.chunk_start, term.chunk_end <=
 *     fetch.chunk_end
 *   - fetches are ordered by (xorb, chunk_start) and within a xorb by chunk_end at once: one that lies inside another
 *     is left out. Within a xorb a later chunk has later bytes, and no more or fewer between than its records can have
 *   - URLs are http or https, printable ASCII of less than RECONSTRUCTION_URL_MAX, without credentials, fragment and
 *     backslash. Whether one can be asked for is looked at where requests are made (resolve/xet.h)
 * Not known before the chunks are decoded: their lengths, and whether a word of this is true. */
#ifndef HFP_XET_RECONSTRUCTION_H
#define HFP_XET_RECONSTRUCTION_H

#include "base/err.h"
#include "xet/hash.h"

#ifndef HFP_SLICE_SHIFT /* the simulator has slices of 256 KiB, as its blocks are smaller */
#define HFP_SLICE_SHIFT 30
#endif

/* Sizes. Writers keep the mean range above 4 chunks of 64 KiB over any 128 ranges (xet-core:
 * data/src/constants.rs, DEFAULT_MIN_N_CHUNKS_PER_RANGE 8 and its hysteresis 0.5), so 1 GiB has at most some 4,096
 * terms and as many fetches: 600 KB and 53,000 JSON values over v2, up to 8 MB over v1, which repeats a URL of 1 to 2
 * KB for each range. A fresh file has 16 terms a GiB. Nobody promises that mean, so what is too long is asked for in
 * halves. The least slice fits whatever an honest server does: 8 MiB of the shortest chunks (8 KiB) are at most 1,026
 * terms, each with its own xorb and a URL of 3 KB: 3.4 MB and 17,000 values. */
#define RECONSTRUCTION_BYTES_MAX (4u << 20) /* of decoded JSON */
#define RECONSTRUCTION_SLICE_BYTES (UINT64_C(1) << HFP_SLICE_SHIFT)
#define RECONSTRUCTION_SLICE_MIN_BYTES (UINT64_C(8) << 20)
#define RECONSTRUCTION_URL_MAX 16384 /* as URL_ASKED_MAX of net/url.h */
/* Each term costs six JSON values, so JSON_VALUES_MAX already allows no more than this. */
#define RECONSTRUCTION_TERMS_MAX 21845u
/* In all fetches: 1 GiB in the shortest chunks has 131,072; twice that for servers that join ranges over a gap. */
#define RECONSTRUCTION_CHUNKS_MAX 262144u

struct reconstruction_term {
    uint64_t file_offset; /* of the first byte of chunk_start */
    struct xet_hash xorb;
    uint32_t chunk_start, chunk_end;
    uint32_t unpacked_bytes; /* of all its chunks */
    uint32_t fetch;          /* index: the fetch that holds it */
};

/* One signed range. Several may share a URL; each is asked for by itself. */
struct reconstruction_fetch {
    struct xet_hash xorb;
    uint32_t chunk_start, chunk_end;
    uint64_t first_byte, last_byte;
    const char *url; /* a secret: it is never shown or logged. Owned by the reconstruction */
};

struct reconstruction {
    uint64_t first_byte, last_byte, size_bytes; /* of the file: the slice that was asked for, and all of it */
    int64_t expires_unix_s;         /* the earliest Expires= of its URLs; 0: none says. They do not outlive it */
    size_t term_count, fetch_count; /* 56 and 64 bytes each, and the URLs once */
    const struct reconstruction_term *terms;    /* in file order */
    const struct reconstruction_fetch *fetches; /* by xorb, then chunk_start */
};

/* The slice first_byte..last_byte (both in the file) of a file of size_bytes, as it was asked for. On success the
 * caller owns *out. HFP_E_PROTO says what is wrong with the answer, HFP_E_NOMEM that there is no memory. *too_long
 * (never NULL) tells that a shorter slice may succeed: more values than JSON_VALUES_MAX. Takes at most 25 MiB beside
 * the body while it runs, in the worst case. */
int reconstruction_parse(struct reconstruction **out, const char *body, size_t n, uint64_t first_byte,
                         uint64_t last_byte, uint64_t size_bytes, bool *too_long, struct hfp_err *err);
void reconstruction_free(struct reconstruction *r);
void reconstruction_freep(struct reconstruction **r);

/* The fetch that holds all these chunks, or NULL. This is how a fresh answer takes the place of an expired one:
 * by xorb and chunk range, never by position. */
const struct reconstruction_fetch *reconstruction_find(const struct reconstruction *r, const struct xet_hash *xorb,
                                                       uint32_t chunk_start, uint32_t chunk_end);

/* Two borders between records of one xorb, each before a chunk and at a byte: can the records between them take the
 * bytes between them? */
bool reconstruction_borders_agree(uint32_t chunk_a, uint64_t byte_a, uint32_t chunk_b, uint64_t byte_b);

#endif
