/* trees/<commit>.json as any tool may have left it. Where the reader's window ends makes no difference, what it takes is
 * what a whole-document parser finds, and it survives being written and read again. */
#include "listing_checks.h"

static const struct store store = {
    .repo_dir = MEMORY_DIR, .receipts = MEMORY_DIR, .writable = true, .file_mode = 0644
};

static int read_bytes(struct listing **out, const void *data, size_t n, struct hfp_err *err)
{
    char name[TREES_NAME_MAX];
    trees_name(name, SOME_COMMIT);
    memory_put(name, data, n);
    int rc = trees_read(out, &store, SOME_COMMIT, err);
    if (rc) {
        must_be_told(rc, err);
        MUST(rc == HFP_E_CORRUPT, "any doubt is damage: the Hub is asked");
    }
    return rc;
}

/* Blanks before the document, so that its middle lies where one window ends and the next begins. */
static int read_padded(struct listing **out, const uint8_t *data, size_t n, struct hfp_err *err)
{
    size_t pad = n / 2 < TREES_WINDOW ? TREES_WINDOW - n / 2 : 0;
    AUTO_FREE uint8_t *padded = malloc(pad + n + 1);
    MUST(padded != NULL, "memory for the input");
    memset(padded, ' ', pad);
    if (n)
        memcpy(padded + pad, data, n);
    memory_short_reads(TREES_WINDOW / 2 + 1);
    int rc = read_bytes(out, padded, pad + n, err);
    memory_short_reads(0);
    return rc;
}

static void must_agree_with_cjson(const struct listing *l, const uint8_t *data, size_t n)
{
    AUTO(json_freep) struct cJSON *doc = NULL;
    if (json_parse(&doc, (const char *)data, n, NULL))
        return; /* members that the reader only skips may be no JSON at all */
    const struct cJSON *files = json_object(doc, "files");
    uint64_t version = 0, size_bytes = 0;
    MUST(json_u64(&version, doc, "format_version") && version == 1 && files, "only version 1 is taken");
    size_t count = 0;
    for (const struct cJSON *f = json_first(files); f; f = json_next(f), count++) {
        const struct listed_file *mine = listing_find(l, json_name(f));
        const char *key = json_has(f, "lfs_sha256") ? "lfs_size" : "size";
        MUST(mine && json_u64(&size_bytes, f, key) && size_bytes == mine->size_bytes, "each file with its size");
    }
    MUST(count == listing_count(l), "no file more");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hfp_err err = { 0 };
    memory_io_begin();
    {
        AUTO(listing_freep) struct listing *l = NULL;
        AUTO(listing_freep) struct listing *shifted = NULL;
        int rc = read_bytes(&l, data, size, &err);
        /* Not each refused one: windows are large, and the fuzzer shall be quick. */
        bool shift = !rc || size % 8 == 0;
        MUST(!shift || !read_padded(&shifted, data, size, &err) == !rc, "windows make no difference");
        if (!rc) {
            listing_must_hold(l);
            listings_must_equal(l, shifted);
            must_agree_with_cjson(l, data, size);
            listing_must_survive(l);
        }
    }
    memory_io_end();
    return 0;
}
