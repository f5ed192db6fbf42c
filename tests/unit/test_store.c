/* Promises of cache/store and cache/place: the folders and names of the Python client, letter by letter (P7); nobody
 * else's files are touched; root leaves no root-owned files in another user's cache; what cannot be written can be read.
 * Seen red on purpose: CACHEDIR.TAG written over an existing one, the padding of the base64 name dropped, learn_owner
 * made to do nothing, a failed test link ignored, real files in snapshots not looked for, the refusal of
 * .cache/huggingface removed, made case-sensitive or too wide, EROFS and EACCES reported as errors, a link to a disk that is
 * not mounted taken for a cache that may not be written. */
#include "cache_fixture.h"

static const char tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
                          "# This file is a cache directory tag created by huggingface_hub.\n"
                          "# For information about cache directory tags, see:\n#\thttps://bford.info/cachedir/\n";

static bool file_is(const char *path, const char *text)
{
    char got[512];
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(got, 1, sizeof got - 1, f) : 0;
    got[n] = 0;
    if (f)
        fclose(f);
    return f && strcmp(got, text) == 0;
}

static bool owned_by(const char *path, uid_t uid)
{
    struct stat st;
    return lstat(path, &st) == 0 && st.st_uid == uid;
}

static void hub_layout(void)
{
    struct store *s = fx_store();
    CHECK(access(fx_path("hub/models--ns--name/blobs"), F_OK) == 0 &&
              access(fx_path("hub/.locks/models--ns--name"), F_OK) == 0 &&
              access(fx_path("hub/models--ns--name/.hf-pull"), F_OK) == 0,
          "the folders are made");
    CHECK(file_is(fx_path("hub/CACHEDIR.TAG"), tag) && sizeof tag - 1 == 191,
          "CACHEDIR.TAG is the client's, 191 bytes");
    CHECK(s->symlinks && s->writable && s->blobs >= 0, "links work here");
    CHECK_U64(fx_count(fx_path("hub/models--ns--name/.hf-pull"), "."), 2, "no test file stays");
    CHECK_STR(s->root_text, fx_path("hub"), "the root is named as given");
    store_free(s);
    fx_write(fx_path("hub/CACHEDIR.TAG"), "mine", 4);
    mode_t old = umask(077);
    s = fx_store();
    umask(old);
    CHECK(file_is(fx_path("hub/CACHEDIR.TAG"), "mine"), "an existing CACHEDIR.TAG is left alone");
    CHECK(s->file_mode == 0600, "the umask decides the mode of files");
    store_free(s);
    s = fx_store_with(NULL, true, true);
    CHECK(!s->symlinks, "links can be switched off");
    store_free(s);
}

static void looking_makes_nothing(void)
{
    struct store *s = fx_store_with(NULL, false, false);
    CHECK(s->hub == -1 && s->repo_dir == -1 && s->blobs == -1, "a missing cache is seen as missing");
    CHECK(access(fx_path("hub"), F_OK) != 0, "and not made");
    struct place *p = fx_place(s, 10, 1, "a/b");
    struct stat st;
    CHECK(io->fstatat(p->final_dir, p->final_name, &st, 0) < 0, "nothing is there");
    free(p);
    store_free(s);
    s = fx_store_with(fx_path("D"), false, false);
    CHECK(s->is_local && s->local == -1 && access(fx_path("D"), F_OK) != 0, "the same for a local folder");
    store_free(s);
    struct store_spec bad = { .type = HFP_MODEL, .repo = "../../x", .hub_cache = fx_path("hub"), .create = true };
    CHECK(store_open(&s, &bad, NULL) == HFP_E_ARG && access(fx_path("hub"), F_OK) != 0, "a hostile name makes nothing");
}

