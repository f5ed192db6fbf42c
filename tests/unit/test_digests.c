/* Promises of cache/digests: what was recorded is read back; what is torn or foreign is a missing block or an error that
 * says so, never a wrong digest. Seen red on purpose: the header's sum not compared ("one bit"), the version not
 * compared, the suffix or the size not checked, half an entry taken whole, an existing file opened by create, zombies
 * counted as living, start time or pid space ignored. */
#include "cache/digests.h"
#include "cache_fixture.h"

#include <signal.h>

#define SIZE (UINT64_C(5) * BLOCK_BYTES + 7)

static struct digests_info sample(void)
{
    struct digests_info info = { .size_bytes = SIZE, .commit = COMMIT, .data_suffix = "0a1b2c3d", .adopted_blocks = 2 };
    info.id = fx_id(100, 1);
    digests_owner_self(&info.owner, NOW);
    return info;
}

static void round_trip(int dir)
{
    struct hfp_err err = { 0 };
    struct digests_info info = sample();
    struct digests *d = NULL;
    uint8_t a[BLAKE3_BYTES], got[6][BLAKE3_BYTES], bits[1] = { 0 };
    static const uint8_t zero[BLAKE3_BYTES];
    uint64_t count = 0;
    memset(a, 0xA5, sizeof a);
    CHECK(digests_create(&d, dir, "x.digests", &info, &err) == HFP_OK, "created");
    struct digests *second = NULL;
    CHECK(digests_create(&second, dir, "x.digests", &info, &err) == HFP_E_IO && !second, "never over another");
    CHECK(digests_set(d, 1, a, &err) == HFP_OK && digests_set(d, 5, a, &err) == HFP_OK &&
              digests_set(d, 3, a, &err) == HFP_OK && digests_set(d, 3, NULL, &err) == HFP_OK,
          "entries are set and cleared");
    digests_close(d);
    CHECK(digests_open(&d, dir, "x.digests", &err) == HFP_OK, "opened again");
    CHECK(memcmp(digests_info(d), &info, sizeof info) == 0, "the header reads back whole");
    CHECK(digests_proof(d)->proved_unix_s == 0, "and is no receipt");
    CHECK(digests_get(d, 0, 6, got, &err) == HFP_OK && !memcmp(got[1], a, 32) && !memcmp(got[5], a, 32) &&
              !memcmp(got[0], zero, 32) && !memcmp(got[3], zero, 32),
          "entries read back, absent ones are zero");
    CHECK(digests_count(d, bits, &count, &err) == HFP_OK && count == 2 && bits[0] == 0x22, "and are counted");
    CHECK(digests_is(d, dir, "x.digests") && !digests_is(d, dir, "y.digests"), "it knows its own file");
    struct digests_proof proof = { .proved_unix_s = 5,
                                   .size_bytes = SIZE,
                                   .inode = 7,
                                   .mtime_s = -1,
                                   .ctime_s = 9,
                                   .mtime_ns = 999999999,
                                   .ctime_ns = 1 };
    CHECK(digests_set_proof(d, &proof, &err) == HFP_OK, "proof is set");
    digests_close(d);
    digests_open(&d, dir, "x.digests", &err);
    CHECK(memcmp(digests_proof(d), &proof, sizeof proof) == 0 && !memcmp(digests_info(d), &info, sizeof info),
          "and reads back beside the rest");
    digests_close(d);
    /* The file as a kill in the middle of its last entry would leave it, were writes torn. */
    CHECK(truncate(fx_path("x.digests"), DIGESTS_HEADER_BYTES + 5 * 32 + 16) == 0, "cut");
    digests_open(&d, dir, "x.digests", &err);
    CHECK(digests_get(d, 4, 2, got, &err) == HFP_OK && !memcmp(got[1], zero, 32), "half an entry is a missing block");
    digests_close(d);
}

