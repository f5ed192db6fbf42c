#define OPENSSL_SUPPRESS_DEPRECATED /* of SHA1_Init() and its like; sha1_of() says why */

#include "cache/store.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* These three never allocate. SHA1() of OpenSSL 3 does, and says nothing when it fails: the name would be whatever lay
 * on the stack. */
static void sha1_of(uint8_t sha[SHA_DIGEST_LENGTH], const char *text)
{
    SHA_CTX ctx;
    SHA1_Init(&ctx);
    SHA1_Update(&ctx, text, strlen(text));
    SHA1_Final(sha, &ctx);
}

/* The Python client's name for the partials of one local file: URL-safe base64, with padding, of the sha1 of the base
 * name of its metadata file (huggingface_hub _local_folder.py, since 0.28.0). out: 29 bytes. */
static void local_hash(char out[29], const char *path)
{
    char name[PATH_NAME_MAX + 16];
    uint8_t sha[SHA_DIGEST_LENGTH];
    snprintf(name, sizeof name, "%s.metadata", base_name(path));
    sha1_of(sha, name);
    EVP_EncodeBlock((uint8_t *)out, sha, sizeof sha);
    for (char *c = out; *c; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
}

static void receipt_by_name(struct place *p)
{
    uint8_t sha[SHA_DIGEST_LENGTH];
    char hex[2 * SHA_DIGEST_LENGTH + 1];
    sha1_of(sha, p->final_name);
    hex_encode(hex, sha, sizeof sha);
    snprintf(p->receipt_name, sizeof p->receipt_name, "%s.receipt", hex);
}

static void place_local(struct place *p, const char *path)
{
    const struct store *s = p->store;
    char hash[29];
    local_hash(hash, path);
    p->final_dir = s->local;
    p->part_dir = p->lock_dir = s->local_notes;
    snprintf(p->final_name, sizeof p->final_name, "%s", path);
    size_t folder = (size_t)(base_name(path) - path); /* with its slash */
    snprintf(p->part_folder, sizeof p->part_folder, "download%s%.*s", folder ? "/" : "", folder ? (int)folder - 1 : 0,
             path);
    snprintf(p->part_base, sizeof p->part_base, "%s.%s", hash, p->etag);
    snprintf(p->lock_name, sizeof p->lock_name, "download/%s.lock", path);
    receipt_by_name(p);
}

static bool is_regular(int dir, const char *name, int flags, uint64_t size_bytes)
{
    struct stat st;
    return dir >= 0 && io->fstatat(dir, name, &st, flags) == 0 && S_ISREG(st.st_mode) &&
           (uint64_t)st.st_size == size_bytes;
}

/* Where links do not work the Python client moves the content to the snapshot itself; with HF_HUB_DISABLE_SYMLINKS it
 * leaves such files in any cache. So what is on disk decides first, and what we would make ourselves only then. */
static bool lies_in_snapshot(const struct place *p, const char *in_snapshot)
{
    const struct store *s = p->store;
    if (s->symlinks)
        return !is_regular(s->blobs, p->etag, 0, p->size_bytes) &&
               is_regular(s->repo_dir, in_snapshot, AT_SYMLINK_NOFOLLOW, p->size_bytes);
    return is_regular(s->repo_dir, in_snapshot, AT_SYMLINK_NOFOLLOW, p->size_bytes) ||
           !is_regular(s->blobs, p->etag, 0, p->size_bytes);
}

void place_of(struct place *out, const struct store *s, const struct content_id *id, uint64_t size_bytes,
              const char *commit, const char *path)
{
    struct place *p = out;
    p->store = s;
    p->id = *id;
    p->size_bytes = size_bytes;
    content_id_hex(p->etag, id);
    if (s->is_local) {
        place_local(p, path);
        return;
    }
    p->part_dir = s->blobs;
    p->part_folder[0] = 0;
    snprintf(p->part_base, sizeof p->part_base, "%s", p->etag);
    p->lock_dir = s->locks;
    snprintf(p->lock_name, sizeof p->lock_name, "%s.lock", p->etag);
    if (commit && path) {
        snprintf(p->final_name, sizeof p->final_name, "snapshots/%s/%s", commit, path);
        if (lies_in_snapshot(p, p->final_name)) {
            p->final_dir = s->repo_dir;
            receipt_by_name(p);
            return;
        }
    }
    p->final_dir = s->blobs;
    snprintf(p->final_name, sizeof p->final_name, "%s", p->etag);
    snprintf(p->receipt_name, sizeof p->receipt_name, "%s.receipt", p->etag);
}

bool place_is_blob(const struct place *p)
{
    return !p->store->is_local && strcmp(p->final_name, p->etag) == 0;
}

int place_prepare(const struct place *p, struct hfp_err *err)
{
    const struct store *s = p->store;
    static const char notes[] = ".cache/huggingface";
    /* Without regard to case: on a file system that folds it, the folder is the same. */
    if (s->is_local && strncasecmp(p->final_name, notes, sizeof notes - 1) == 0 &&
        (p->final_name[sizeof notes - 1] == '/' || p->final_name[sizeof notes - 1] == 0))
        return err_set(err, HFP_E_PROTO, "the file name \"%.100s\" is refused: it lies among the notes of this folder",
                       p->final_name);
    int rc = HFP_OK;
    struct stat st;
    if (p->part_folder[0] && io->fstatat(p->part_dir, p->part_folder, &st, 0) < 0)
        rc = store_make_parents(s, p->part_dir, p->lock_name, err); /* the lock lies in the folder of the partials */
    if (!rc && !place_is_blob(p))
        rc = store_make_parents(s, p->final_dir, p->final_name, err);
    return rc;
}