static void places(void)
{
    struct store *s = fx_store();
    struct place *p = fx_place(s, 10, 1, "sub dir/x");
    CHECK(p->final_dir == s->blobs && strcmp(p->final_name, p->etag) == 0 && place_is_blob(p),
          "content lies at blobs/<etag>");
    CHECK(p->part_dir == s->blobs && strcmp(p->part_base, p->etag) == 0, "its partials beside it");
    CHECK(p->lock_dir == s->locks && strncmp(p->lock_name, p->etag, 64) == 0 && strcmp(p->lock_name + 64, ".lock") == 0,
          "its lock where the Python client takes it");
    fault_install();
    CHECK(place_prepare(p, NULL) == HFP_OK && fault_all_calls() == 0, "a blob needs no folder made: no system call");
    io = &io_system;
    /* The Python client with HF_HUB_DISABLE_SYMLINKS left a real file. */
    mkdir(fx_path("hub/models--ns--name/snapshots"), 0777);
    mkdir(fx_path("hub/models--ns--name/snapshots/" COMMIT), 0777);
    fx_leave(fx_path("hub/models--ns--name/snapshots/" COMMIT "/y"), 10, 1);
    struct place *q = fx_place(s, 10, 1, "y");
    CHECK(q->final_dir == s->repo_dir && strcmp(q->final_name, "snapshots/" COMMIT "/y") == 0 && !place_is_blob(q),
          "a real file in a snapshot is where the content lies");
    free(q);
    fx_leave(fx_path(("hub/models--ns--name/blobs/x")), 10, 1);
    free(p);
    store_free(s);

    s = fx_store_with(NULL, true, true);
    p = fx_place(s, 10, 2, "a/b");
    CHECK(strcmp(p->final_name, "snapshots/" COMMIT "/a/b") == 0 && p->final_dir == s->repo_dir &&
              p->part_dir == s->blobs,
          "without links content goes to the snapshot, its partial to blobs");
    CHECK(place_prepare(p, NULL) == HFP_OK && access(fx_path("hub/models--ns--name/snapshots/" COMMIT "/a"), F_OK) == 0,
          "and its folders are made");
    char blob[128];
    snprintf(blob, sizeof blob, "hub/models--ns--name/blobs/%s", p->etag);
    fx_leave(fx_path(blob), 10, 2);
    free(p);
    p = fx_place(s, 10, 2, "a/b");
    CHECK(place_is_blob(p), "a blob that is there already is not fetched again");
    free(p);
    store_free(s);
}

static void no_links_here(void)
{
    fault_install();
    fault_always(FAULT_SYMLINK, EPERM);
    struct store *s = fx_store();
    CHECK(!s->symlinks && s->writable, "a file system that refuses the test link is used without links");
    store_free(s);
    fault_reset();
    fault_always(FAULT_SYMLINK, ENOSPC);
    s = fx_store();
    CHECK(s->symlinks, "a full disk says nothing about links");
    store_free(s);
    io = &io_system;
}

static void local_folder(void)
{
    struct store *s = fx_store_with(fx_path("D"), true, false);
    CHECK(file_is(fx_path("D/.cache/huggingface/.gitignore"), "*"), ".gitignore is one asterisk");
    CHECK(file_is(fx_path("D/.cache/huggingface/CACHEDIR.TAG"), tag), "CACHEDIR.TAG is there");
    CHECK(access(fx_path("hub"), F_OK) != 0, "the hub cache is not made");
    struct place *p = fx_place(s, 10, 1, "sub/model.bin");
    char base[128];
    snprintf(base, sizeof base, "mBG94Lz8EYH5gU8b5axgj2RF9Tk=.%s", p->etag);
    CHECK_STR(p->part_base, base, "partials carry the Python client's hash of the metadata name");
    CHECK_STR(p->part_folder, "download/sub", "in its folder");
    CHECK_STR(p->lock_name, "download/sub/model.bin.lock", "and its lock");
    CHECK_STR(p->final_name, "sub/model.bin", "the file lies where the user wants it");
    CHECK(p->final_dir == s->local && p->lock_dir == s->local_notes && !place_is_blob(p), "in the user's folder");
    CHECK(place_prepare(p, NULL) == HFP_OK && access(fx_path("D/sub"), F_OK) == 0 &&
              access(fx_path("D/.cache/huggingface/download/sub"), F_OK) == 0,
          "its folders are made");
    free(p);
    static const char *const hostile[] = { ".cache/huggingface/.hf-pull/x.receipt", ".cache/huggingface/x",
                                           ".Cache/HuggingFace/x" };
    for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
        p = fx_place(s, 10, 1, hostile[i]);
        CHECK(place_prepare(p, NULL) == HFP_E_PROTO, "a repository may not write %s", hostile[i]);
        free(p);
    }
    p = fx_place(s, 10, 1, ".cache/huggingface2/x");
    CHECK(place_prepare(p, NULL) == HFP_OK, "a neighbour's name is fine");
    free(p);
    store_free(s);
}

