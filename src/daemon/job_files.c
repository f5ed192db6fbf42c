#include "daemon/job_files.h"

#include "front/status_json.h"

#include <stdlib.h>
#include <string.h>

static uint32_t hash_of(const char *s)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619u;
    return h;
}

/* The place in the index where path is or belongs. The index is never more than half full. */
static size_t slot(const struct job_files *f, const char *path)
{
    size_t at = hash_of(path) & (f->index_room - 1);
    while (f->index[at] && strcmp(f->row[f->index[at] - 1].path, path) != 0)
        at = (at + 1) & (f->index_room - 1);
    return at;
}

static bool index_grow(struct job_files *f)
{
    if (2 * (f->n + 1) <= f->index_room)
        return true;
    size_t room = f->index_room ? 2 * f->index_room : 64;
    uint32_t *index = calloc(room, sizeof *index);
    if (!index)
        return false;
    free(f->index);
    f->index = index;
    f->index_room = room;
    for (size_t i = 0; i < f->n; i++)
        f->index[slot(f, f->row[i].path)] = (uint32_t)i + 1;
    return true;
}

static bool rows_grow(struct job_files *f)
{
    if (f->n < f->room)
        return true;
    size_t room = f->room ? f->room + f->room / 2 : 32;
    struct job_file *row = realloc(f->row, room * sizeof *row);
    if (!row)
        return false;
    f->row = row;
    f->room = room;
    return true;
}

struct job_file *job_files_find(const struct job_files *f, const char *path)
{
    if (!f || f->n == 0)
        return NULL;
    size_t at = slot(f, path);
    return f->index[at] ? &f->row[f->index[at] - 1] : NULL;
}

struct job_file *job_files_at(struct job_files **files, const char *path)
{
    if (!*files && !(*files = calloc(1, sizeof **files)))
        return NULL;
    struct job_files *f = *files;
    struct job_file *row = job_files_find(f, path);
    if (row)
        return row;
    if (f->n >= JOB_FILES_MAX || !index_grow(f) || !rows_grow(f))
        return NULL;
    char *copy = strdup(path);
    if (!copy)
        return NULL;
    f->index[slot(f, path)] = (uint32_t)f->n + 1;
    row = &f->row[f->n++];
    *row = (struct job_file){ .path = copy, .state = HFP_FILE_PLANNED };
    return row;
}

static void keep(char **out, const char *s)
{
    if (!s || !*s || (*out && strcmp(*out, s) == 0))
        return;
    char *copy = strdup(s);
    if (!copy)
        return;
    free(*out);
    *out = copy;
}

static void change(struct job_files *f, struct job_file *row)
{
    f->changed += !row->changed;
    row->changed = true;
}

void job_files_event(struct job_files **files, const struct hfp_event *ev)
{
    struct job_file *row = ev->path ? job_files_at(files, ev->path) : NULL;
    if (!row)
        return;
    row->state = (uint8_t)ev->file_state;
    row->size_bytes = ev->size_bytes;
    bool whole = ev->file_state == HFP_FILE_PROVED || ev->file_state == HFP_FILE_REPAIRED;
    if (whole || ev->here_bytes > row->recorded_bytes)
        row->recorded_bytes = whole ? ev->size_bytes : ev->here_bytes;
    keep(&row->hash, ev->hash);
    keep(&row->host, ev->host);
    change(*files, row);
}

void job_files_fronts(struct job_files *files, const struct hfp_status *st)
{
    for (uint32_t i = 0; i < st->fronts; i++) {
        const struct hfp_front *front = &st->front[i];
        struct job_file *row = job_files_find(files, front->path);
        if (!row || front->recorded_bytes <= row->recorded_bytes)
            continue;
        row->recorded_bytes = front->recorded_bytes;
        keep(&row->host, front->host);
        change(files, row);
    }
}

void job_files_stopped(struct job_files *files)
{
    for (size_t i = 0; files && i < files->n; i++) {
        if (files->row[i].state != HFP_FILE_FETCHING)
            continue;
        files->row[i].state = HFP_FILE_PLANNED;
        change(files, &files->row[i]);
    }
}

void job_file_json(struct out *o, const struct job_file *f)
{
    out_object(o, NULL);
    out_text(o, "path", f->path);
    out_u64(o, "size_bytes", f->size_bytes);
    out_u64(o, "recorded_bytes", f->recorded_bytes);
    out_text(o, "state", file_state_text((enum hfp_file_state)f->state));
    out_text(o, "hash", f->hash);
    out_text(o, "host", f->host);
    out_object_end(o);
}

bool job_files_changed(struct out *o, struct job_files *files, size_t max)
{
    if (!files || files->changed == 0)
        return false;
    out_list(o, "files");
    for (size_t i = 0; i < files->n && files->changed > 0 && max > 0; i++) {
        if (!files->row[i].changed)
            continue;
        job_file_json(o, &files->row[i]);
        files->row[i].changed = false;
        files->changed--;
        max--;
    }
    out_list_end(o);
    return true;
}

void job_files_free(struct job_files *f)
{
    for (size_t i = 0; f && i < f->n; i++) {
        free(f->row[i].path);
        free(f->row[i].hash);
        free(f->row[i].host);
    }
    if (f) {
        free(f->row);
        free(f->index);
    }
    free(f);
}
