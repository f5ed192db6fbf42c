/* What became of each file, without loss: when the list of events is half full, what is to be said of files waits in the
 * job, a few bytes each, and the job's DONE behind it. A reader that is slow holds up nothing else. */
#include "engine/blob.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_A_TURN 256                /* planned files; the loop has other things to do as well */
#define LOOK_AGAIN_NS (20 * NS_PER_MS) /* nobody says when the reader has taken something */

struct untold {
    struct untold *next;
    const struct listed_file *file;
    enum hfp_file_state state;
    uint64_t here_bytes;
    const char *host;
    char text[];
};

static void say(struct job *job, const struct untold *u)
{
    char hash[65];
    content_id_hex(hash, &u->file->id);
    struct hfp_event ev = { .type = HFP_EV_FILE,
                            .path = u->file->path,
                            .hash = hash,
                            .file_state = u->state,
                            .size_bytes = u->file->size_bytes,
                            .here_bytes = u->here_bytes,
                            .host = u->host,
                            .text = u->text[0] ? u->text : NULL };
    note_event(job, &ev);
}

/* Out of memory drops it, as it does any other event (engine/events.h). */
static void tell(struct job *job, const struct listed_file *f, enum hfp_file_state state, uint64_t here_bytes,
                 const char *host, const char *text)
{
    size_t n = text ? strlen(text) : 0;
    struct untold *u = malloc(sizeof *u + n + 1);
    if (!u)
        return;
    *u = (struct untold){ .file = f, .state = state, .here_bytes = here_bytes, .host = host };
    memcpy(u->text, text ? text : "", n + 1);
    if (!job->untold && events_room(job->core->events)) {
        say(job, u);
        free(u);
        return;
    }
    *job->untold_tail = u;
    job->untold_tail = &u->next;
}

void note_file(struct blob *b, const struct listed_file *f, enum hfp_file_state state, const char *text)
{
    struct job *job = b->job;
    const char *host = b->last_server ? transfer_peer(job->core->transfer, b->last_server)->host : NULL;
    if (job->told)
        job->told[b->index] = 1;
    tell(job, f, state, state == HFP_FILE_FETCHING ? b->counted_bytes : 0, host, text);
}

void note_planned(struct job *job, const struct listed_file *f, const struct plan_blob *pb)
{
    uint64_t here_bytes = pb->action == PLAN_PROVE ? f->size_bytes : pb->here_bytes + pb->guessed_bytes;
    tell(job, f, HFP_FILE_PLANNED, here_bytes, NULL, NULL);
}

void telling_begin(struct job *job)
{
    if (job->spec.each_file && job->spec.verb != HFP_PLAN)
        job->told = calloc(job->plan->blobs ? job->plan->blobs : 1, 1);
}

/* The first word about files nobody has spoken of: what a receipt proves is proved, but where it is read again anyway. */
static void tell_planned(struct job *job)
{
    bool receipts = job->spec.verb == HFP_PULL || job->spec.verb == HFP_INDEX;
    for (unsigned n = 0; n < ROWS_A_TURN && job->told_blobs < job->plan->blobs; n++) {
        if (!events_room(job->core->events))
            return;
        uint32_t i = job->told_blobs++;
        const struct plan_blob *pb = &job->plan->blob[i];
        bool proved = receipts && pb->action == PLAN_HERE;
        for (uint32_t f = job->told[i] ? UINT32_MAX : pb->file; f != UINT32_MAX; f = job->plan->next_file[f])
            tell(job, listing_at(job->listing, f), proved ? HFP_FILE_PROVED : HFP_FILE_PLANNED,
                 pb->here_bytes + pb->guessed_bytes, NULL, NULL);
    }
}

bool telling_turn(struct job *job, uint64_t now_ns)
{
    while (job->untold && (job->mute || events_room(job->core->events))) {
        struct untold *u = job->untold;
        if (!job->mute)
            say(job, u);
        if (!(job->untold = u->next))
            job->untold_tail = &job->untold;
        free(u);
    }
    if (job->told && !job->untold && !job->mute)
        tell_planned(job);
    bool all = !job->untold && (!job->told || job->mute || job->told_blobs == job->plan->blobs);
    job->telling_ns = all ? UINT64_MAX : events_room(job->core->events) ? now_ns : now_ns + LOOK_AGAIN_NS;
    return all;
}

void telling_done(struct job *job)
{
    for (struct untold *u; (u = job->untold) != NULL; free(u))
        job->untold = u->next;
    free(job->told);
}
