#include "base/json.h"
#include "cache/trees.h"

#include <errno.h>
#include <string.h>

#define SNIPPET_MAX (32u << 10)    /* one file; 4,095 control characters, the worst path, take 24 KiB in escapes */
#define TREES_BYTES_MAX (1u << 30) /* LISTING_FILES_MAX files at twice the usual 250 bytes */
#define SKIP_DEPTH_MAX 64u         /* one bit each in a uint64_t */

/* A scanner that knows just enough JSON to cut the file into pieces for cJSON. */
struct scan {
    int fd;
    uint64_t at;   /* file offset behind the window */
    size_t pos, n; /* in the window */
    size_t used;   /* of the snippet */
    struct hfp_err *err;
    char snippet[SNIPPET_MAX];
    char window[TREES_WINDOW];
};

static int corrupt(struct scan *s, const char *what)
{
    return err_set(s->err, HFP_E_CORRUPT, "%s near byte %llu", what, (unsigned long long)(s->at - s->n + s->pos));
}

/* The next byte as *c, not taken yet; -1 at the end of the file. */
static int peek(struct scan *s, int *c)
{
    *c = -1;
    if (s->pos == s->n) {
        if (s->at > TREES_BYTES_MAX) /* it grows under our eyes */
            return corrupt(s, "more than it was");
        int rc = io_pread_some(s->fd, s->window, TREES_WINDOW, s->at, &s->n, s->err);
        if (rc)
            return rc;
        s->at += s->n;
        s->pos = 0;
    }
    if (s->n > 0)
        *c = (unsigned char)s->window[s->pos];
    return HFP_OK;
}

static int skip_space(struct scan *s, int *c)
{
    int rc;
    while ((rc = peek(s, c)) == HFP_OK && (*c == ' ' || *c == '\t' || *c == '\r' || *c == '\n'))
        s->pos++;
    return rc;
}

static int expect(struct scan *s, char want)
{
    int c, rc = skip_space(s, &c);
    if (rc)
        return rc;
    if (c != want)
        return corrupt(s, c < 0 ? "it ends early" : "not the JSON it should be");
    s->pos++;
    return HFP_OK;
}

static int keep_byte(struct scan *s, char c)
{
    if (s->used == SNIPPET_MAX)
        return corrupt(s, "an entry of more than 32 KiB");
    s->snippet[s->used++] = c;
    return HFP_OK;
}

/* Moves the byte that was peeked at to the snippet, or only past it. */
static int take(struct scan *s, int c, bool keep)
{
    if (c < 0)
        return corrupt(s, "it ends early");
    s->pos++;
    return keep ? keep_byte(s, (char)c) : HFP_OK;
}

/* From one quote to the next that no backslash guards. */
static int take_string(struct scan *s, bool keep)
{
    bool guarded = true; /* the opening quote closes nothing */
    for (;;) {
        int c, rc = peek(s, &c);
        if (!rc)
            rc = take(s, c, keep);
        if (rc)
            return rc;
        if (c == '"' && !guarded)
            return HFP_OK;
        guarded = c == '\\' && !guarded;
    }
}

/* Brackets must pair by kind; what is between them cJSON judges, or nobody needs. */
static int take_nested(struct scan *s, bool keep)
{
    uint64_t kinds = 0;
    unsigned depth = 0;
    do {
        int c, rc = peek(s, &c);
        if (rc)
            return rc;
        bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';
        if (opens && depth == SKIP_DEPTH_MAX)
            return corrupt(s, "too deep a nesting");
        if (closes && (kinds & 1) != (c == '}'))
            return corrupt(s, "brackets that do not pair");
        kinds = opens ? kinds << 1 | (c == '{') : closes ? kinds >> 1 : kinds;
        depth = opens ? depth + 1 : closes ? depth - 1 : depth;
        rc = c == '"' ? take_string(s, keep) : take(s, c, keep);
        if (rc)
            return rc;
    } while (depth > 0);
    return HFP_OK;
}

