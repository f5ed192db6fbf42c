/* content_load.c: reads the folder of --root once, at start. */
#include "content.h"

#include "base/auto.h"
#include "gen.h"
#include "hashes.h"
#include "text.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CONFIG ".fakehub.json"

enum {
    DEPTH_MAX = 32,              /* folders in folders; a symlink loop ends here */
    FILES_MAX = 5 * 1000 * 1000, /* in one commit */
    CONFIG_MAX_BYTES = 64 << 20,
};

struct loader {
    struct content *content;
    uint64_t lfs_over;
};

static void add_entry(struct commit *c, struct entry e)
{
    if (c->count == FILES_MAX)
        die("more than %d files in one commit", FILES_MAX);
    if ((c->count & (c->count - 1)) == 0) /* full at each power of two */
        c->entries = must_grow(c->entries, sizeof(e) * (c->count ? 2 * c->count : 1));
    c->entries[c->count++] = e;
}

/* Every name in a folder but "." and ".."; links are followed, so the snapshot folder of a cache can be served. */
static void walk(struct commit *c, const char *disk, const char *prefix, uint64_t lfs_over, int depth)
{
    DIR *dir = depth < DEPTH_MAX ? opendir(disk) : NULL;
    if (!dir)
        die("cannot list %s", disk);
    for (struct dirent *d; (d = readdir(dir));) {
        if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, "..") || !strcmp(d->d_name, CONFIG))
            continue;
        struct text path = { 0 }, full = { 0 };
        text_addf(&path, "%s%s", prefix, d->d_name);
        text_addf(&full, "%s/%s", disk, d->d_name);
        struct stat st;
        if (stat(full.p, &st) < 0)
            die("cannot stat %s", full.p);
        if (S_ISDIR(st.st_mode)) {
            text_add(&path, "/");
            walk(c, full.p, path.p, lfs_over, depth + 1);
        } else if (S_ISREG(st.st_mode)) {
            add_entry(c, (struct entry){ .path = ptr_steal(&path.p),
                                         .disk = ptr_steal(&full.p),
                                         .size = (uint64_t)st.st_size,
                                         .lfs = (uint64_t)st.st_size > lfs_over,
                                         .mtime_ns = st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec });
        }
        text_free(&path);
        text_free(&full);
    }
    closedir(dir);
}

static uint64_t number(const cJSON *in, const char *name, uint64_t fallback)
{
    const cJSON *n = cJSON_GetObjectItemCaseSensitive(in, name);
    return cJSON_IsNumber(n) && n->valuedouble >= 0 && n->valuedouble <= 0x1p53 ? (uint64_t)n->valuedouble : fallback;
}

static const char *string(const cJSON *in, const char *name, const char *fallback)
{
    const cJSON *s = cJSON_GetObjectItemCaseSensitive(in, name);
    return cJSON_IsString(s) ? s->valuestring : fallback;
}

static bool is_true(const cJSON *in, const char *name, bool fallback)
{
    const cJSON *b = cJSON_GetObjectItemCaseSensitive(in, name);
    return b ? !cJSON_IsFalse(b) && !cJSON_IsNull(b) : fallback;
}

static void add_generated(struct commit *c, const cJSON *list, uint64_t lfs_over)
{
    const cJSON *g;
    cJSON_ArrayForEach (g, list) {
        const char *path = string(g, "path", NULL);
        if (!path)
            die("a generated file without a path");
        uint64_t size = number(g, "size", 0);
        add_entry(c, (struct entry){ .path = must_copy(path),
                                     .size = size,
                                     .seed = number(g, "seed", 1),
                                     .lfs = is_true(g, "lfs", size > lfs_over) });
    }
}

