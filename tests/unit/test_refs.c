/* Promises of cache/refs: a ref is 40 hex and nothing else, moved whole or not at all, and no stray file ever lies below
 * refs/. Seen red on purpose: a newline written after the commit, the temporary file made below refs/ (kills), the
 * length check of read_at removed, the ref renamed elsewhere, the check of writable removed, the refs of --local-dir
 * written to the hub cache. */
#include "cache/refs.h"
#include "cache_fixture.h"

#define OTHER "ffffffffffffffffffffffffffffffffffffffff"

static void writes_and_reads(void)
{
    struct store *s = fx_store();
    struct hfp_err err = { 0 };
    char got[COMMIT_HEX + 1] = "";
    struct stat st;
    int64_t when = 0;
    CHECK(ref_read(got, NULL, s, "main", &err) == HFP_E_NO_REVISION, "an absent ref is no revision");
    CHECK(ref_write(s, "main", COMMIT, &err) == HFP_OK, "a ref is written");
    CHECK(stat(fx_path("hub/models--ns--name/refs/main"), &st) == 0 && st.st_size == 40, "it has 40 bytes, no newline");
    CHECK(ref_read(got, &when, s, "main", &err) == HFP_OK && strcmp(got, COMMIT) == 0 && when == st.st_mtim.tv_sec,
          "it reads back, with its age");
    CHECK(ref_write(s, "refs/pr/1", OTHER, &err) == HFP_OK &&
              stat(fx_path("hub/models--ns--name/refs/refs/pr/1"), &st) == 0,
          "refs/pr/1 lies at refs/refs/pr/1");
    CHECK(ref_write(s, "main", OTHER, &err) == HFP_OK && ref_read(got, NULL, s, "main", &err) == HFP_OK &&
              strcmp(got, OTHER) == 0,
          "a ref moves");
    CHECK_U64(fx_count(fx_path("hub/models--ns--name/refs"), "") - 2, 2, "nothing else lies below refs/");
    CHECK(ref_write(s, "../../x", COMMIT, &err) == HFP_E_ARG, "a revision that climbs is refused");
    CHECK(ref_write(s, "main", "abc", &err) == HFP_E_ARG, "what is no commit is refused");
    struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
    utimensat(AT_FDCWD, fx_path("hub/models--ns--name/refs/main"), old, 0);
    fault_install();
    CHECK(ref_write(s, "main", OTHER, &err) == HFP_OK && ref_read(got, &when, s, "main", &err) == HFP_OK &&
              when > 1000 && fault_calls(FAULT_FSYNC) == 0,
          "the same commit again only renews the age");
    io = &io_system;
    store_free(s);
}

static void damage(void)
{
    static const struct {
        const char *name;
        const char *text;
    } rows[] = {
        { "with a newline", COMMIT "\n" },
        { "empty", "" },
        { "cut short", "0123456789" },
        { "in upper case", "0123456789ABCDEF0123456789ABCDEF01234567" },
        { "too long", COMMIT COMMIT COMMIT COMMIT COMMIT COMMIT COMMIT },
    };
    struct store *s = fx_store();
    struct hfp_err err;
    char got[COMMIT_HEX + 1];
    ref_write(s, "main", COMMIT, &err);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        fx_write(fx_path("hub/models--ns--name/refs/main"), rows[i].text, strlen(rows[i].text));
        CHECK(ref_read(got, NULL, s, "main", &err) == HFP_E_NO_REVISION, "a ref %s is no revision", rows[i].name);
    }
    static const char lost[40];
    fx_write(fx_path("hub/models--ns--name/refs/main"), lost, sizeof lost);
    CHECK(ref_read(got, NULL, s, "main", &err) == HFP_E_NO_REVISION, "a ref of zeros (a lost write) is no revision");
    CHECK(ref_write(s, "main", COMMIT, &err) == HFP_OK && ref_read(got, NULL, s, "main", &err) == HFP_OK,
          "and is replaced by the next pull");
    store_free(s);
}

static void faults(void)
{
    static const enum fault_kind kinds[] = { FAULT_CREATE, FAULT_WRITE, FAULT_FSYNC, FAULT_RENAME };
    struct hfp_err err;
    char got[COMMIT_HEX + 1];
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        fx_fresh("/tmp");
        struct store *s = fx_store();
        ref_write(s, "main", COMMIT, &err);
        fault_install();
        fault_arm(kinds[k], 1, ENOSPC);
        int rc = ref_write(s, "main", OTHER, &err);
        CHECK(rc == HFP_E_NO_SPACE && ref_read(got, NULL, s, "main", &err) == HFP_OK && strcmp(got, COMMIT) == 0,
              "fault %zu: said, and the old ref stands", k);
        CHECK(ref_write(s, "main", OTHER, &err) == HFP_OK, "and the next try moves it");
        io = &io_system;
        store_free(s);
    }
}

/* Kill -9 before every changing call: the old ref or the new one, whole, and no stray file that would count as a ref. */
static void kills(void)
{
    unsigned torn = 0, stray = 0, at = 1;
    int status = -1;
    for (; status != 0 && at < 50; at++) {
        fx_fresh("/dev/shm");
        struct store *s = fx_store();
        char got[COMMIT_HEX + 1] = "";
        ref_write(s, "main", COMMIT, NULL);
        pid_t child = fork();
        if (child == 0) {
            fault_install();
            fault_kill_at(at);
            _exit(ref_write(s, "main", OTHER, NULL));
        }
        waitpid(child, &status, 0);
        torn += ref_read(got, NULL, s, "main", NULL) != HFP_OK || (strcmp(got, COMMIT) != 0 && strcmp(got, OTHER) != 0);
        stray += fx_count(fx_path("hub/models--ns--name/refs"), "") != 3; /* ".", "..", "main" */
        store_free(s);
    }
    CHECK(at > 4 && status == 0, "killed at %u places", at - 2);
    CHECK_U64(torn, 0, "the ref is the old one or the new one");
    CHECK_U64(stray, 0, "nothing else ever lies below refs/");
}

static void local_folder(void)
{
    struct store *s = fx_store_with(fx_path("D"), true, false);
    struct hfp_err err;
    char got[COMMIT_HEX + 1];
    CHECK(ref_write(s, "main", COMMIT, &err) == HFP_OK && ref_read(got, NULL, s, "main", &err) == HFP_OK,
          "--local-dir keeps its refs");
    CHECK(access(fx_path("hub/models--ns--name"), F_OK) != 0,
          "and makes no repository without a snapshot in the hub cache");
    store_free(s);
}

int main(void)
{
    static const char *const bases[] = { "/tmp", "/dev/shm" };
    for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
        fx_fresh(bases[i]);
        writes_and_reads();
        fx_fresh(bases[i]);
        damage();
        fx_fresh(bases[i]);
        local_folder();
    }
    faults();
    kills();
    fx_fresh("/tmp");
    struct store *s = fx_store();
    s->writable = false;
    CHECK(ref_write(s, "main", COMMIT, NULL) == HFP_OK && access(fx_path("hub/models--ns--name/refs/main"), F_OK) != 0,
          "a cache that is only read gets no ref and no error");
    store_free(s);
    fx_wipe();
    return tap_end();
}