static bool is_scalar_char(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '+' ||
           c == '.';
}

static int take_value(struct scan *s, bool keep)
{
    int c, rc = skip_space(s, &c);
    if (rc)
        return rc;
    if (c == '"')
        return take_string(s, keep);
    if (c == '{' || c == '[')
        return take_nested(s, keep);
    if (!is_scalar_char(c))
        return corrupt(s, c < 0 ? "it ends early" : "not the JSON it should be");
    while (rc == HFP_OK && is_scalar_char(c)) {
        rc = take(s, c, keep);
        if (!rc)
            rc = peek(s, &c);
    }
    return rc;
}

/* Begins a snippet with '{' and the key of the next member, and takes its colon. *more is false at the closing '}'. */
static int take_key(struct scan *s, bool first, bool *more)
{
    int c, rc = skip_space(s, &c);
    if (rc)
        return rc;
    *more = c != '}';
    if (!*more) {
        s->pos++;
        return HFP_OK;
    }
    rc = first ? HFP_OK : expect(s, ',');
    if (!rc)
        rc = skip_space(s, &c);
    if (!rc && c != '"')
        rc = corrupt(s, c < 0 ? "it ends early" : "not the JSON it should be");
    s->used = 0;
    if (!rc)
        rc = keep_byte(s, '{');
    if (!rc)
        rc = take_string(s, true);
    if (!rc)
        rc = keep_byte(s, ':');
    return rc ? rc : expect(s, ':');
}

/* Ends the snippet and has it read: an object with one member. */
static int snippet_parse(struct scan *s, struct cJSON **out)
{
    int rc = keep_byte(s, '}');
    return rc ? rc : json_parse(out, s->snippet, s->used, s->err);
}

static bool id_of(struct content_id *out, const struct cJSON *file, const char *key, enum digest_kind kind)
{
    const char *hex;
    struct content_id id;
    if (!json_text(&hex, file, key) || content_id_parse(&id, hex) || id.kind != kind)
        return false;
    *out = id;
    return true;
}

/* As strict as the Python reader where it is strict (xet_hash), and stricter where it believes (sizes, ids). */
static bool entry_read(struct listed_file *f, const struct cJSON *member)
{
    const char *hex;
    f->path = json_name(member);
    if (!json_u64(&f->size_bytes, member, "size") || !id_of(&f->id, member, "blob_id", DIGEST_GIT_SHA1))
        return false;
    memcpy(f->git_oid, f->id.bytes, sizeof f->git_oid);
    f->lfs = json_has(member, "lfs_sha256");
    if (f->lfs &&
        (!id_of(&f->id, member, "lfs_sha256", DIGEST_SHA256) || !json_u64(&f->size_bytes, member, "lfs_size")))
        return false;
    f->xet = json_has(member, "xet_hash");
    return !f->xet || (json_text(&hex, member, "xet_hash") && strlen(hex) == 64 && hex_decode(f->xet_hash, hex, 32));
}

static int read_files(struct scan *s, struct listing *l)
{
    bool more = true;
    int rc = expect(s, '{');
    for (bool first = true; !rc; first = false) {
        rc = take_key(s, first, &more);
        if (rc || !more)
            break;
        rc = take_value(s, true);
        AUTO(json_freep) struct cJSON *doc = NULL;
        if (!rc)
            rc = snippet_parse(s, &doc);
        struct listed_file f = { 0 };
        if (!rc && !entry_read(&f, json_first(doc)))
            rc = corrupt(s, "an entry that lacks something");
        if (!rc)
            rc = listing_add(l, &f, s->err);
    }
    return rc;
}

