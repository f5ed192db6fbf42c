/* cas_load.c: reads the folder of --cas-data: cas.json, and a file xorbs/<hash> for each xorb it names. */
#include "cas.h"

#include "base/auto.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CAS_JSON_MAX = 256 << 20,
    RECORD_HEAD = 8,
    FOOTER_WORD = 7, /* "XETBLOB" stands where the next record's header would */
};

static uint32_t le24(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

/* Walks the record headers to the footer or the end of the object. */
static void read_records(struct xorb *x)
{
    int fd = open(x->entry.disk, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        die("cannot read the xorb %s: %s", x->entry.disk, strerror(errno));
    x->entry.size = (uint64_t)st.st_size;
    uint8_t head[RECORD_HEAD];
    for (uint64_t at = 0; at < x->entry.size;) {
        if (pread(fd, head, sizeof(head), (off_t)at) != (ssize_t)sizeof(head))
            die("the xorb %s ends inside a record", x->entry.disk);
        if (!memcmp(head, "XETBLOB", FOOTER_WORD))
            break;
        at += RECORD_HEAD + le24(head + 1);
        if ((x->count & (x->count - 1)) == 0) { /* full at each power of two */
            size_t room = x->count ? 2 * (size_t)x->count : 1;
            x->record_end = must_grow(x->record_end, room * sizeof(*x->record_end));
            x->plain = must_grow(x->plain, room * sizeof(*x->plain));
        }
        x->record_end[x->count] = at;
        x->plain[x->count++] = le24(head + 5);
    }
    close(fd);
}

static int by_hash(const void *a, const void *b)
{
    return strcmp(((const struct xorb *)a)->hash, ((const struct xorb *)b)->hash);
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct xet_file *)a)->id, ((const struct xet_file *)b)->id);
}

static void copy_hash(char out[static XET_HASH_DIGITS + 1], const cJSON *text)
{
    if (!cJSON_IsString(text) || !is_hex(text->valuestring, XET_HASH_DIGITS))
        die("cas.json: a hash is not 64 lower-case hex digits");
    memcpy(out, text->valuestring, XET_HASH_DIGITS + 1);
}

static void load_xorbs(struct cas *c, const cJSON *list, const char *dir)
{
    c->xorbs = must_alloc((size_t)cJSON_GetArraySize(list) * sizeof(*c->xorbs) + 1);
    const cJSON *one;
    cJSON_ArrayForEach (one, list) {
        struct xorb *x = &c->xorbs[c->xorb_count++];
        copy_hash(x->hash, one);
        struct text disk = { 0 };
        text_addf(&disk, "%s/xorbs/%s", dir, x->hash);
        x->entry = (struct entry){ .path = must_copy(x->hash), .disk = disk.p };
        memcpy(x->entry.sha256, x->hash, sizeof(x->entry.sha256));
        read_records(x);
    }
    if (c->xorb_count)
        qsort(c->xorbs, c->xorb_count, sizeof(*c->xorbs), by_hash);
}

uint64_t term_bytes(const struct term *t)
{
    uint64_t n = 0;
    for (uint32_t i = t->first; i < t->end; i++)
        n += t->xorb->plain[i];
    return n;
}

static uint32_t index_of(const cJSON *n)
{
    if (!cJSON_IsNumber(n) || n->valuedouble < 0 || n->valuedouble > UINT32_MAX)
        die("cas.json: a chunk index is not a number");
    return (uint32_t)n->valuedouble;
}

/* ["<xorb>", first, end] */
static void load_term(const struct cas *c, struct term *out, const cJSON *json)
{
    struct xorb key;
    copy_hash(key.hash, cJSON_GetArrayItem(json, 0));
    out->xorb = c->xorb_count ? bsearch(&key, c->xorbs, c->xorb_count, sizeof(key), by_hash) : NULL;
    out->first = index_of(cJSON_GetArrayItem(json, 1));
    out->end = index_of(cJSON_GetArrayItem(json, 2));
    if (!out->xorb || out->first >= out->end || out->end > out->xorb->count)
        die("cas.json: a term that the xorbs do not hold: %s", key.hash);
}

