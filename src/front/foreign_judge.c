/* What a download is, from where it lies: repository, file, total size. */
#include "front/foreign_inside.h"

#include "front/files.h"
#include "front/status_json.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TREES_MAX_BYTES (16U << 20)   /* some 80,000 files; of larger repositories the total stays unknown */
#define TREES_MAX 16                  /* commits looked through for one etag */
#define SIZE_MAX_BYTES (1ULL << 53)   /* what a JSON number holds exactly; no file is larger */
#define CONTROL_MAX_BYTES (16U << 20) /* a bit for each piece of 1 MiB: 16 TiB in 2 MiB */

/* "models--ns--name" as a path component at folder: the type, and where its end is. */
static const char *repo_folder(struct foreign_download *d, const char *path)
{
    static const struct {
        const char *prefix;
        enum hfp_repo_type type;
    } kinds[] = { { "/models--", HFP_MODEL }, { "/datasets--", HFP_DATASET }, { "/spaces--", HFP_SPACE } };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *at = NULL;
        for (const char *s = path; (s = strstr(s, kinds[i].prefix)) != NULL; s++)
            at = s; /* the innermost */
        if (!at)
            continue;
        const char *name = at + strlen(kinds[i].prefix), *end = strchrnul(name, '/');
        if (strncmp(end, "/blobs/", 7) != 0 || (size_t)(end - name) >= sizeof d->repo)
            continue;
        snprintf(d->repo, sizeof d->repo, "%.*s", (int)(end - name), name);
        char *dash = strstr(d->repo, "--"); /* ns--name; a name alone has none */
        if (dash) {
            *dash = '/';
            memmove(dash + 1, dash + 2, strlen(dash + 2) + 1);
        }
        d->type = kinds[i].type;
        return end;
    }
    return NULL;
}

/* The hex before the first or second dot of "<etag>.<8 hex>.incomplete" and "<H>.<etag>...": 40 or 64 digits. */
static bool find_etag(char out[static 65], const char *name)
{
    for (const char *s = name; *s; s++) {
        size_t n = strspn(s, "0123456789abcdef");
        if ((n == 40 || n == 64) && s[n] == '.') {
            memcpy(out, s, n);
            out[n] = '\0';
            return true;
        }
        s += n ? n - 1 : 0;
    }
    return false;
}

static bool text_is(const cJSON *o, const char *name, const char *value)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));
    return text && strcmp(text, value) == 0;
}

/* trees/<commit>.json: {"files":{PATH:{"size":N,"blob_id":SHA1,"lfs_sha256":SHA256}}}, the Python client's and ours. */
static bool look_into_tree(struct foreign_download *d, const char *path, const char *etag)
{
    char *text = NULL;
    if (file_read_plain(&text, path, TREES_MAX_BYTES, NULL))
        return false;
    cJSON *all = strstr(text, etag) ? cJSON_Parse(text) : NULL, *entry;
    free(text);
    bool found = false;
    cJSON_ArrayForEach (entry, cJSON_GetObjectItemCaseSensitive(all, "files")) {
        const cJSON *size = cJSON_GetObjectItemCaseSensitive(entry, "size");
        if (found || !cJSON_IsNumber(size) || size->valuedouble < 0 || size->valuedouble > (double)SIZE_MAX_BYTES ||
            !text_is(entry, strlen(etag) == 64 ? "lfs_sha256" : "blob_id", etag))
            continue;
        found = true;
        d->total_bytes = (uint64_t)size->valuedouble;
        snprintf(d->file, sizeof d->file, "%s", entry->string);
    }
    cJSON_Delete(all);
    return found;
}

static void look_into_trees(struct foreign_download *d, const char *folder, const char *etag)
{
    DIR *list = opendir(folder);
    unsigned left = TREES_MAX;
    for (struct dirent *e; list && left > 0 && (e = readdir(list)) != NULL;) {
        size_t n = strlen(e->d_name);
        if (n < 6 || strcmp(e->d_name + n - 5, ".json") != 0)
            continue;
        left--;
        char *path = path_join(folder, e->d_name);
        bool found = path && look_into_tree(d, path, etag);
        free(path);
        if (found)
            break;
    }
    if (list)
        closedir(list);
}

/* The Python client names a local folder's partial by the sha1 of its metadata file's name (cache/place.c); the lock
 * beside it has the plain name. */
