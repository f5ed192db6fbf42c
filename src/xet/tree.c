#include "xet/tree.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES (64 + 3 + 20 + 1) /* "<64 hex> : <u64>\n" */

void xet_tree_init(struct xet_tree *t)
{
    memset(t, 0, sizeof *t);
}

static struct xet_tree_node parent_of(const struct xet_tree_node *children, uint32_t n)
{
    char text[XET_TREE_GROUP_MAX * LINE_MAX_BYTES + 1];
    size_t len = 0;
    struct xet_tree_node parent = { .size_bytes = 0 };
    for (uint32_t i = 0; i < n; i++) {
        xet_hash_text(text + len, &children[i].hash);
        len += XET_HASH_TEXT - 1;
        len += (size_t)snprintf(text + len, sizeof text - len, " : %" PRIu64 "\n", children[i].size_bytes);
        parent.size_bytes += children[i].size_bytes;
    }
    xet_hash_node(&parent.hash, text, len);
    return parent;
}

/* The node that ends a group early: the last word of its hash is a multiple of 4. Never the first two of a group. */
static bool group_is_full(const struct xet_tree_level *l)
{
    if (l->open_count == XET_TREE_GROUP_MAX)
        return true;
    return l->open_count >= 3 && (l->open[l->open_count - 1].hash.bytes[24] & 3) == 0;
}

void xet_tree_add(struct xet_tree *t, const struct xet_hash *chunk, uint32_t size_bytes)
{
    struct xet_tree_node node = { .hash = *chunk, .size_bytes = size_bytes };
    t->chunks++;
    t->size_bytes += size_bytes;
    for (unsigned i = 0;; i++) {
        assert(i < XET_TREE_LEVELS);
        struct xet_tree_level *l = &t->level[i];
        l->open[l->open_count++] = node;
        if (!group_is_full(l))
            return;
        node = parent_of(l->open, l->open_count);
        l->open_count = 0;
        l->closed_any = true;
    }
}

/* What is left open on each level becomes a group too, also a single node: a pass leaves no node as it is. The level
 * that has one node in all, counting the one carried up to it, is the root's. */
void xet_tree_root(struct xet_hash *out, const struct xet_tree *t)
{
    struct xet_tree_node carried = { .size_bytes = 0 };
    bool carries = false;
    for (unsigned i = 0; t->chunks && i < XET_TREE_LEVELS; i++) {
        const struct xet_tree_level *l = &t->level[i];
        struct xet_tree_node group[XET_TREE_GROUP_MAX];
        uint32_t n = l->open_count;
        memcpy(group, l->open, n * sizeof *group);
        if (carries)
            group[n++] = carried;
        if (n == 1 && !l->closed_any) {
            *out = group[0].hash;
            return;
        }
        carries = n > 0;
        if (carries)
            carried = parent_of(group, n);
    }
    assert(t->chunks == 0);
    memset(out, 0, sizeof *out);
}

bool xet_tree_is(const struct xet_tree *t, const struct xet_hash *xorb)
{
    struct xet_hash root;
    xet_tree_root(&root, t);
    return t->chunks && xet_hash_equal(&root, xorb);
}

void xet_tree_file(struct xet_hash *out, const struct xet_tree *t)
{
    xet_tree_root(out, t);
    if (t->chunks) {
        struct xet_hash root = *out;
        xet_hash_file(out, &root);
    }
}
