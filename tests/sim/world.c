#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define XET_ONE_IN 8 /* worlds with files in the Xet store: one in so many for each way of using it */
#define SHARES_ONE_IN 16
#define SHARES_AT 7             /* of these 16: the number that leaves the worlds of regressions.txt as they are */
#define SHARES_LARGE_BLOCKS 160 /* a file of more than one slice */
#define SHARES_RATE (UINT64_C(1) << 16) /* at least: what is slower is hedged, or goes over to HTTP */

const char *const repo_names[SIM_REPOS] = { "one", "two" };

const char *const sim_fault_names[] = {
#define X(name, one_in, most) #name,
    SIM_FAULTS(X)
#undef X
};
const unsigned sim_fault_count = ARRAY_LEN(sim_fault_names);

unsigned *fault_at(struct sim_faults *f, unsigned number)
{
    unsigned *const all[] = {
#define X(name, one_in, most) &f->name,
        SIM_FAULTS(X)
#undef X
    };
    return all[number];
}

/* ---- contents and what lists them ---- */

static void fill(uint8_t *out, uint64_t n, uint64_t seed)
{
    for (uint64_t i = 0; i < n; i += 8) {
        uint64_t word = random_next(&seed);
        memcpy(out + i, &word, 8);
    }
}

static uint64_t some_size(bool large)
{
    if (sim->shares && sim_random(12) == 0)
        return BLOCK_BYTES * (4 + sim_random(SHARES_LARGE_BLOCKS)) + sim_random(BLOCK_BYTES);
    switch (sim_random(6)) {
    case 0:
        return 1 + sim_random(200);
    case 1:
        return 1 + sim_random(BLOCK_BYTES);
    case 2: /* around block borders */
        return BLOCK_BYTES * (1 + sim_random(6)) + sim_random(3) - 1;
    case 3:
        return sim_random(20) == 0 ? 0 : BLOCK_BYTES + sim_random(3 * BLOCK_BYTES);
    default: /* most worlds are small: what goes wrong goes wrong with few blocks too */
        return sim_random((large ? 40 : 12) * BLOCK_BYTES) + 2;
    }
}

static void make_file(struct sim_file *f, unsigned i, bool large)
{
    struct hfp_err err;
    struct digest *d = NULL;
    f->size_bytes = some_size(large);
    f->lfs = f->size_bytes > BLOCK_BYTES || sim_random(2) == 0;
    if (sim->switches.blocks)
        f->size_bytes = MIN(f->size_bytes, sim->switches.blocks * BLOCK_BYTES);
    f->content = malloc((size_t)f->size_bytes + 8);
    fill(f->content, f->size_bytes, sim->seed * 1000 + i);
    if (sim->faults.xet && f->lfs && f->size_bytes > 0 && sim_random(5) > 0)
        xorbs_add(f, i);
    digest_new(&d, f->lfs ? DIGEST_SHA256 : DIGEST_GIT_SHA1, f->size_bytes, &err);
    digest_add(d, f->content, (size_t)f->size_bytes, &err);
    digest_end(d, &f->id, &err);
    digest_free(d);
    content_id_hex(f->etag, &f->id);
    for (unsigned r = 0; r < SIM_REPOS; r++) {
        f->recorded[r] = calloc(1, (size_t)blocks_of(f->size_bytes) + 1);
        f->taken_to[r] = calloc((size_t)blocks_of(f->size_bytes) + 1, sizeof **f->taken_to);
    }
}

static void add_entry(struct sim_tree *t, unsigned i, struct sim_file *f)
{
    snprintf(t->entry[t->n].path, sizeof t->entry[0].path,
             i % 3 == 1   ? "sub/f%02u.bin"
             : i % 5 == 4 ? "model-%05u.safetensors"
                          : "f%02u.json",
             i);
    t->entry[t->n++].file = f;
}

