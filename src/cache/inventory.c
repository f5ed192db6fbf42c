/* What the hub cache holds as a whole: hfp_cache_list() and hfp_cache_next_to_go() of hfp.h. Repositories, revisions,
 * content counted once by device and inode, trust by receipts. Reads only. */
#include "cache/receipt.h"
#include "cache/snapshots.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPOS_MAX 100000    /* a hub folder with more is something else */
#define REVISIONS_MAX 10000 /* of one repository */

/* One content as one revision sees it. Sorted by file, then repository, then revision: what is counted once stands
 * together. */
struct use {
    uint64_t dev, ino, size_bytes;
    uint32_t repo, revision;
    bool own; /* deleting the repository's blob frees it: no link into a store that repositories share */
};

struct inventory {
    struct hfp_cache *cache;
    struct use *use;
    size_t uses, room;
    uint32_t repo, revision; /* being walked */
    const struct store *store;
};

const char *hfp_trust_text(enum hfp_trust trust)
{
    static const char *const words[] = {
        [HFP_TRUST_PROVED] = "proved", [HFP_TRUST_UNPROVED] = "unproved", [HFP_TRUST_DAMAGED] = "damaged"
    };
    return (size_t)trust < sizeof words / sizeof *words ? words[trust] : "unknown";
}

static void drop_revisions(struct hfp_cached_repo *r)
{
    for (size_t k = 0; k < r->revisions; k++) {
        for (char **ref = r->revision[k].refs; ref && *ref; ref++)
            free(*ref);
        free(r->revision[k].refs);
    }
    free(r->revision);
    r->revision = NULL;
    r->revisions = 0;
}

void hfp_cache_free(struct hfp_cache *c)
{
    for (size_t i = 0; c && i < c->repos; i++)
        drop_revisions(&c->repo[i]);
    if (c)
        free(c->repo);
    free(c);
}

static void cache_freep(struct hfp_cache **c)
{
    hfp_cache_free(*c);
}

static struct hfp_cached_revision *revision_of(const struct inventory *v)
{
    return &v->cache->repo[v->repo].revision[v->revision];
}

/* A file whose times alone have changed may be right: only reading it would tell. */
static enum hfp_trust trust_of(const struct inventory *v, const struct snapshot_file *f)
{
    struct receipt_look look;
    struct content_id id;
    AUTO_FREE struct place *p = NULL;
    if (!f->there)
        return HFP_TRUST_DAMAGED;
    if (!f->in_blobs || content_id_parse(&id, f->etag) || !(p = calloc(1, sizeof *p)))
        return HFP_TRUST_UNPROVED;
    place_of(p, v->store, &id, (uint64_t)f->st.st_size, NULL, NULL);
    if (receipt_look(&look, p, NULL) == HFP_OK && look.verdict == RECEIPT_HOLDS)
        return HFP_TRUST_PROVED;
    return look.other_length ? HFP_TRUST_DAMAGED : HFP_TRUST_UNPROVED;
}

static bool is_own(const struct inventory *v, const struct snapshot_file *f)
{
    struct stat st;
    return !f->in_blobs ||
           (io->fstatat(v->store->blobs, f->etag, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode));
}

static int add_file(void *ctx, const struct snapshot_file *f, struct hfp_err *err)
{
    struct inventory *v = ctx;
    struct hfp_cached_revision *r = revision_of(v);
    enum hfp_trust trust = trust_of(v, f);
    r->files++;
    r->trust = MAX(r->trust, trust);
    if (!f->there)
        return HFP_OK;
    if (v->uses == v->room) {
        size_t room = v->room ? v->room * 2 : 1024;
        struct use *more = realloc(v->use, room * sizeof *more);
        if (!more)
            return err_nomem(err);
        v->use = more;
        v->room = room;
    }
    v->use[v->uses++] = (struct use){ .dev = (uint64_t)f->st.st_dev,
                                      .ino = (uint64_t)f->st.st_ino,
                                      .size_bytes = (uint64_t)f->st.st_size,
                                      .repo = v->repo,
                                      .revision = v->revision,
                                      .own = is_own(v, f) };
    r->used_unix_s = MAX(r->used_unix_s, MAX((int64_t)f->st.st_atim.tv_sec, (int64_t)f->st.st_mtim.tv_sec));
    return HFP_OK;
}

static int add_ref(void *ctx, const char *name, struct hfp_err *err)
{
    struct hfp_cached_revision *r = revision_of(ctx);
    size_t n = 0;
    while (r->refs && r->refs[n])
        n++;
    char **refs = realloc(r->refs, (n + 2) * sizeof *refs);
    if (!refs)
        return err_nomem(err);
    r->refs = refs;
    refs[n] = strdup(name);
    refs[n + 1] = NULL;
    return refs[n] ? HFP_OK : err_nomem(err);
}