/* One member of the document. files may stand before format_version: then its entries are judged in good faith. */
static int read_member(struct scan *s, struct listing *l, bool *have_version, bool *have_files)
{
    size_t key_end = s->used;
    AUTO(json_freep) struct cJSON *doc = NULL;
    int rc = keep_byte(s, '0'); /* a value to stand in, so that cJSON can spell out the key */
    if (!rc)
        rc = snippet_parse(s, &doc);
    if (rc)
        return rc;
    bool is_version = strcmp(json_name(json_first(doc)), "format_version") == 0;
    bool is_files = strcmp(json_name(json_first(doc)), "files") == 0;
    if ((is_version && *have_version) || (is_files && *have_files))
        return corrupt(s, "a key that comes twice");
    *have_version |= is_version;
    *have_files |= is_files;
    if (is_files)
        return read_files(s, l);
    s->used = key_end;
    rc = take_value(s, is_version);
    if (rc || !is_version)
        return rc;
    json_freep(&doc);
    rc = snippet_parse(s, &doc);
    uint64_t version = 0;
    if (!rc && (!json_u64(&version, doc, "format_version") || version != TREES_FORMAT_VERSION))
        rc = corrupt(s, "a format version that is not 1");
    return rc;
}

static int read_document(struct scan *s, struct listing *l)
{
    bool have_version = false, have_files = false, more = true;
    int c, rc = expect(s, '{');
    for (bool first = true; !rc; first = false) {
        rc = take_key(s, first, &more);
        if (rc || !more)
            break;
        rc = read_member(s, l, &have_version, &have_files);
    }
    if (!rc)
        rc = skip_space(s, &c);
    if (!rc && c >= 0)
        rc = corrupt(s, "something behind its end");
    if (!rc && !(have_version && have_files))
        rc = corrupt(s, "no format_version or no files");
    return rc ? rc : listing_seal(l, s->err);
}

/* A file that cannot be opened or read is as good as a damaged one: the Hub knows the listing. */
static int open_trees(int *out, int dir, const char *name, struct hfp_err *err)
{
    struct stat st;
    AUTO(fd_closep) int fd = dir < 0 ? -1 : io_openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0 && (dir < 0 || errno == ENOENT || errno == ENOTDIR))
        return err_set(err, HFP_E_NO_FILE, "no listing is kept");
    if (fd < 0)
        return err_sys(err, HFP_E_CORRUPT, errno, "open");
    if (io->fstat(fd, &st) < 0)
        return err_sys(err, HFP_E_CORRUPT, errno, "stat");
    if (!S_ISREG(st.st_mode) || st.st_size > TREES_BYTES_MAX)
        return err_set(err, HFP_E_CORRUPT, "not a file of at most %u bytes", TREES_BYTES_MAX);
    *out = fd_steal(&fd);
    return HFP_OK;
}

static int read_below(struct listing **out, int dir, const char *commit, struct hfp_err *err)
{
    char name[TREES_NAME_MAX];
    trees_name(name, commit);
    AUTO(fd_closep) int fd = -1;
    AUTO(listing_freep) struct listing *l = NULL;
    int rc = open_trees(&fd, dir, name, err);
    AUTO_FREE struct scan *scan = rc ? NULL : malloc(sizeof *scan);
    if (!rc && !scan)
        rc = err_nomem(err);
    if (!rc)
        rc = listing_new(&l, err);
    if (!rc) {
        scan->fd = fd;
        scan->at = scan->pos = scan->n = scan->used = 0;
        scan->err = err;
        rc = read_document(scan, l);
    }
    if (rc) {
        if (rc != HFP_E_NO_FILE && rc != HFP_E_NOMEM)
            rc = err && io_damaged(err->sys_errno) ? HFP_E_IO : HFP_E_CORRUPT;
        err_wrap(err, "%s", name);
        if (err)
            err->code = rc;
        return rc;
    }
    *out = ptr_steal(&l);
    return HFP_OK;
}

int trees_read(struct listing **out, const struct store *s, const char *commit, struct hfp_err *err)
{
    return read_below(out, trees_dir(s), commit, err);
}

int trees_read_beside(struct listing **out, const struct store *s, const char *commit, struct hfp_err *err)
{
    return read_below(out, s->repo_dir, commit, err);
}
