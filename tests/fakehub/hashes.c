#include "hashes.h"

#include "base/auto.h"
#include "source.h"
#include "text.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CACHE_MIN_BYTES = 1 << 20, /* smaller files are hashed faster than looked up */
    CACHE_MAX_BYTES = 64 << 20,
    THREADS_MAX = 16,
};

struct known {
    char *key;
    char *value;
};

struct work {
    struct entry **files;
    size_t count;
    atomic_size_t next;
    struct known *known;
    size_t known_count;
};

static void hex_of(char *out, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sprintf(out + 2 * i, "%02x", p[i]);
}

void sha1_hex(char out[static 41], const void *p, size_t n)
{
    uint8_t md[20];
    EVP_Digest(p, n, md, NULL, EVP_sha1(), NULL);
    hex_of(out, md, sizeof(md));
}

void sha256_hex(char out[static 65], const void *p, size_t n)
{
    uint8_t md[32];
    EVP_Digest(p, n, md, NULL, EVP_sha256(), NULL);
    hex_of(out, md, sizeof(md));
}

static void set_pointer_oid(struct entry *e)
{
    char body[256], all[300];
    int n =
        snprintf(body, sizeof(body), "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %" PRIu64 "\n",
                 e->sha256, e->size);
    int head = snprintf(all, sizeof(all), "blob %d", n);
    memcpy(all + head + 1, body, (size_t)n);
    sha1_hex(e->oid, all, (size_t)(head + 1 + n));
}

static void hash_one(struct entry *e, uint8_t *buf, size_t buf_bytes)
{
    struct source src;
    if (!source_file(&src, e))
        die("cannot open %s", e->disk);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (!md || !EVP_DigestInit_ex(md, e->lfs ? EVP_sha256() : EVP_sha1(), NULL))
        die("no digest");
    if (!e->lfs) {
        char head[32];
        int n = snprintf(head, sizeof(head), "blob %" PRIu64, e->size);
        EVP_DigestUpdate(md, head, (size_t)n + 1);
    }
    for (uint64_t at = 0; at < e->size;) {
        size_t n = (size_t)MIN((uint64_t)buf_bytes, e->size - at);
        if (!source_read(&src, at, buf, n))
            die("cannot read %s", e->disk ? e->disk : e->path);
        EVP_DigestUpdate(md, buf, n);
        at += n;
    }
    uint8_t out[EVP_MAX_MD_SIZE];
    unsigned bytes = 0;
    EVP_DigestFinal_ex(md, out, &bytes);
    EVP_MD_CTX_free(md);
    source_done(&src);
    hex_of(e->lfs ? e->sha256 : e->oid, out, bytes);
}

static void cache_key(struct text *out, const struct entry *e)
{
    if (e->disk)
        text_addf(out, "%d disk %" PRIu64 " %" PRId64 " %s", e->lfs, e->size, e->mtime_ns, e->disk);
    else
        text_addf(out, "%d gen %" PRIu64 " %" PRIu64, e->lfs, e->size, e->seed);
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct known *)a)->key, ((const struct known *)b)->key);
}

static bool take_known(const struct work *w, struct entry *e)
{
    if (e->size < CACHE_MIN_BYTES || !w->known_count)
        return false;
    struct text key = { 0 };
    cache_key(&key, e);
    const struct known *hit = bsearch(&(struct known){ .key = key.p }, w->known, w->known_count, sizeof(*hit), by_key);
    text_free(&key);
    if (!hit || !is_hex(hit->value, e->lfs ? 64 : 40))
        return false;
    memcpy(e->lfs ? e->sha256 : e->oid, hit->value, e->lfs ? 65 : 41);
    return true;
}

static void *hash_some(void *arg)
{
    struct work *w = arg;
    enum { BUF_BYTES = 1 << 20 };
    uint8_t *buf = must_alloc(BUF_BYTES);
    for (size_t i; (i = atomic_fetch_add(&w->next, 1)) < w->count;) {
        if (!take_known(w, w->files[i]))
            hash_one(w->files[i], buf, BUF_BYTES);
        if (w->files[i]->lfs)
            set_pointer_oid(w->files[i]);
    }
    free(buf);
    return NULL;
}

/* One line a file: the hash, a blank, the key. */
static char *cache_load(struct work *w, const char *path)
{
    char *all = read_whole(path, CACHE_MAX_BYTES);
    char *rest = all;
    for (char *line; (line = strsep(&rest, "\n"));) {
        char *key = strchr(line, ' ');
        if (!key)
            continue;
        *key++ = 0;
        w->known = must_grow(w->known, (w->known_count + 1) * sizeof(*w->known));
        w->known[w->known_count++] = (struct known){ .key = key, .value = line };
    }
    if (w->known_count)
        qsort(w->known, w->known_count, sizeof(*w->known), by_key);
    return all;
}

/* The cache is a convenience: not being able to write it is no failure. */
static void cache_save(const struct work *w, const char *path)
{
    struct text temp = { 0 }, line = { 0 };
    text_addf(&temp, "%s.%ld", path, (long)getpid());
    FILE *f = fopen(temp.p, "we");
    for (size_t i = 0; f && i < w->count; i++) {
        const struct entry *e = w->files[i];
        if (e->size < CACHE_MIN_BYTES)
            continue;
        line.n = 0;
        text_addf(&line, "%s ", e->lfs ? e->sha256 : e->oid);
        cache_key(&line, e);
        fprintf(f, "%s\n", line.p);
    }
    if (f && fclose(f) == 0)
        (void)rename(temp.p, path);
    text_free(&temp);
    text_free(&line);
}

void hashes_fill(struct entry **files, size_t count, const char *cache)
{
    struct work w = { .files = files, .count = count };
    char *all = cache ? cache_load(&w, cache) : NULL;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    size_t threads = (size_t)MAX(1, MIN(cpus, THREADS_MAX)), started = 0;
    pthread_t thread[THREADS_MAX];
    while (started < threads && count > 1 && !pthread_create(&thread[started], NULL, hash_some, &w))
        started++;
    hash_some(&w);
    while (started)
        pthread_join(thread[--started], NULL);
    if (cache)
        cache_save(&w, cache);
    free(w.known);
    free(all);
}
