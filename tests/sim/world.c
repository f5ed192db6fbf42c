#include "sim.h"

#include <stdlib.h>
#include <string.h>

static void fill(uint8_t *out, uint64_t n, uint64_t seed)
{
    for (uint64_t i = 0; i < n; i += 8) {
        uint64_t word = random_next(&seed);
        memcpy(out + i, &word, MIN(8, n - i));
    }
}

static uint64_t some_size(void)
{
    switch (sim_random(6)) {
    case 0:
        return 1 + sim_random(200);
    case 1:
        return 1 + sim_random(BLOCK_BYTES);
    case 2: /* around block borders */
        return BLOCK_BYTES * (1 + sim_random(6)) + sim_random(3) - 1;
    case 3:
        return sim_random(20) == 0 ? 0 : BLOCK_BYTES + sim_random(3 * BLOCK_BYTES);
    default:
        return sim_random(40 * BLOCK_BYTES) + 2;
    }
}

static void make_file(struct sim_file *f, unsigned i)
{
    struct hfp_err err;
    struct digest *d = NULL;
    snprintf(f->path, sizeof f->path,
             i % 3 == 1   ? "sub/f%02u.bin"
             : i % 5 == 4 ? "model-%05u.safetensors"
                          : "f%02u.json",
             i);
    bool twin = i > 2 && sim_random(8) == 0; /* two paths of one content */
    f->size_bytes = twin ? sim->file[1].size_bytes : some_size();
    f->lfs = twin ? sim->file[1].lfs : f->size_bytes > BLOCK_BYTES || sim_random(2) == 0;
    f->content = malloc((size_t)f->size_bytes + 8);
    fill(f->content, f->size_bytes, sim->seed * 1000 + (twin ? 1 : i));
    digest_new(&d, f->lfs ? DIGEST_SHA256 : DIGEST_GIT_SHA1, f->size_bytes, &err);
    digest_add(d, f->content, (size_t)f->size_bytes, &err);
    digest_end(d, &f->id, &err);
    digest_free(d);
    content_id_hex(f->etag, &f->id);
    f->recorded = calloc(1, (size_t)blocks_of(f->size_bytes) + 1);
    f->taken = calloc(1, (size_t)f->size_bytes + 1);
}

static unsigned some(unsigned most)
{
    return sim_random(3) == 0 ? 1 + (unsigned)sim_random(most) : 0;
}

/* Each run has a few kinds of trouble, not all: rare meetings of two are found by many seeds, not by noise in each. */
static void make_faults(struct sim_faults *f)
{
    *f = (struct sim_faults){ .refuse = some(300),
                              .black_hole = some(300),
                              .dns = some(200),
                              .slow_open = some(300),
                              .mute = some(200),
                              .server_error = some(300),
                              .busy = some(200),
                              .expire = some(200),
                              .portal = some(150),
                              .reset = some(400),
                              .shorten = some(300),
                              .stall = some(250),
                              .pause = some(300),
                              .creep = some(200),
                              .ignore_range = some(100),
                              .shift_range = some(150),
                              .lie = some(60),
                              .lengthless = some(200),
                              .slow_disk = some(40),
                              .full_disk = 0,
                              .disk_error = 0 };
    f->until_ns = SIM_START_NS + sim_random(sim_random(3) == 0 ? 3600 * NS_PER_S : 120 * NS_PER_S);
    f->lying_address = sim_random(12) == 0;
    f->throttle_above = sim_random(6) == 0 ? 1 + (unsigned)sim_random(6) : 0;
    f->crashes = sim_random(3) == 0 ? 1 + (unsigned)sim_random(4) : 0;
    f->power = f->crashes && sim_random(2) == 0;
    f->foreign = sim_random(6) == 0;
    f->steer = sim_random(4) == 0;
    f->suspend = sim_random(10) == 0;
    f->rot = sim_random(10) == 0;
    if (sim_random(15) == 0)
        f->full_disk = 1 + (unsigned)sim_random(20);
    if (sim_random(25) == 0)
        f->disk_error = 1 + (unsigned)sim_random(10);
}

void world_make(uint64_t seed)
{
    sim->seed = sim->random = seed;
    sim->now_ns = SIM_START_NS;
    sim->ops_left = sim->starves_ns = UINT64_MAX;
    sim->files = 1 + (unsigned)sim_random(SIM_FILES_MAX);
    for (unsigned i = 0; i < sim->files; i++)
        make_file(&sim->file[i], i);
    snprintf(sim->commit, sizeof sim->commit, "%040llx", (unsigned long long)seed + 1);
    sim->page = 1 + (unsigned)sim_random(SIM_FILES_MAX);
    sim->direct = sim_random(5) == 0;
    sim->rtt_ns = (1 + sim_random(200)) * NS_PER_MS;
    sim->rate_bytes_per_s = UINT64_C(1) << (12 + sim_random(12)); /* 4 KB/s to 8 MB/s, in blocks of 4 KiB */
    make_faults(&sim->faults);
    sim->doubtful = sim->faults.foreign || sim->faults.disk_error > 0;
    sim->honest = !sim->doubtful && !sim->faults.power && !sim->faults.lying_address;
}

void world_free(void)
{
    for (unsigned i = 0; i < sim->files; i++) {
        free(sim->file[i].content);
        free(sim->file[i].recorded);
        free(sim->file[i].taken);
    }
    free(sim->heap);
}

struct sim_file *world_file(const char *path)
{
    for (unsigned i = 0; i < sim->files; i++)
        if (strcmp(sim->file[i].path, path) == 0)
            return &sim->file[i];
    return NULL;
}

struct sim_file *world_etag(const char *etag)
{
    for (unsigned i = 0; i < sim->files; i++)
        if (strcmp(sim->file[i].etag, etag) == 0)
            return &sim->file[i];
    return NULL;
}