/* The first lists everything. The others overlap with it: some of the contents, some under the path of another. */
static void make_tree(struct sim_tree *t, unsigned number)
{
    t->repo = number == 0 ? 0 : (unsigned)sim_random(SIM_REPOS);
    snprintf(t->revision, sizeof t->revision, "%s", number == 0 ? "main" : number == 1 ? "dev" : "v2");
    snprintf(t->commit, sizeof t->commit, "%040llx", (unsigned long long)(sim->seed * 8 + number + 1));
    for (unsigned i = 0; i < sim->files; i++) {
        bool twin = i > 2 && sim_random(8) == 0; /* two paths of one content */
        bool takes = number == 0 || i == 0 || sim_random(2) == 0, moved = number > 0 && sim_random(4) == 0;
        if (takes)
            add_entry(t, i, &sim->file[twin ? 1 : moved ? sim_random(sim->files) : i]);
    }
}

/* ---- faults ---- */

static unsigned some(unsigned one_in, unsigned most)
{
    if (one_in == 0)
        return 0;
    uint64_t coin = sim_random(one_in), value = sim_random(most); /* both drawn: a switch moves nothing else */
    return coin == 0 ? 1 + (unsigned)value : 0;
}

static bool is_trouble(struct sim_faults *f, unsigned number)
{
    return fault_at(f, number) != &f->others && fault_at(f, number) != &f->xet;
}

/* Nothing that is a reason to fetch a chunk again, but kills, behind which the judge knows what was recorded. */
static void only_what_shares_allows(struct sim_faults *f)
{
    struct sim_faults was = *f;
    for (unsigned i = 0; i < sim_fault_count; i++)
        *fault_at(f, i) = 0;
    f->crash = was.crash;
    f->drag = was.drag;
    f->xet = was.xet;
}

/* Each run has a few kinds of trouble, not all: rare meetings of two are found by many seeds, not by noise in each. */
static void make_faults(struct sim_faults *f)
{
    unsigned xet = f->xet;
#define X(name, one_in, most) f->name = some(one_in, most);
    SIM_FAULTS(X)
#undef X
    f->xet = xet;
    f->until_ns = SIM_START_NS + sim_random(sim_random(3) == 0 ? 3600 * NS_PER_S : 120 * NS_PER_S);
    f->dark_ns = SIM_START_NS + sim_random(20 * NS_PER_S);
    f->punish = (unsigned)sim_random(PUNISHMENTS);
    bool calm = sim_random(10) == 0; /* some worlds are healthy: in them nothing may be called stalled or broken */
    for (unsigned i = 0; i < sim_fault_count; i++)
        if ((calm && is_trouble(f, i)) || sim->switches.without >> i & 1)
            *fault_at(f, i) = 0;
    if (!f->crash)
        f->power = 0;
    if (!f->others)
        f->hold = 0;
    if (sim->shares)
        only_what_shares_allows(f);
    f->bright_ns = f->outage ? f->dark_ns + f->outage * NS_PER_S : 0;
    f->until_ns = MAX(f->until_ns, f->bright_ns);
    sim->calm = true;
    for (unsigned i = 0; i < sim_fault_count; i++)
        sim->calm &= *fault_at(f, i) == 0 || !is_trouble(f, i);
}

/* The first job is a plain pull of everything; the others are what people run beside it. */
static void make_jobs(void)
{
    static const enum hfp_verb verbs[] = { HFP_PULL, HFP_PULL, HFP_PULL, HFP_PULL, HFP_VERIFY, HFP_REPAIR, HFP_PLAN };
    sim->jobs = MIN(1 + sim->faults.others, sim->switches.jobs ? sim->switches.jobs : SIM_JOBS);
    for (unsigned i = 1; i < sim->jobs; i++) {
        struct sim_job *j = &sim->job[i];
        j->verb = verbs[sim_random(ARRAY_LEN(verbs))];
        j->offline = j->verb == HFP_PULL && sim_random(5) == 0;
        j->tree = (unsigned)sim_random(sim->trees);
        j->by_commit = sim_random(4) == 0;
        j->after_ns = sim_random(3) == 0 ? 0 : sim_random(60 * NS_PER_S);
    }
}

