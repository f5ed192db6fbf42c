#include "base/digest.h"
#include "base/auto.h"

#include <blake3.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct digest {
    EVP_MD_CTX *ctx;
    enum digest_kind kind;
};

static EVP_MD *md_sha256, *md_sha1;
static pthread_once_t md_once = PTHREAD_ONCE_INIT;

/* EVP_sha256() makes OpenSSL 3 look the algorithm up again for every context; fetching once avoids it
 * (openssl: doc/man7/ossl-guide-libcrypto-introduction.pod, performance). Kept for the life of the process. */
static void md_fetch(void)
{
    md_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    md_sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
}

int digest_new(struct digest **out, enum digest_kind kind, uint64_t size_bytes, struct hfp_err *err)
{
    pthread_once(&md_once, md_fetch);
    const EVP_MD *md = kind == DIGEST_SHA256 ? md_sha256 : md_sha1;
    AUTO(digest_freep) struct digest *d = calloc(1, sizeof *d);
    if (!d || !(d->ctx = EVP_MD_CTX_new()))
        return err_nomem(err);
    if (!md || EVP_DigestInit_ex2(d->ctx, md, NULL) != 1)
        return err_set(err, HFP_E_INTERNAL, "libcrypto has no %s", kind == DIGEST_SHA256 ? "SHA256" : "SHA1");
    d->kind = kind;
    if (kind == DIGEST_GIT_SHA1) {
        char head[40]; /* git hashes "blob", the decimal length and a NUL before the content (gitformat-pack) */
        int n = snprintf(head, sizeof head, "blob %llu", (unsigned long long)size_bytes);
        int rc = digest_add(d, head, (size_t)n + 1, err);
        if (rc)
            return rc;
    }
    *out = ptr_steal(&d);
    return HFP_OK;
}

int digest_add(struct digest *d, const void *data, size_t n, struct hfp_err *err)
{
    if (EVP_DigestUpdate(d->ctx, data, n) != 1)
        return err_set(err, HFP_E_INTERNAL, "libcrypto could not hash");
    return HFP_OK;
}

int digest_end(struct digest *d, struct content_id *out, struct hfp_err *err)
{
    struct content_id id = { .kind = (uint8_t)d->kind };
    if (EVP_DigestFinal_ex(d->ctx, id.bytes, NULL) != 1)
        return err_set(err, HFP_E_INTERNAL, "libcrypto could not finish a hash");
    *out = id;
    return HFP_OK;
}

void digest_free(struct digest *d)
{
    if (!d)
        return;
    EVP_MD_CTX_free(d->ctx);
    free(d);
}

void digest_freep(struct digest **d)
{
    digest_free(*d);
    *d = NULL;
}

int digest_of(struct content_id *out, enum digest_kind kind, const void *data, size_t n, struct hfp_err *err)
{
    AUTO(digest_freep) struct digest *d = NULL;
    int rc = digest_new(&d, kind, n, err);
    if (!rc)
        rc = digest_add(d, data, n, err);
    return rc ? rc : digest_end(d, out, err);
}

void blake3_of(uint8_t out[BLAKE3_BYTES], const void *data, size_t n)
{
    blake3_hasher hasher;
    blake3_hasher_init(&hasher);
    blake3_hasher_update(&hasher, data, n);
    blake3_hasher_finalize(&hasher, out, BLAKE3_BYTES);
}

void hex_encode(char *out, const uint8_t *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool hex_decode(uint8_t *out, const char *hex, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int high = hex_value(hex[2 * i]);
        int low = high < 0 ? -1 : hex_value(hex[2 * i + 1]);
        if (low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return hex[2 * n] == 0;
}

bool content_id_equal(const struct content_id *a, const struct content_id *b)
{
    return a->kind == b->kind && memcmp(a->bytes, b->bytes, digest_bytes(a->kind)) == 0;
}

int content_id_parse(struct content_id *out, const char *hex)
{
    struct content_id id = { 0 };
    size_t len = strspn(hex, "0123456789abcdef");
    if (hex[len] != 0 || (len != 64 && len != 40))
        return HFP_E_ARG;
    id.kind = len == 64 ? DIGEST_SHA256 : DIGEST_GIT_SHA1;
    hex_decode(id.bytes, hex, len / 2);
    *out = id;
    return HFP_OK;
}

void content_id_hex(char out[65], const struct content_id *id)
{
    hex_encode(out, id->bytes, digest_bytes(id->kind));
}