static int add_commit(void *ctx, const char *commit, struct hfp_err *err)
{
    struct inventory *v = ctx;
    struct hfp_cached_repo *repo = &v->cache->repo[v->repo];
    char folder[16 + COMMIT_HEX];
    struct stat st;
    if (repo->revisions == REVISIONS_MAX)
        return err_set(err, HFP_E_CORRUPT, "%s has more than %d revisions", repo->repo, REVISIONS_MAX);
    struct hfp_cached_revision *more = realloc(repo->revision, (repo->revisions + 1) * sizeof *more);
    if (!more)
        return err_nomem(err);
    repo->revision = more;
    v->revision = (uint32_t)repo->revisions++;
    struct hfp_cached_revision *r = revision_of(v);
    *r = (struct hfp_cached_revision){ .trust = HFP_TRUST_PROVED };
    memcpy(r->commit, commit, COMMIT_HEX + 1);
    if (!(r->refs = calloc(1, sizeof *r->refs)))
        return err_nomem(err);
    snprintf(folder, sizeof folder, "snapshots/%s", commit);
    if (io->fstatat(v->store->repo_dir, folder, &st, AT_SYMLINK_NOFOLLOW) == 0)
        r->pulled_unix_s = (int64_t)st.st_mtim.tv_sec;
    int rc = snapshot_walk(v->store, folder, add_file, v, err);
    if (!rc)
        rc = snapshot_refs(v->store, commit, add_ref, v, err);
    r->used_unix_s = r->used_unix_s ? r->used_unix_s : r->pulled_unix_s;
    repo->used_unix_s = MAX(repo->used_unix_s, r->used_unix_s);
    return rc;
}

/* "models--ns--name" back to what it stands for. A name of the Hub has no "--", so this is the only reading. */
static bool parse_folder(enum hfp_repo_type *type, char repo[REPO_ID_MAX], const char *folder)
{
    static const struct {
        const char *prefix;
        enum hfp_repo_type type;
    } kinds[] = { { "models--", HFP_MODEL }, { "datasets--", HFP_DATASET }, { "spaces--", HFP_SPACE } };
    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
        size_t n = strlen(kinds[i].prefix);
        if (strncmp(folder, kinds[i].prefix, n) != 0 || strlen(folder + n) >= REPO_ID_MAX)
            continue;
        snprintf(repo, REPO_ID_MAX, "%s", folder + n);
        char *dash = strstr(repo, "--");
        if (dash) {
            *dash = '/';
            memmove(dash + 1, dash + 2, strlen(dash + 2) + 1);
        }
        *type = kinds[i].type;
        return name_check_repo(repo, NULL) == HFP_OK;
    }
    return false;
}

/* In a cache that several users share, one of them may have closed a folder of his: the rest is listed all the same. */
static int close_repo(struct inventory *v, size_t uses_before)
{
    struct hfp_cached_repo *repo = &v->cache->repo[v->repo];
    drop_revisions(repo);
    repo->used_unix_s = 0;
    repo->closed = true;
    v->uses = uses_before;
    return HFP_OK;
}

static int read_repo(struct inventory *v, const char *hub_cache, struct hfp_err *err)
{
    const struct hfp_cached_repo *repo = &v->cache->repo[v->repo];
    struct store_spec spec = { .type = repo->type, .repo = repo->repo, .hub_cache = hub_cache };
    AUTO(store_freep) struct store *s = NULL;
    int rc = store_open(&s, &spec, err);
    v->store = s;
    if (!rc && s->repo_dir < 0)
        v->cache->repos--; /* it is gone meanwhile */
    else if (!rc)
        rc = snapshot_commits(s, add_commit, v, err);
    v->store = NULL;
    return rc;
}

static int add_repo(struct inventory *v, const char *hub_cache, const char *folder, struct hfp_err *err)
{
    struct hfp_cache *c = v->cache;
    struct hfp_cached_repo repo = { 0 };
    struct hfp_err why = { 0 };
    size_t uses_before = v->uses;
    if (!parse_folder(&repo.type, repo.repo, folder))
        return HFP_OK;
    if (c->repos == REPOS_MAX)
        return err_set(err, HFP_E_CORRUPT, "%s has more than %d repositories", hub_cache, REPOS_MAX);
    struct hfp_cached_repo *more = realloc(c->repo, (c->repos + 1) * sizeof *more);
    if (!more)
        return err_nomem(err);
    c->repo = more;
    v->repo = (uint32_t)c->repos;
    c->repo[c->repos++] = repo;
    int rc = read_repo(v, hub_cache, &why);
    if (rc && (why.sys_errno == EACCES || why.sys_errno == EPERM))
        return close_repo(v, uses_before);
    if (rc && err)
        *err = why;
    return rc ? err_wrap(err, "%s", repo.repo) : HFP_OK;
}

static int by_use(const void *a, const void *b)
{
    const struct use *x = a, *y = b;
    if (x->dev != y->dev)
        return x->dev < y->dev ? -1 : 1;
    if (x->ino != y->ino)
        return x->ino < y->ino ? -1 : 1;
    if (x->repo != y->repo)
        return x->repo < y->repo ? -1 : 1;
    return x->revision < y->revision ? -1 : x->revision > y->revision;
}

