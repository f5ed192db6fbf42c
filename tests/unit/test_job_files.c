/* The rows of a job: found by name among very many, told when they change, never running back.
 * Seen red with: a growing index that keeps the old places, recorded bytes taken from any event. */
#include "daemon/job_files.h"
#include "tap.h"

#include <stdlib.h>

#define MANY 20000

static void event(struct job_files **f, const char *path, enum hfp_file_state state, uint64_t size, uint64_t here)
{
    struct hfp_event ev = {
        .type = HFP_EV_FILE, .path = path, .hash = "00ff", .file_state = state, .size_bytes = size, .here_bytes = here
    };
    job_files_event(f, &ev);
}

static char *changed(struct job_files *f, size_t max)
{
    struct out o = { 0 };
    out_object(&o, NULL);
    bool any = job_files_changed(&o, f, max);
    out_object_end(&o);
    char *text = out_take(&o, NULL);
    if (any)
        return text;
    free(text);
    return NULL;
}

int main(void)
{
    struct job_files *f = NULL;
    char name[32];
    CHECK(changed(NULL, 5) == NULL && job_files_find(NULL, "x") == NULL, "no rows at all");
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "dir/file%05d", i);
        event(&f, name, HFP_FILE_PLANNED, 1000, 0);
    }
    CHECK_U64(f->n, MANY, "every file has a row");
    bool all = true;
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "dir/file%05d", i);
        all &= job_files_find(f, name) == &f->row[i];
    }
    CHECK(all && job_files_find(f, "dir/file2000") == NULL, "and is found at its place");
    char *text = changed(f, 100);
    unsigned rows = 0;
    for (const char *at = text; (at = strstr(at, "\"path\"")) != NULL; at++)
        rows++;
    free(text);
    CHECK_U64(rows, 100, "told in portions");
    while ((text = changed(f, 10000)) != NULL)
        free(text);
    struct hfp_status st = { .fronts = 2,
                             .front = { { .path = "dir/file00007", .recorded_bytes = 400, .host = "cdn" },
                                        { .path = "none", .recorded_bytes = 5 } } };
    job_files_fronts(f, &st);
    text = changed(f, 100);
    CHECK_STR(
        text,
        "{\"files\":[{\"path\":\"dir/file00007\",\"size_bytes\":1000,\"recorded_bytes\":400,\"state\":\"planned\","
        "\"hash\":\"00ff\",\"host\":\"cdn\"}]}",
        "what moves at the front is told, and only that");
    free(text);
    st.front[0].recorded_bytes = 300;
    job_files_fronts(f, &st);
    CHECK(changed(f, 100) == NULL, "and never back");
    event(&f, "dir/file00007", HFP_FILE_FETCHING, 1000, 100);
    CHECK_U64(job_files_find(f, "dir/file00007")->recorded_bytes, 400, "not by an event either");
    job_files_stopped(f);
    CHECK_U64(job_files_find(f, "dir/file00007")->state, HFP_FILE_PLANNED, "what is over fetches nothing");
    event(&f, "dir/file00007", HFP_FILE_PROVED, 1000, 0);
    CHECK_U64(job_files_find(f, "dir/file00007")->recorded_bytes, 1000, "proved is whole");
    job_files_free(f);
    job_files_free(NULL);
    return tap_end();
}
