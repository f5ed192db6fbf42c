/* --progress-file and --report: whole or not at all, and never in the way.
 * Seen red with: the temporary name kept after rename failed ("no temporary left"), received instead of recorded bytes
 * ("recorded bytes"), the last text dropped when it ends ("the end is written"), a job without files leaving "files" open ("valid JSON"). */
#include "cli/view.h"
#include "tap.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/hf-pull-test-XXXXXX";
static char path[128];

static size_t entries(void)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static const char *content(void)
{
    static char buf[65536];
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(buf, 1, sizeof buf - 1, f) : 0;
    if (f)
        fclose(f);
    buf[n] = '\0';
    return buf;
}

/* A thread writes: the text is there in a moment. */
static bool written(const char *text)
{
    for (int i = 0; i < 5000 && !strstr(content(), text); i++)
        usleep(1000);
    return strstr(content(), text) != NULL;
}

static void progress(void)
{
    struct hfp_event ev = { .type = HFP_EV_PROGRESS,
                            .repo = "a/b",
                            .status = { .total_bytes = 1000,
                                        .recorded_bytes = 999,
                                        .received_bytes = 1000,
                                        .rate_bytes_per_s = 100,
                                        .eta_low_s = 10,
                                        .eta_high_s = 12 } };
    struct view *v = progress_file_new(path);
    v->ops->event(v, &ev, 1);
    CHECK_U64(entries(), 0, "nothing is written before the plan");
    ev.type = HFP_EV_PLAN;
    v->ops->event(v, &ev, 2);
    CHECK(written("}\n"), "then at once");
    CHECK_STR(content(), "{\"downloaded\":999,\"total\":1000,\"progress\":99,\"speed\":100,\"eta\":11}\n",
              "the five fields: recorded bytes, integer percent");
    ev.type = HFP_EV_PROGRESS;
    ev.status.rate_bytes_per_s = 0;
    v->ops->event(v, &ev, 500000000);
    usleep(50000);
    CHECK(strstr(content(), "\"speed\":100") != NULL, "not more than once a second");
    v->ops->tick(v, 1100000000);
    CHECK(written("\"speed\":0,\"eta\":null"), "no estimate is null");
    ev.type = HFP_EV_DONE;
    ev.status.recorded_bytes = 1000;
    v->ops->event(v, &ev, 1200000000);
    view_free(v);
    CHECK(strstr(content(), "\"progress\":100") != NULL, "the end is written before the end");
    CHECK_U64(entries(), 1, "no temporary left");
    unlink(path);
    v = progress_file_new("/nonexistent/folder/progress.json");
    ev.type = HFP_EV_PLAN;
    v->ops->event(v, &ev, 3);
    CHECK(true, "a failure is harmless");
    view_free(v);
    CHECK(mkdir(path, 0755) == 0, "a folder stands in the way");
    v = progress_file_new(path);
    v->ops->event(v, &ev, 4);
    view_free(v);
    CHECK_U64(entries(), 1, "and nothing is left beside it");
    rmdir(path);
}

static void report(void)
{
    struct target target = { .spec = { .repo = "a/b", .revision = "main" } };
    struct job_result jobs[2] = {
        { .target = &target,
          .ran = true,
          .snapshot = (char *)"/s",
          .status = { .recorded_bytes = UINT64_MAX - 1, .eta_low_s = UINT64_MAX, .eta_high_s = UINT64_MAX } },
        { .target = &target, .error = { .code = HFP_E_CANCELLED } }
    };
    struct run_result run = { .jobs = jobs, .n = 2, .exit_status = 130, .signal = 2 };
    struct hfp_event ev = { .type = HFP_EV_FILE,
                            .repo = "a/b",
                            .path = "x\xff\"y",
                            .hash = "00ff",
                            .size_bytes = 7,
                            .file_state = HFP_FILE_PROVED };
    struct hfp_err err = { 0 };
    struct view *v = NULL;
    jobs[0].status.errors[HFP_E_RESET] = 3;
    jobs[0].status.waited_ns[HFP_WAIT_SILENCE] = 34000000000;
    CHECK(report_new(&v, path, &err) == HFP_OK, "a report is begun");
    CHECK(access(path, F_OK) != 0, "its name appears at the end only");
    for (int i = 0; i < 3000; i++)
        v->ops->event(v, &ev, 1);
    v->ops->job_end(v, &jobs[0]);
    v->ops->job_end(v, &jobs[1]);
    v->ops->end(v, &run);
    CHECK(report_error(v, &err) == HFP_OK, "and is written");
    view_free(v);
    CHECK_U64(entries(), 1, "no temporary left");
    static char all[1 << 20];
    FILE *f = fopen(path, "r");
    all[f ? fread(all, 1, sizeof all - 1, f) : 0] = '\0';
    if (f)
        fclose(f);
    cJSON *o = cJSON_Parse(all), *list = cJSON_GetObjectItem(o, "jobs"), *first = cJSON_GetArrayItem(list, 0);
    CHECK(o && cJSON_GetArraySize(list) == 2, "valid JSON with both jobs");
    CHECK_U64((uint64_t)cJSON_GetArraySize(cJSON_GetObjectItem(first, "files")), 3000, "every file with its hash");
    CHECK(strstr(all, "\"recorded_bytes\":18446744073709551614,") != NULL, "bytes are exact integers");
    CHECK(strstr(all, "\"errors\":{\"E_RESET\":3}") != NULL, "errors by code");
    CHECK(strstr(all, "\"waited_ms\":{\"silence\":34000}") != NULL, "stall time by reason");
    CHECK(strstr(all, "\"exit_status\":130") != NULL, "the exit status");
    cJSON_Delete(o);
    unlink(path);
    CHECK(report_new(&v, "/nonexistent/folder/r.json", &err) == HFP_E_ARG, "an impossible report is known at once");
    CHECK(report_new(&v, path, &err) == HFP_OK, "a report that is not finished");
    view_free(v);
    CHECK_U64(entries(), 0, "leaves nothing");
}

int main(void)
{
    CHECK(mkdtemp(folder) != NULL, "a folder");
    snprintf(path, sizeof path, "%s/progress.json", folder);
    progress();
    report();
    rmdir(folder);
    return tap_end();
}