/* Sizes and seeds of the many come from the same generator, so the whole repository is one number. */
static void add_many(struct commit *c, const cJSON *many, uint64_t lfs_over)
{
    uint64_t count = number(many, "count", 0), seed = number(many, "seed", 1);
    uint64_t low = number(many, "size_min", 0), high = number(many, "size_max", low);
    const char *prefix = string(many, "prefix", "f"), *suffix = string(many, "suffix", "");
    for (uint64_t i = 0; i < count; i++) {
        struct text path = { 0 };
        text_addf(&path, "%s%06" PRIu64 "%s", prefix, i, suffix);
        uint64_t size = low + (high > low ? gen_word(seed, 2 * i) % (high - low + 1) : 0);
        add_entry(c, (struct entry){ .path = path.p,
                                     .size = size,
                                     .seed = gen_word(seed, 2 * i + 1),
                                     .lfs = is_true(many, "lfs", size > lfs_over) });
    }
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

static void sort_entries(struct commit *c)
{
    if (c->count)
        qsort(c->entries, c->count, sizeof(*c->entries), by_path);
}

/* Files arrive sorted, so a folder is new exactly when the file before does not lie in it. */
static void add_folders(struct commit *c)
{
    size_t files = c->count;
    for (size_t i = 0; i < files; i++) {
        const char *before = i ? c->entries[i - 1].path : "";
        struct entry e = c->entries[i];
        if (i && !strcmp(before, e.path))
            die("%s is there twice", e.path);
        for (const char *slash = strchr(e.path, '/'); slash; slash = strchr(slash + 1, '/')) {
            size_t n = (size_t)(slash - e.path);
            if (!strncmp(before, e.path, n + 1))
                continue;
            struct entry dir = { .path = must_alloc(n + 1), .dir = true };
            memcpy(dir.path, e.path, n);
            sha1_hex(dir.oid, dir.path, n);
            add_entry(c, dir);
        }
    }
    c->files = files;
    sort_entries(c);
}

static void load_commit(struct loader *l, struct commit *c, const char *disk, const cJSON *config, const cJSON *own)
{
    uint64_t lfs_over = number(own, "lfs_over", number(config, "lfs_over", l->lfs_over));
    struct text dir = { 0 };
    text_addf(&dir, "%s/%s", disk, string(own, "dir", "."));
    if (own && own->string) {
        c->label = must_copy(own->string);
        if (is_hex(own->string, 40))
            memcpy(c->id, own->string, 41);
    }
    if (is_true(own, "files", true))
        walk(c, dir.p, "", lfs_over, 0);
    text_free(&dir);
    const cJSON *g = cJSON_GetObjectItemCaseSensitive(own, "generated");
    add_generated(c, g ? g : cJSON_GetObjectItemCaseSensitive(config, "generated"), lfs_over);
    const cJSON *many = cJSON_GetObjectItemCaseSensitive(own, "generated_many");
    add_many(c, many ? many : cJSON_GetObjectItemCaseSensitive(config, "generated_many"), lfs_over);
    sort_entries(c);
    add_folders(c);
}

static void add_ref(struct repo *r, const char *name, const char *target, bool tag)
{
    const struct commit *c = NULL;
    for (size_t i = 0; i < r->commit_count; i++)
        if (!target || !strcmp(r->commits[i].id, target) ||
            (r->commits[i].label && !strcmp(r->commits[i].label, target))) {
            c = &r->commits[i];
            break;
        }
    if (!c)
        die("%s: ref %s names no commit", r->id, name);
    bool looks_tag = name[0] == 'v' && name[1] >= '0' && name[1] <= '9';
    r->refs = must_grow(r->refs, (r->ref_count + 1) * sizeof(*r->refs));
    r->refs[r->ref_count++] = (struct ref){ .name = must_copy(name),
                                            .target = c,
                                            .kind = !strncmp(name, "refs/pr/", 8) ? REF_PR
                                                    : tag || looks_tag            ? REF_TAG
                                                                                  : REF_BRANCH };
}

static void load_refs(struct repo *r, const cJSON *config)
{
    const cJSON *refs = cJSON_GetObjectItemCaseSensitive(config, "refs"), *ref;
    cJSON_ArrayForEach (ref, refs)
        add_ref(r, ref->string, cJSON_IsString(ref) ? ref->valuestring : "", false);
    cJSON_ArrayForEach (ref, cJSON_GetObjectItemCaseSensitive(config, "tags"))
        add_ref(r, ref->string, cJSON_IsString(ref) ? ref->valuestring : "", true);
    if (!cJSON_GetObjectItemCaseSensitive(refs, "main") && r->commit_count)
        add_ref(r, "main", NULL, false);
}

static void load_repo(struct loader *l, const char *type, const char *id, const char *disk)
{
    struct content *all = l->content;
    all->repos = must_grow(all->repos, (all->count + 1) * sizeof(*all->repos));
    struct repo *r = &all->repos[all->count++];
    *r = (struct repo){ .type = type, .id = must_copy(id) };
    struct text path = { 0 };
    text_addf(&path, "%s/" CONFIG, disk);
    char *json = read_whole(path.p, CONFIG_MAX_BYTES);
    cJSON *config = json ? cJSON_Parse(json) : NULL;
    if (json && !config)
        die("%s is not JSON", path.p);
    text_free(&path);
    free(json);
    r->gated = is_true(config, "gated", false);
    r->private = is_true(config, "private", false);
    r->disabled = is_true(config, "disabled", false);
    r->granted = is_true(config, "granted", true);
    r->xet = is_true(config, "xet", false);
    const char *renamed = string(config, "renamed_to", NULL);
    if (renamed) {
        r->renamed_to = must_copy(renamed);
    } else {
        const cJSON *commits = cJSON_GetObjectItemCaseSensitive(config, "commits"),
                    *own = commits ? commits->child : NULL;
        r->commit_count = commits ? (size_t)cJSON_GetArraySize(commits) : 1;
        r->commits = must_alloc(r->commit_count * sizeof(*r->commits));
        for (size_t i = 0; i < r->commit_count; i++, own = own ? own->next : NULL)
            load_commit(l, &r->commits[i], disk, config, own);
        load_refs(r, config);
    }
    cJSON_Delete(config);
}

/* A folder with a file of its own in it is a repository, one with only folders in it is a name space. */
static bool is_repo(const char *disk)
{
    DIR *dir = opendir(disk);
    bool found = false;
    for (struct dirent *d; dir && !found && (d = readdir(dir));) {
        struct text full = { 0 };
        struct stat st;
        text_addf(&full, "%s/%s", disk, d->d_name);
        found = stat(full.p, &st) == 0 && S_ISREG(st.st_mode);
        text_free(&full);
    }
    if (dir)
        closedir(dir);
    return found;
}

static void load_below(struct loader *l, const char *type, const char *disk, const char *ns)
{
    DIR *dir = opendir(disk);
    for (struct dirent *d; dir && (d = readdir(dir));) {
        struct text full = { 0 }, id = { 0 };
        struct stat st;
        text_addf(&full, "%s/%s", disk, d->d_name);
        text_addf(&id, "%s%s%s", ns, *ns ? "/" : "", d->d_name);
        if (d->d_name[0] != '.' && stat(full.p, &st) == 0 && S_ISDIR(st.st_mode)) {
            if (*ns || is_repo(full.p))
                load_repo(l, type, id.p, full.p);
            else
                load_below(l, type, full.p, id.p);
        }
        text_free(&full);
        text_free(&id);
    }
    if (dir)
        closedir(dir);
}

/* Deterministic: the same names, sizes and contents give the same commit on every machine. */
static void name_commit(struct commit *c)
{
    if (c->id[0])
        return;
    struct text all = { 0 };
    text_addf(&all, "commit %s\n", c->label ? c->label : "");
    for (size_t i = 0; i < c->count; i++)
        text_addf(&all, "%s %" PRIu64 " %s\n", c->entries[i].path, c->entries[i].size, c->entries[i].oid);
    sha1_hex(c->id, all.p, all.n);
    text_free(&all);
}

static void hash_all(struct content *all, const char *cache)
{
    size_t count = 0, at = 0;
    for (size_t r = 0; r < all->count; r++)
        for (size_t c = 0; c < all->repos[r].commit_count; c++)
            count += all->repos[r].commits[c].files;
    struct entry **files = must_alloc(count * sizeof(*files));
    for (size_t r = 0; r < all->count; r++)
        for (size_t c = 0; c < all->repos[r].commit_count; c++)
            for (size_t i = 0; i < all->repos[r].commits[c].count; i++)
                if (!all->repos[r].commits[c].entries[i].dir)
                    files[at++] = &all->repos[r].commits[c].entries[i];
    hashes_fill(files, count, cache);
    free(files);
    for (size_t r = 0; r < all->count; r++)
        for (size_t c = 0; c < all->repos[r].commit_count; c++)
            name_commit(&all->repos[r].commits[c]);
}

void content_load(struct content *out, const char *root, const char *hash_cache, uint64_t lfs_over_bytes)
{
    static const char *const types[] = { "models", "datasets", "spaces" };
    struct loader l = { .content = out, .lfs_over = lfs_over_bytes };
    *out = (struct content){ 0 };
    pthread_mutex_init(&out->lock, NULL);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct text disk = { 0 };
        text_addf(&disk, "%s/%s", root, types[i]);
        load_below(&l, types[i], disk.p, "");
        text_free(&disk);
    }
    if (!out->count)
        die("%s holds no models/, datasets/ or spaces/ with a repository in it", root);
    hash_all(out, hash_cache);
}