/* How the Xet store is used. By itself: what else a seed draws stays as it was before there was one. */
static void draw_store(void)
{
    uint64_t drawn = random_next(&(uint64_t){ sim->seed ^ UINT64_C(0x2545F4914F6CDD1D) }), store = drawn % XET_ONE_IN;
    if (sim->switches.without >> (sim_fault_count - 1) & 1)
        return;
    sim->faults.xet = store > 1 ? 0 : 1 + (unsigned)store;
    drawn /= XET_ONE_IN;
    if (drawn % SHARES_ONE_IN != SHARES_AT)
        return;
    sim->faults.xet = 2;
    sim->shares = drawn / SHARES_ONE_IN % 4 == 0 ? SHARES_CHUNKS : SHARES_TERMS;
}

void world_make(uint64_t seed, const struct sim_switches *switches)
{
    sim->seed = sim->random = seed;
    sim->switches = *switches;
    draw_store();
    sim->now_ns = SIM_START_NS;
    sim->ops_left = sim->starves_ns = UINT64_MAX;
    sim->files = 1 + (unsigned)sim_random(sim_random(3) == 0 ? SIM_FILES_MAX : 5);
    if (switches->files)
        sim->files = MIN(sim->files, switches->files);
    bool large = sim_random(4) == 0;
    for (unsigned i = 0; i < sim->files; i++)
        make_file(&sim->file[i], i, large);
    sim->random = seed ^ UINT64_C(0x5DEECE66D); /* fewer files leave the rest of the world as it is */
    make_faults(&sim->faults);
    sim->trees = SIM_TREES;
    for (unsigned i = 0; i < sim->trees; i++)
        make_tree(&sim->tree[i], i);
    sim->random = seed ^ UINT64_C(0xB5026F5AA);
    make_jobs();
    sim->page = 1 + (unsigned)sim_random(SIM_FILES_MAX);
    sim->direct = sim_random(5) == 0;
    sim->max_connections = sim_random(6) == 0 ? 1 + (unsigned)sim_random(4) : 0;
    sim->max_rounds = sim_random(8) == 0 ? 1 + (unsigned)sim_random(3) : 60;
    sim->rounds_given = sim_random(4) > 0;
    sim->rtt_ns = (1 + sim_random(200)) * NS_PER_MS;
    sim->rate_bytes_per_s = UINT64_C(1) << (12 + sim_random(12)); /* 4 KB/s to 8 MB/s, in blocks of 4 KiB */
    if (sim->shares)
        sim->rate_bytes_per_s = MAX(sim->rate_bytes_per_s, SHARES_RATE);
    sim->doubtful = sim->faults.foreign || sim->faults.disk_error > 0;
    sim->honest = !sim->doubtful && !sim->faults.power && !sim->faults.lying_address;
    sim->random = random_next(&(uint64_t){ seed + switches->shuffle * UINT64_C(0x9E3779B97F4A7C15) });
}

void world_healthy(void)
{
    sim->faults = (struct sim_faults){ .xet = sim->faults.xet };
    sim->max_rounds = 60;
    sim->healthy = true;
    disk_set_capacity(UINT64_MAX / 2);
}

void world_free(void)
{
    for (unsigned i = 0; i < sim->files; i++) {
        free(sim->file[i].content);
        xorbs_free(&sim->file[i]);
        for (unsigned r = 0; r < SIM_REPOS; r++) {
            free(sim->file[i].recorded[r]);
            free(sim->file[i].taken_to[r]);
        }
    }
    free(sim->heap);
}

struct sim_file *world_etag(const char *etag)
{
    for (unsigned i = 0; i < sim->files; i++)
        if (strcmp(sim->file[i].etag, etag) == 0)
            return &sim->file[i];
    return NULL;
}

struct sim_tree *world_tree(const char *url, const char **rest)
{
    for (unsigned i = 0; i < sim->trees; i++) {
        struct sim_tree *t = &sim->tree[i];
        char repo[16];
        snprintf(repo, sizeof repo, "/sim/%s/", repo_names[t->repo]);
        const char *at = strstr(url, repo), *commit = at ? strstr(at, t->commit) : NULL;
        if (!commit)
            continue;
        *rest = commit + 40;
        return t;
    }
    return NULL;
}

struct sim_file *tree_file(const struct sim_tree *t, const char *path)
{
    for (unsigned i = 0; i < t->n; i++)
        if (strcmp(t->entry[i].path, path) == 0)
            return t->entry[i].file;
    return NULL;
}