static void load_files(struct cas *c, const cJSON *list)
{
    c->files = must_alloc((size_t)cJSON_GetArraySize(list) * sizeof(*c->files) + 1);
    const cJSON *one, *term;
    cJSON_ArrayForEach (one, list) {
        struct xet_file *f = &c->files[c->file_count++];
        const cJSON *terms = cJSON_GetObjectItemCaseSensitive(one, "terms");
        copy_hash(f->id, cJSON_GetObjectItemCaseSensitive(one, "id"));
        copy_hash(f->sha256, cJSON_GetObjectItemCaseSensitive(one, "sha256"));
        f->terms = must_alloc((size_t)cJSON_GetArraySize(terms) * sizeof(*f->terms) + 1);
        cJSON_ArrayForEach (term, terms) {
            load_term(c, &f->terms[f->count], term);
            f->size += term_bytes(&f->terms[f->count++]);
        }
    }
    if (c->file_count)
        qsort(c->files, c->file_count, sizeof(*c->files), by_id);
}

void cas_load(struct cas *out, const char *dir)
{
    *out = (struct cas){ 0 };
    if (!dir)
        return;
    struct text path = { 0 };
    text_addf(&path, "%s/cas.json", dir);
    char *text = read_whole(path.p, CAS_JSON_MAX);
    cJSON *json = text ? cJSON_Parse(text) : NULL;
    if (!json)
        die("cannot read %s", path.p);
    load_xorbs(out, cJSON_GetObjectItemCaseSensitive(json, "xorbs"), dir);
    load_files(out, cJSON_GetObjectItemCaseSensitive(json, "files"));
    cJSON_Delete(json);
    free(text);
    text_free(&path);
}

void cas_free(struct cas *c)
{
    for (size_t i = 0; i < c->xorb_count; i++) {
        free(c->xorbs[i].entry.path);
        free(c->xorbs[i].entry.disk);
        free(c->xorbs[i].record_end);
        free(c->xorbs[i].plain);
    }
    for (size_t i = 0; i < c->file_count; i++)
        free(c->files[i].terms);
    free(c->xorbs);
    free(c->files);
}

const struct xet_file *cas_file(const struct cas *c, const char *id)
{
    struct xet_file key = { 0 };
    if (!c->file_count || !is_hex(id, XET_HASH_DIGITS))
        return NULL;
    memcpy(key.id, id, sizeof(key.id));
    return bsearch(&key, c->files, c->file_count, sizeof(key), by_id);
}

static int by_content(const void *a, const void *b)
{
    return strcmp((*(const struct xet_file *const *)a)->sha256, (*(const struct xet_file *const *)b)->sha256);
}

void cas_announce(const struct cas *c, struct content *content)
{
    if (!c->file_count)
        return;
    const struct xet_file **sorted = must_alloc(c->file_count * sizeof(*sorted));
    for (size_t i = 0; i < c->file_count; i++)
        sorted[i] = &c->files[i];
    qsort(sorted, c->file_count, sizeof(*sorted), by_content);
    for (size_t r = 0; r < content->count; r++)
        for (size_t k = 0; content->repos[r].xet && k < content->repos[r].commit_count; k++) {
            struct commit *commit = &content->repos[r].commits[k];
            for (size_t i = 0; i < commit->count; i++) {
                struct xet_file key = { 0 };
                const struct xet_file *wanted = &key, **found;
                memcpy(key.sha256, commit->entries[i].sha256, sizeof(key.sha256));
                found = bsearch(&wanted, sorted, c->file_count, sizeof(*sorted), by_content);
                commit->entries[i].xet = found && commit->entries[i].lfs ? (*found)->id : NULL;
            }
        }
    free(sorted);
}
