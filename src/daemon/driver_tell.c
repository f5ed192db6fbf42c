/* What changed is kept in the store and told to the readers of events. */
#include "daemon/driver_inside.h"

#include "daemon/job_files.h"
#include "daemon/job_json.h"

#define TELL_NS (NS_PER_S / 4) /* readers of events: four times a second */
#define FILES_TOLD 200         /* rows in one event; what is more comes with the next */

void driver_tell_files(struct driver *d, struct job *j)
{
    struct out o = { 0 };
    out_object(&o, NULL);
    out_text(&o, "id", j->id);
    job_files_changed(&o, j->files, FILES_TOLD);
    out_object_end(&o);
    feed_push(d->rooms.feed, "files", &o);
}

static void tell_job(struct driver *d, struct job *j)
{
    struct out o = { 0 };
    j->changed = false;
    if (j->files && j->files->changed > 0) {
        driver_tell_files(d, j);
        if (j->files->changed > 0)
            j->changed = d->changed = true;
    }
    job_json(&o, NULL, j, false);
    feed_push(d->rooms.feed, "job", &o);
}

/* Where one goes all behind it move up: the whole order is one event instead of one a job. */
static void tell_order(struct driver *d)
{
    struct out o = { 0 };
    out_object(&o, NULL);
    out_list(&o, "queued");
    for (size_t i = 0; i < d->rooms.jobs->n; i++)
        if (d->rooms.jobs->list[i]->position)
            out_text(&o, NULL, d->rooms.jobs->list[i]->id);
    out_list_end(&o);
    out_object_end(&o);
    feed_push(d->rooms.feed, "queue", &o);
    d->order = false;
}

void driver_save(struct driver *d)
{
    for (size_t i = 0; i < d->rooms.jobs->n; i++) {
        struct job *j = d->rooms.jobs->list[i];
        if (j->unsaved)
            store_put_job(d->rooms.store, j);
        j->unsaved = false;
    }
}

uint64_t driver_tell(struct driver *d)
{
    if (!d->changed)
        return UINT64_MAX;
    driver_save(d);
    if (d->told_ns && d->now_ns < d->told_ns + TELL_NS)
        return d->told_ns + TELL_NS;
    d->changed = false;
    d->told_ns = d->now_ns;
    jobs_sort(d->rooms.jobs);
    for (size_t i = 0; i < d->rooms.jobs->n; i++)
        if (d->rooms.jobs->list[i]->changed)
            tell_job(d, d->rooms.jobs->list[i]);
    if (d->order)
        tell_order(d);
    feed_flush(d->rooms.feed);
    return d->changed ? d->told_ns + TELL_NS : UINT64_MAX;
}