static void every_bit(void)
{
    uint8_t head[DIGESTS_HEADER_BYTES];
    struct digests_info info = sample(), got;
    struct digests_proof proof = { 0 }, got_proof;
    unsigned taken = 0;
    digests_encode(head, &info, &proof);
    CHECK(digests_decode(&got, &got_proof, head) == HFP_OK && !memcmp(&got, &info, sizeof got), "a header decodes");
    for (unsigned bit = 0; bit < 8 * sizeof head; bit++) {
        head[bit / 8] ^= (uint8_t)(1u << bit % 8);
        taken += digests_decode(&got, &got_proof, head) == HFP_OK;
        head[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    CHECK_U64(taken, 0, "one bit flipped anywhere in the header is seen");
    head[8] = 2;
    CHECK(digests_decode(&got, &got_proof, head) == HFP_E_VERSION, "an unknown version is told apart");
}

/* Fields that no honest writer makes, with a right sum. */
static void hostile_header(void)
{
    static const struct {
        const char *name;
        unsigned at;
        uint8_t value;
    } rows[] = {
        { "a size beyond 16 TiB", 22, 0xff },
        { "more adopted blocks than blocks", 30, 1 },
        { "an unknown hash", 12, 2 },
        { "a suffix that is a path", 112, '/' },
        { "a commit that is none", 64, '/' },
        { "a host without an end", 223, 'x' },
        { "a header of another length", 11, 4 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t head[DIGESTS_HEADER_BYTES];
        struct digests_info info = sample(), got;
        struct digests_proof proof = { 0 };
        memset(info.owner.host, 'h', 63);
        digests_encode(head, &info, &proof);
        head[rows[i].at] = rows[i].value;
        blake3_of(head + 480, head, 480);
        CHECK(digests_decode(&got, &proof, head) == HFP_E_CORRUPT, "%s is damage", rows[i].name);
    }
}

/* The worked example of docs/formats/digests.md. */
static void example(void)
{
    static const char head_hex[] = "4846504449475354"
                                   "0100"
                                   "0002"
                                   "00000000"
                                   "0700500000000000"
                                   "0200000000000000";
    uint8_t head[DIGESTS_HEADER_BYTES], want[32];
    struct digests_info info = { .size_bytes = SIZE,
                                 .commit = COMMIT,
                                 .data_suffix = "0a1b2c3d",
                                 .adopted_blocks = 2,
                                 .owner = { .host = "box",
                                            .boot_id = "4a9f5e4c-0000-4000-8000-000000000001",
                                            .pid = 4711,
                                            .start_ticks = 123456,
                                            .pid_space = UINT64_C(4026531836),
                                            .heartbeat_unix_s = NOW } };
    struct digests_proof proof = { 0 };
    char sum[65];
    content_id_parse(&info.id, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    digests_encode(head, &info, &proof);
    CHECK(hex_decode(want, head_hex, 32) && memcmp(head, want, 32) == 0, "the documented example starts as documented");
    hex_encode(sum, head + 480, 32);
    CHECK_STR(sum, "f6f816882dffee78353ffe515d16a8dc994fc80217b4982bde9a45f27334d3cd",
              "and ends with the documented sum");
}

static void owners(void)
{
    struct digests_owner self, o;
    digests_owner_self(&self, NOW);
    CHECK(digests_owner_alive(&self, NOW + 100000),
          "ourselves: alive, whatever the heartbeat (a second job sees the first)");
    o = self, o.start_ticks++;
    CHECK(!digests_owner_alive(&o, NOW), "our pid with another start time: a reused number, dead");
    o = self, o.pid = 0;
    CHECK(!digests_owner_alive(&o, NOW), "nobody: dead");
    o = self, strcpy(o.host, "elsewhere");
    CHECK(digests_owner_alive(&o, NOW + 119), "another host, heartbeat 119 s old: alive");
    CHECK(!digests_owner_alive(&o, NOW + 120), "another host, heartbeat 120 s old: dead");
    CHECK(!digests_owner_alive(&o, NOW - 500), "a heartbeat from the far future: dead");
    o.heartbeat_unix_s = INT64_MIN;
    CHECK(!digests_owner_alive(&o, NOW), "an absurd heartbeat: dead");
    o = self, o.pid_space++, o.start_ticks++;
    CHECK(digests_owner_alive(&o, NOW + 1), "another container of this host: its pids say nothing, its heartbeat does");

    int pipes[2];
    if (pipe(pipes))
        return;
    pid_t child = fork();
    if (child == 0) {
        digests_owner_self(&o, NOW);
        _exit(write(pipes[1], &o, sizeof o) == sizeof o ? pause() : 1);
    }
    CHECK(read(pipes[0], &o, sizeof o) == sizeof o && digests_owner_alive(&o, NOW), "a living child: alive");
    kill(child, SIGKILL);
    siginfo_t info;
    waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
    CHECK(!digests_owner_alive(&o, NOW), "killed and not yet reaped: dead");
    waitpid(child, NULL, 0);
    CHECK(!digests_owner_alive(&o, NOW), "reaped: dead");
}

int main(void)
{
    static const char *const bases[] = { "/tmp", "/dev/shm" };
    for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
        fx_fresh(bases[i]);
        int dir = open(fx_root, O_RDONLY | O_DIRECTORY);
        round_trip(dir);
        struct digests *d = NULL;
        CHECK(digests_open(&d, dir, "none", NULL) == HFP_E_NO_FILE, "an absent file is told apart");
        fx_write(fx_path("empty"), "", 0);
        CHECK(digests_open(&d, dir, "empty", NULL) == HFP_E_CORRUPT, "an empty file is damage");
        CHECK(symlink("x.digests", fx_path("link")) == 0 && digests_open(&d, dir, "link", NULL) == HFP_E_IO,
              "a link is never followed");
        close(dir);
    }
    every_bit();
    hostile_header();
    example();
    owners();
    fx_wipe();
    return tap_end();
}
