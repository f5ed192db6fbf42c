#include "issued.h"

#include "hashes.h"
#include "limiter.h"
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_START "cas-test."

struct issued {
    pthread_mutex_t lock;
    struct one {
        struct ticket ticket;
        uint64_t expires_ms;
        char digest[65]; /* of the whole target: a client that re-encodes it is refused, as by a real signer */
        bool revoked;
    } * all;
    size_t count;
};

struct issued *issued_new(void)
{
    struct issued *i = must_alloc(sizeof(*i));
    pthread_mutex_init(&i->lock, NULL);
    return i;
}

void issued_free(struct issued *i)
{
    if (!i)
        return;
    for (size_t n = 0; n < i->count; n++)
        free(i->all[n].ticket.spans);
    free(i->all);
    pthread_mutex_destroy(&i->lock);
    free(i);
}

enum { SIGNED_RANGE_MAX = 64 }; /* of "123-456," before it is encoded */

/* As the CAS signs: the set of ranges stands in the query, and it is the ranges that are signed. */
static char *make_xorb_target(const struct ticket *t, uint64_t serial, uint64_t expires_ms)
{
    struct text ranges = { 0 }, out = { 0 };
    char one[SIGNED_RANGE_MAX], sign[65];
    for (size_t i = 0; i < t->span_count; i++) {
        snprintf(one, sizeof(one), "%s%" PRIu64 "-%" PRIu64, i ? "," : "bytes=", t->spans[i].from, t->spans[i].last);
        text_add(&ranges, one);
    }
    text_addf(&out, "/xorbs/default/%s?X-Xet-Signed-Range=", t->xorb->hash);
    text_url(&out, ranges.p, "");
    text_addf(&out, "&Expires=%" PRIu64 "&Policy=eyJTdGF0ZW1lbnQiOlt7fV19", expires_ms / 1000);
    sha256_hex(sign, out.p, out.n);
    text_addf(&out, "&Signature=%" PRIx64 "~%.40s-Q__&Key-Pair-Id=KFAKEHUB24J3", serial, sign);
    text_free(&ranges);
    return out.p;
}

/* Opaque, and of the length real ones have. */
static char *make_token(const struct ticket *t, uint64_t serial, uint64_t expires_ms)
{
    struct text out = { 0 };
    char sign[65];
    text_addf(&out, "%s/%s/%" PRIu64, t->repo->id, t->commit->id, expires_ms);
    sha256_hex(sign, out.p, out.n);
    text_free(&out);
    text_addf(&out, TOKEN_START "%" PRIx64 ".%s%s%s", serial, sign, sign, sign);
    return out.p;
}

static char *make_target(const struct ticket *t, uint64_t serial, uint64_t expires_ms)
{
    char repo[65], sign[65];
    struct text id = { 0 }, out = { 0 };
    text_addf(&id, "%s/%s", t->repo->type, t->repo->id);
    sha256_hex(repo, id.p, id.n);
    text_addf(&id, "/%" PRIu64 "/%s/%" PRIu64, serial, t->entry->path, expires_ms);
    sha256_hex(sign, id.p, id.n);
    const char *slash = strrchr(t->entry->path, '/'), *name = slash ? slash + 1 : t->entry->path;
    text_addf(&out, "/repos/%.2s/%.2s/%s/%s?response-content-disposition=inline%%3B+filename*%%3DUTF-8%%27%%27", repo,
              repo + 2, repo, t->entry->lfs ? t->entry->sha256 : t->entry->oid);
    text_url(&out, name, "");
    text_addf(&out,
              "%%3B&response-content-type=application%%2Foctet-stream&Expires=%" PRIu64
              "&Policy=eyJTdGF0ZW1lbnQiOlt7fV19&Signature=%" PRIx64 "~%.40s-Q__&Key-Pair-Id=KFAKEHUB24J3",
              expires_ms / 1000, serial, sign);
    text_free(&id);
    return out.p;
}

char *issued_add(struct issued *i, const struct ticket *t, uint64_t expires_unix_ms)
{
    pthread_mutex_lock(&i->lock);
    if ((i->count & (i->count - 1)) == 0)
        i->all = must_grow(i->all, sizeof(*i->all) * (i->count ? 2 * i->count : 1));
    struct one *one = &i->all[i->count];
    *one = (struct one){ .ticket = *t, .expires_ms = expires_unix_ms };
    one->ticket.serial = i->count++;
    char *(*make)(const struct ticket *, uint64_t, uint64_t) = t->opens == OPENS_XORB  ? make_xorb_target
                                                               : t->opens == OPENS_CAS ? make_token
                                                                                       : make_target;
    char *target = make(t, one->ticket.serial, expires_unix_ms);
    sha256_hex(one->digest, target, strlen(target));
    pthread_mutex_unlock(&i->lock);
    return target;
}

bool issued_find(struct issued *i, const char *target, struct ticket *out, bool *good)
{
    const char *sign = strstr(target, "&Signature=");
    sign = sign ? sign + strlen("&Signature=") : NULL;
    if (!strncmp(target, TOKEN_START, strlen(TOKEN_START)))
        sign = target + strlen(TOKEN_START);
    uint64_t serial = sign ? strtoull(sign, NULL, 16) : UINT64_MAX;
    char digest[65];
    sha256_hex(digest, target, strlen(target));
    pthread_mutex_lock(&i->lock);
    bool found = serial < i->count && !strcmp(i->all[serial].digest, digest);
    if (found) {
        *out = i->all[serial].ticket;
        *good = !i->all[serial].revoked && unix_ms() < i->all[serial].expires_ms;
    }
    pthread_mutex_unlock(&i->lock);
    return found;
}

void issued_revoke(struct issued *i, uint64_t serial)
{
    pthread_mutex_lock(&i->lock);
    if (serial < i->count)
        i->all[serial].revoked = true;
    pthread_mutex_unlock(&i->lock);
}

void issued_revoke_all(struct issued *i, bool tokens)
{
    pthread_mutex_lock(&i->lock);
    for (size_t n = 0; n < i->count; n++)
        i->all[n].revoked = i->all[n].revoked || (i->all[n].ticket.opens == OPENS_CAS) == tokens;
    pthread_mutex_unlock(&i->lock);
}