static void refused_writes(int errnum)
{
    struct store *s = fx_store();
    store_free(s);
    fault_install();
    fault_always(FAULT_CREATE, errnum);
    fault_always(FAULT_MKDIR, errnum);
    fault_always(FAULT_SYMLINK, errnum);
    s = fx_store();
    CHECK(!s->writable && s->blobs >= 0 && s->receipts >= 0, "%s: the cache is read, not written", strerror(errnum));
    store_free(s);
    fx_fresh("/tmp");
    s = fx_store();
    CHECK(!s->writable && s->hub == -1, "%s: nothing there and nothing made: no error", strerror(errnum));
    store_free(s);
    io = &io_system;
}

/* A cache on a disk that is not mounted: what is said must lead there. */
static void links_to_nowhere(void)
{
    static const struct {
        const char *link;
        bool local;
    } rows[] = { { "hub", false },
                 { "hub/models--ns--name", false },
                 { "hub/models--ns--name/blobs", false },
                 { "hub/models--ns--name/.hf-pull", false },
                 { "D", true } };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char hub[512], path[512];
        struct store *s = NULL;
        struct hfp_err err = { 0 };
        snprintf(path, sizeof path, "%s", fx_path(rows[i].link));
        if (io_mkdirs_told(AT_FDCWD, path, (size_t)(strrchr(path, '/') - path), NULL, NULL, NULL) ||
            symlink("/nowhere/at/all", path))
            exit(99);
        snprintf(hub, sizeof hub, "%s/hub", fx_root);
        struct store_spec spec = {
            .repo = "ns/name", .hub_cache = hub, .local_dir = rows[i].local ? fx_path("D") : NULL, .create = true
        };
        int rc = store_open(&s, &spec, &err);
        CHECK(rc == HFP_E_IO && strstr(err.message, "a link that leads nowhere"), "%s: %s", rows[i].link, err.message);
        store_free(s);
        fx_fresh("/tmp");
    }
}

static void other_users_cache(void)
{
    if (geteuid() != 0) {
        CHECK(true, "owner of new files # SKIP needs root");
        return;
    }
    mkdir(fx_path("home"), 0755);
    CHECK(chown(fx_path("home"), 4711, 4712) == 0, "a home of user 4711");
    struct store *s = NULL;
    char hub[512];
    snprintf(hub, sizeof hub, "%s/home/.cache/huggingface/hub", fx_root);
    struct store_spec spec = { .type = HFP_MODEL, .repo = "ns/name", .hub_cache = hub, .create = true };
    CHECK(store_open(&s, &spec, NULL) == HFP_OK && s->give_owner && s->owner_uid == 4711, "root sees whose it is");
    static const char *const made[] = { "home/.cache",
                                        "home/.cache/huggingface/hub",
                                        "home/.cache/huggingface/hub/.locks",
                                        "home/.cache/huggingface/hub/.locks/models--ns--name",
                                        "home/.cache/huggingface/hub/CACHEDIR.TAG",
                                        "home/.cache/huggingface/hub/models--ns--name/.hf-pull",
                                        "home/.cache/huggingface/hub/models--ns--name/blobs" };
    for (size_t i = 0; i < ARRAY_LEN(made); i++)
        CHECK(owned_by(fx_path(made[i]), 4711), "%s belongs to the user", made[i]);
    store_free(s);
    fx_fresh("/tmp");
    s = fx_store();
    CHECK(!s->give_owner, "in root's own cache nothing is given away");
    store_free(s);
}

int main(void)
{
    static const char *const bases[] = { "/tmp", "/dev/shm" };
    for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
        fx_fresh(bases[i]);
        hub_layout();
        fx_fresh(bases[i]);
        looking_makes_nothing();
        fx_fresh(bases[i]);
        places();
        fx_fresh(bases[i]);
        no_links_here();
        fx_fresh(bases[i]);
        local_folder();
    }
    fx_fresh("/tmp");
    refused_writes(EROFS);
    fx_fresh("/tmp");
    refused_writes(EACCES);
    fx_fresh("/tmp");
    other_users_cache();
    fx_fresh("/tmp");
    links_to_nowhere();
    fx_wipe();
    return tap_end();
}
