#include "xet/layout_tables.h"

#include <stdlib.h>
#include <string.h>

int layout_room(void **table, size_t *cap, size_t entry_bytes, size_t wanted, struct hfp_err *err)
{
    if (wanted <= *cap)
        return HFP_OK;
    size_t wider = *cap ? *cap : 16;
    while (wider < wanted)
        wider += wider / 2;
    void *moved = wanted < NONE ? realloc(*table, wider * entry_bytes) : NULL;
    if (!moved)
        return err_nomem(err);
    *table = moved;
    *cap = wider;
    return HFP_OK;
}

static int by_key(const struct unit *u, const struct xet_hash *xorb, uint32_t chunk)
{
    int order = memcmp(u->what.xorb.bytes, xorb->bytes, sizeof xorb->bytes);
    return order ? order : (u->what.chunk_start > chunk) - (u->what.chunk_start < chunk);
}

/* All before (xorb, chunk) to *low, the rest to *high. As deep as the treap, which is some 40 for a million units. */
static void split(struct layout *l, uint32_t root, const struct xet_hash *xorb, uint32_t chunk, uint32_t *low,
                  uint32_t *high)
{
    if (root == NONE) {
        *low = *high = NONE;
    } else if (by_key(&l->units[root], xorb, chunk) < 0) {
        *low = root;
        split(l, l->units[root].right, xorb, chunk, &l->units[root].right, high);
    } else {
        *high = root;
        split(l, l->units[root].left, xorb, chunk, low, &l->units[root].left);
    }
}

static uint32_t merge(struct layout *l, uint32_t low, uint32_t high)
{
    if (low == NONE || high == NONE)
        return low == NONE ? high : low;
    if (l->units[low].weight > l->units[high].weight) {
        l->units[low].right = merge(l, l->units[low].right, high);
        return low;
    }
    l->units[high].left = merge(l, low, l->units[high].left);
    return high;
}

/* splitmix64, its upper half: the order in which a server names chunks must not make the treap a list. */
static uint32_t weight_next(struct layout *l)
{
    uint64_t z = l->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    return (uint32_t)((z ^ z >> 27) * UINT64_C(0x94D049BB133111EB) >> 32);
}

int layout_unit_new(uint32_t *out, struct layout *l, const struct layout_unit *what, bool held, struct hfp_err *err)
{
    uint32_t chunks = what->chunk_end - what->chunk_start, low, high;
    int rc = layout_room((void **)&l->units, &l->units_cap, sizeof *l->units, (size_t)l->unit_count + 1, err);
    if (!rc)
        rc = layout_room((void **)&l->lengths, &l->lengths_cap, sizeof *l->lengths, (size_t)l->length_count + chunks,
                         err);
    if (rc)
        return rc;
    uint32_t unit = l->unit_count++;
    l->units[unit] = (struct unit){ .what = *what,
                                    .lengths = l->length_count,
                                    .pieces = NONE,
                                    .left = NONE,
                                    .right = NONE,
                                    .weight = weight_next(l),
                                    .held = held };
    memset(l->lengths + l->length_count, 0, chunks * sizeof *l->lengths);
    l->length_count += chunks;
    l->undecoded += !held;
    split(l, l->root, &what->xorb, what->chunk_start, &low, &high);
    l->root = merge(l, merge(l, low, unit), high);
    *out = unit;
    return HFP_OK;
}

void layout_leave_index(struct layout *l, uint32_t unit)
{
    struct unit *u = &l->units[unit];
    uint32_t low, mid, high;
    split(l, l->root, &u->what.xorb, u->what.chunk_start, &low, &high);
    split(l, high, &u->what.xorb, u->what.chunk_start + 1, &mid, &high);
    l->root = merge(l, low, high);
    u->left = u->right = NONE;
}

uint32_t layout_floor(const struct layout *l, const struct xet_hash *xorb, uint32_t chunk)
{
    uint32_t found = NONE;
    for (uint32_t at = l->root; at != NONE;) {
        const struct unit *u = &l->units[at];
        bool fits = by_key(u, xorb, chunk) <= 0;
        if (fits)
            found = at;
        at = fits ? u->right : u->left;
    }
    return found != NONE && xet_hash_equal(&l->units[found].what.xorb, xorb) ? found : NONE;
}

uint32_t layout_ceil(const struct layout *l, const struct xet_hash *xorb, uint32_t chunk)
{
    uint32_t found = NONE;
    for (uint32_t at = l->root; at != NONE;) {
        const struct unit *u = &l->units[at];
        bool fits = by_key(u, xorb, chunk) >= 0;
        if (fits)
            found = at;
        at = fits ? u->left : u->right;
    }
    return found != NONE && xet_hash_equal(&l->units[found].what.xorb, xorb) ? found : NONE;
}

uint32_t layout_overlap(const struct layout *l, const struct xet_hash *xorb, uint32_t chunk, uint32_t end)
{
    uint32_t unit = layout_floor(l, xorb, chunk);
    if (unit == NONE || l->units[unit].what.chunk_end <= chunk)
        unit = layout_ceil(l, xorb, chunk);
    return unit != NONE && l->units[unit].what.chunk_start < end ? unit : NONE;
}
