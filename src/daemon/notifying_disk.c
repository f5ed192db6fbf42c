#include "daemon/notifying_disk.h"

#include "front/disk_low.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 16 /* as many jobs run side by side at most */

struct disk_row {
    char *folder;
    char job[JOB_ID_SIZE];
    uint64_t to_come_bytes, free_bytes;
    struct disk_low low;
    bool fell;
};

struct disk_look {
    struct worker_task task;
    struct notifying_disks *owner;
    const struct jobs *jobs;
    const char *hub_folder;
    disk_fell_fn *fell;
    void *ctx;
    uint64_t now_ns;
    struct disk_row row[ROWS_MAX];
    size_t n;
};

static void look_run(struct worker_task *task)
{
    struct disk_look *l = (struct disk_look *)task;
    for (size_t i = 0; i < l->n; i++) {
        struct disk_row *r = &l->row[i];
        r->fell = disk_low_turn(&r->low, r->folder, r->to_come_bytes, l->now_ns, &r->free_bytes);
    }
}

static const char *folder_of(const struct job *j, const char *hub_folder)
{
    return j->ask.local_dir ? j->ask.local_dir : hub_folder;
}

static void look_done(struct worker_task *task)
{
    struct disk_look *l = (struct disk_look *)task;
    l->owner->under_way = false;
    for (size_t i = 0; i < l->n; i++) {
        const struct disk_row *r = &l->row[i];
        for (size_t k = 0; k < l->jobs->n; k++)
            if (strcmp(folder_of(l->jobs->list[k], l->hub_folder), r->folder) == 0)
                l->jobs->list[k]->disk_free_bytes = r->free_bytes;
        if (r->fell)
            l->fell(l->ctx, r->job, r->free_bytes, r->to_come_bytes);
    }
}

static void add(struct disk_look *l, const struct job *j, const char *folder)
{
    const struct hfp_status *st = j->status;
    size_t i = 0;
    while (i < l->n && strcmp(l->row[i].folder, folder) != 0)
        i++;
    if (i == ROWS_MAX)
        return;
    struct disk_row *r = &l->row[i];
    if (i == l->n) {
        char *copy = strdup(folder);
        if (!copy)
            return;
        *r = (struct disk_row){ .folder = copy };
        l->n++;
    }
    if (r->to_come_bytes == 0)
        memcpy(r->job, j->id, sizeof r->job);
    r->to_come_bytes += st->total_bytes > st->recorded_bytes ? st->total_bytes - st->recorded_bytes : 0;
}

/* A folder nobody fetches to any more is forgotten: when it is low the next time, that is news again. */
static void sweep(struct disk_look *l)
{
    size_t left = 0;
    for (size_t i = 0; i < l->n; i++) {
        if (l->row[i].to_come_bytes)
            l->row[left++] = l->row[i];
        else
            free(l->row[i].folder);
    }
    l->n = left;
}

uint64_t notifying_disks_turn(struct notifying_disks *d, const struct jobs *jobs, const char *hub_folder,
                              struct worker *worker, uint64_t now_ns, disk_fell_fn *fell, void *ctx)
{
    bool any = false;
    if (d->under_way)
        return UINT64_MAX;
    for (size_t i = 0; i < jobs->n; i++)
        any |= jobs->list[i]->status && job_state(jobs->list[i]) == HFP_DOWNLOADING;
    if (!any)
        return UINT64_MAX;
    if (now_ns < d->next_ns)
        return d->next_ns;
    if (!d->look && !(d->look = calloc(1, sizeof *d->look)))
        return d->next_ns = now_ns + DISK_LOW_LOOK_NS;
    struct disk_look *l = d->look;
    l->task = (struct worker_task){ .run = look_run, .done = look_done };
    l->owner = d;
    l->jobs = jobs;
    l->hub_folder = hub_folder;
    l->fell = fell;
    l->ctx = ctx;
    l->now_ns = now_ns;
    for (size_t i = 0; i < l->n; i++)
        l->row[i].to_come_bytes = 0;
    for (size_t i = 0; i < jobs->n; i++) {
        const struct job *j = jobs->list[i];
        if (j->status && job_state(j) == HFP_DOWNLOADING)
            add(l, j, folder_of(j, hub_folder));
    }
    sweep(l);
    d->next_ns = now_ns + DISK_LOW_LOOK_NS;
    d->under_way = l->n > 0;
    if (l->n > 0)
        worker_submit(worker, &l->task);
    return l->n > 0 ? UINT64_MAX : d->next_ns;
}

void notifying_disks_done(struct notifying_disks *d)
{
    for (size_t i = 0; d->look && i < d->look->n; i++)
        free(d->look->row[i].folder);
    free(d->look);
}