static bool names_lock(const char *hash, size_t hash_n, const char *lock)
{
    char name[NAME_MAX + 16];
    unsigned char sha[EVP_MAX_MD_SIZE], coded[64];
    unsigned n = 0;
    snprintf(name, sizeof name, "%.*s.metadata", (int)(strlen(lock) - strlen(".lock")), lock);
    if (!EVP_Digest(name, strlen(name), sha, &n, EVP_sha1(), NULL))
        return false;
    EVP_EncodeBlock(coded, sha, (int)n);
    for (unsigned char *c = coded; *c; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    return strlen((char *)coded) == hash_n && memcmp(coded, hash, hash_n) == 0;
}

static void find_local_name(struct foreign_download *d, const char *folder, const char *below, const char *partial)
{
    size_t hash_n = strcspn(partial, ".");
    DIR *list = opendir(folder);
    for (struct dirent *e; list && (e = readdir(list)) != NULL;) {
        size_t n = strlen(e->d_name);
        if (n > 5 && strcmp(e->d_name + n - 5, ".lock") == 0 && names_lock(partial, hash_n, e->d_name)) {
            int whole =
                snprintf(d->file, sizeof d->file, "%s%s%.*s", below, *below ? "/" : "", (int)(n - 5), e->d_name);
            if (whole < 0 || (size_t)whole >= sizeof d->file)
                d->file[0] = 0; /* half a name names another file */
            break;
        }
    }
    if (list)
        closedir(list);
}

static void judge_local(struct foreign_download *d, const char *at)
{
    static const char mark[] = "/.cache/huggingface/download/";
    char folder[sizeof d->path], trees[sizeof d->path + 64], etag[65];
    const char *inside = at + sizeof mark - 1, *slash = strrchr(inside, '/'), *name = slash ? slash + 1 : inside;
    snprintf(folder, sizeof folder, "%.*s", (int)(name - 1 - d->path), d->path);
    char below[sizeof d->file];
    snprintf(below, sizeof below, "%.*s", slash ? (int)(slash - inside) : 0, inside);
    find_local_name(d, folder, below, name);
    if (find_etag(etag, name)) {
        char file[sizeof d->file];
        memcpy(file, d->file, sizeof file);
        snprintf(trees, sizeof trees, "%.*s/.cache/huggingface/trees", (int)(at - d->path), d->path);
        look_into_trees(d, trees, etag);
        if (file[0]) /* of two files with one content the lock tells which */
            memcpy(d->file, file, sizeof file);
    }
}

static uint64_t be(const unsigned char *b, size_t n)
{
    uint64_t v = 0;
    while (n-- > 0)
        v = v << 8 | *b++;
    return v;
}

/* aria2's technical notes, control file version 1: version u16, extension u32, info hash length u32 and bytes, piece length
 * u32, total u64, uploaded u64, bit field length u32 and bytes; big-endian. */
bool foreign_aria2(uint64_t *here_bytes, uint64_t *total_bytes, const char *path)
{
    char control[sizeof((struct foreign_download *)0)->path + 8];
    snprintf(control, sizeof control, "%s.aria2", path);
    int fd = file_open_plain(control);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
    if (fd >= 0 && !f)
        close(fd);
    unsigned char head[10], rest[24];
    bool ok = f && fread(head, 1, sizeof head, f) == sizeof head && be(head, 2) <= 1 && be(head + 6, 4) <= 64 &&
              fseek(f, (long)be(head + 6, 4), SEEK_CUR) == 0 && fread(rest, 1, sizeof rest, f) == sizeof rest;
    uint64_t piece = ok ? be(rest, 4) : 0, total = ok ? be(rest + 4, 8) : 0, bits = ok ? be(rest + 20, 4) : 0, here = 0;
    ok = ok && piece > 0 && bits <= CONTROL_MAX_BYTES && total <= 1ULL << 60;
    for (uint64_t i = 0; ok && i < bits; i++) {
        int c = fgetc(f);
        if (c == EOF)
            ok = false;
        else
            here += (uint64_t)__builtin_popcount((unsigned)c) * piece;
    }
    if (f)
        fclose(f);
    if (ok) {
        *here_bytes = here < total ? here : total;
        *total_bytes = total;
    }
    return ok;
}

void foreign_judge(struct foreign_download *d)
{
    char etag[65], trees[sizeof d->path + 16];
    const char *end = repo_folder(d, d->path), *name = strrchr(d->path, '/');
    const char *local = strstr(d->path, "/.cache/huggingface/download/");
    if (end && name && find_etag(etag, name + 1)) {
        snprintf(trees, sizeof trees, "%.*s/trees", (int)(end - d->path), d->path);
        look_into_trees(d, trees, etag);
    } else if (local) {
        judge_local(d, local);
    } else if (name && !d->file[0]) {
        snprintf(d->file, sizeof d->file, "%s", name + 1);
        for (size_t i = 0; i < 4; i++) {
            static const char *const ends[] = { ".incomplete", ".partial", ".part", ".tmp" };
            size_t n = strlen(d->file), m = strlen(ends[i]);
            if (n > m && strcmp(d->file + n - m, ends[i]) == 0)
                d->file[n - m] = '\0';
        }
    }
}