static void count(struct inventory *v)
{
    struct hfp_cache *c = v->cache;
    if (v->uses)
        qsort(v->use, v->uses, sizeof *v->use, by_use);
    for (size_t i = 0, end; i < v->uses; i = end) {
        const struct use *first = &v->use[i];
        bool one = true; /* one revision alone uses it, and its own blob is the content */
        for (end = i; end < v->uses && v->use[end].dev == first->dev && v->use[end].ino == first->ino; end++) {
            const struct use *u = &v->use[end], *before = end > i ? u - 1 : NULL;
            bool new_repo = !before || before->repo != u->repo,
                 new_revision = new_repo || before->revision != u->revision;
            c->repo[u->repo].size_bytes += new_repo ? u->size_bytes : 0;
            c->repo[u->repo].revision[u->revision].size_bytes += new_revision ? u->size_bytes : 0;
            one = one && u->own && (end == i || !new_revision);
        }
        c->total_bytes += first->size_bytes;
        if (one)
            c->repo[first->repo].revision[first->revision].freed_bytes += first->size_bytes;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
    char **name;
    size_t n;
};

static void names_done(struct names *n)
{
    for (size_t i = 0; i < n->n; i++)
        free(n->name[i]);
    free(n->name);
}

static int read_names(struct names *out, int hub, struct hfp_err *err)
{
    AUTO(dir_closep) DIR *list = io_list(hub, ".");
    if (!list)
        return err_sys(err, HFP_E_IO, errno, "read the hub folder");
    int rc = HFP_OK;
    for (struct dirent *e; (e = io_readdir(list, &rc, err, "the hub folder"));) {
        struct stat st;
        if (!strstr(e->d_name, "--") || out->n > REPOS_MAX || io->fstatat(hub, e->d_name, &st, 0) < 0 ||
            !S_ISDIR(st.st_mode))
            continue;
        char **more = realloc(out->name, (out->n + 1) * sizeof *more);
        if (!more)
            return err_nomem(err);
        out->name = more;
        if (!(more[out->n] = strdup(e->d_name)))
            return err_nomem(err);
        out->n++;
    }
    if (out->n)
        qsort(out->name, out->n, sizeof *out->name, by_name);
    return rc;
}

static int list_all(struct inventory *v, const char *hub_cache, int hub, struct hfp_err *err)
{
    AUTO(names_done) struct names names = { 0 };
    struct statvfs fs;
    int rc = read_names(&names, hub, err);
    for (size_t i = 0; !rc && i < names.n; i++)
        rc = add_repo(v, hub_cache, names.name[i], err);
    if (!rc && io->fstatvfs(hub, &fs) == 0)
        v->cache->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (!rc)
        count(v);
    return rc;
}

int hfp_cache_list(struct hfp_cache **out, const char *hub_cache, struct hfp_err *err)
{
    if (!out || !hub_cache)
        return err_set(err, HFP_E_ARG, "which hub folder?");
    AUTO(cache_freep) struct hfp_cache *c = calloc(1, sizeof *c);
    if (!c)
        return err_nomem(err);
    struct inventory v = { .cache = c };
    AUTO(fd_closep) int hub = io_openat(AT_FDCWD, hub_cache, O_RDONLY | O_DIRECTORY, 0);
    if (hub < 0 && errno != ENOENT)
        return err_sys(err, HFP_E_IO, errno, "open %s", hub_cache);
    int rc = hub < 0 ? HFP_OK : list_all(&v, hub_cache, hub, err);
    free(v.use);
    if (!rc)
        *out = ptr_steal(&c);
    return rc;
}

bool hfp_cache_next_to_go(size_t *repo, size_t *revision, const struct hfp_cache *c, uint64_t quota_bytes,
                          bool (*keep)(void *ctx, const struct hfp_cached_repo *r, const struct hfp_cached_revision *v),
                          void *ctx)
{
    const struct hfp_cached_revision *best = NULL;
    for (size_t i = 0; c->total_bytes > quota_bytes && i < c->repos; i++) {
        for (size_t k = 0; k < c->repo[i].revisions; k++) {
            const struct hfp_cached_revision *v = &c->repo[i].revision[k];
            if (keep && keep(ctx, &c->repo[i], v))
                continue;
            bool older = !best || v->used_unix_s < best->used_unix_s;
            bool equal = best && v->used_unix_s == best->used_unix_s;
            bool less_named = equal && !v->refs[0] && best->refs[0];
            bool as_named = equal && !v->refs[0] == !best->refs[0];
            if (!older && !less_named && !(as_named && v->pulled_unix_s < best->pulled_unix_s))
                continue;
            best = v;
            *repo = i;
            *revision = k;
        }
    }
    return best != NULL;
}
