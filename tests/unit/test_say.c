/* The sentences at the end of a job carry their facts: what happened, what is kept, what to do.
 * Seen red with: kept_piece() returning false ("what is kept"), advice() returning false ("what to do"), the mean taken
 * over what was here already ("what came over the line"). */
#include "cli/say.h"
#include "tap.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static struct target target = { .spec = { .repo = "acme/big", .revision = "main" } };
static const struct talk_options options = { .endpoint = "https://huggingface.co" };
static char said[8192];

static struct screen begin(void)
{
    struct screen s;
    screen_init(&s, memfd_create("said", 0), false, true);
    return s;
}

static const char *end(struct screen *s)
{
    ssize_t n = pread(s->fd, said, sizeof said - 1, 0);
    said[n > 0 ? n : 0] = '\0';
    close(s->fd);
    return said;
}

static struct job_result result(enum hfp_code code, const char *message)
{
    struct job_result r = { .target = &target,
                            .label = "acme/big",
                            .ran = true,
                            .error = { .code = code },
                            .status = { .files = 24,
                                        .total_bytes = 61080000000,
                                        .recorded_bytes = 31200000000,
                                        .commit = "4c446470ba0aec43e22ac1128f9ffd915f338ba3" } };
    snprintf(r.error.message, sizeof r.error.message, "%s", message);
    return r;
}

static void failures(void)
{
    static const struct {
        enum hfp_code code;
        const char *message, *says;
    } rows[] = {
        { HFP_E_NET, "network gave up after 25 rounds without progress",
          "hf-pull: acme/big: network gave up after 25 rounds without progress.\n"
          "         31.20 GB of 61.08 GB is kept; run again and it continues there.\n" },
        { HFP_E_GATED, "acme/big is gated, and this token has not been granted access",
          "hf-pull: acme/big is gated, and this token has not been granted access.\n"
          "         31.20 GB of 61.08 GB is kept; run again and it continues there.\n"
          "         Ask for it at https://huggingface.co/acme/big, then run again.\n" },
        { HFP_E_NO_SPACE, "disk full at 31.20 of 61.08 GB. All 31.20 GB is kept; free 29.88 GB and run again",
          "hf-pull: acme/big: disk full at 31.20 of 61.08 GB. All 31.20 GB is kept; free 29.88 GB and run again.\n" },
        { HFP_E_NO_REPO, "no such repository, or private: give a token (--token, HF_TOKEN)",
          "hf-pull: acme/big: no such repository, or private: give a token (--token, HF_TOKEN)\n"
          "         31.20 GB of 61.08 GB is kept; run again and it continues there.\n" },
        { HFP_E_OFFLINE, "2 of 24 files missing: a, b",
          "hf-pull: acme/big: 2 of 24 files missing: a, b.\n"
          "         31.20 GB of 61.08 GB is kept; run again and it continues there.\n"
          "         Run again when the Hub can be reached.\n" },
        { HFP_E_INTERNAL, "pipeline.c:12: state",
          "hf-pull: acme/big: pipeline.c:12: state.\n"
          "         31.20 GB of 61.08 GB is kept; run again and it continues there.\n"
          "         This is a defect in hf-pull. Please report it with what --report FILE writes.\n" },
        { HFP_E_CONTENT, "x does not match the Hub's sha256",
          "hf-pull: acme/big: x does not match the Hub's sha256.\n" },
        { HFP_E_IO, "",
          "hf-pull: acme/big: disk error.\n"
          "         31.20 GB of 61.08 GB is kept; run again and it continues there.\n" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct job_result r = result(rows[i].code, rows[i].message);
        struct screen s = begin();
        say_failure(&s, &r, &options);
        CHECK_STR(end(&s), rows[i].says, "%s: what happened, what is kept, what to do", hfp_code_name(rows[i].code));
    }
    struct job_result r = result(HFP_E_CONTENT, "1 file damaged");
    struct screen s = begin();
    r.verb = HFP_VERIFY;
    r.damaged.n = 1;
    strcpy(r.damaged.name[0], "model-00003-of-00016.safetensors");
    strcpy(r.damaged.text[0], "block 1711 (1 MiB at 1.79 GB)");
    say_failure(&s, &r, &options);
    CHECK_STR(end(&s),
              "acme/big  1 of 24 files damaged: model-00003-of-00016.safetensors, block 1711 (1 MiB at 1.79 GB). "
              "Run: hf-pull repair acme/big\n",
              "verify names the file, the place and the cure");
}

static void successes(void)
{
    struct job_result r = result(HFP_OK, "");
    struct hfp_status *st = &r.status;
    st->kept_bytes = 12310000000;
    st->fetched_bytes = 48770000000;
    st->wire_bytes = 48790000000;
    st->repaired_bytes = 1048576;
    st->connections_lost = 3;
    st->elapsed_ns = 524000000000;
    st->waited_ns[HFP_WAIT_SILENCE] = 34000000000;
    r.repaired.n = 1;
    strcpy(r.repaired.name[0], "model-00003-of-00016.safetensors");
    strcpy(r.repaired.text[0], "one bit, from 18.2.3.4");
    struct screen s = begin();
    say_success(&s, &r);
    CHECK_STR(end(&s),
              "acme/big  proved: 24 files, 61.08 GB in 8m44s (93.1 MB/s)\n"
              "  kept 12.31 GB from an earlier run, fetched 48.77 GB (wire 48.79 GB), repaired 1 MiB in "
              "model-00003-of-00016.safetensors (one bit, from 18.2.3.4)\n"
              "  3 connections lost, 34 s stalled (silence)\n",
              "the summary, with the mean of what came over the line");
    r = result(HFP_OK, "");
    r.status.receipts_unix_s = 1795089600;
    s = begin();
    say_success(&s, &r);
    CHECK_STR(end(&s), "acme/big  proved: already here (24 files, 61.08 GB, receipts of 2026-11-19)\n",
              "nothing to do");
    r.verb = HFP_REPAIR;
    r.status.repaired_bytes = 1048576;
    r.repaired.n = 1;
    strcpy(r.repaired.name[0], "model-00003-of-00016.safetensors");
    s = begin();
    say_success(&s, &r);
    CHECK_STR(end(&s), "acme/big  model-00003-of-00016.safetensors: 1 MiB fetched, proved\n", "repair");
    r = result(HFP_OK, "");
    r.status.here_bytes = 12310000000;
    r.status.fetch_bytes = 48770000000;
    r.status.fetch_files = 15;
    r.status.free_bytes = 40000000000;
    s = begin();
    say_plan(&s, &r);
    CHECK_STR(end(&s),
              "acme/big  main -> 4c44647   24 files, 61.08 GB\n"
              "  here and proved            12.31 GB   9 files\n"
              "  to fetch                   48.77 GB   15 files\n"
              "  it does not fit: 8.77 GB more are needed on the disk\n",
              "the plan says whether it fits");
}

static void several(void)
{
    struct job_result jobs[3] = { result(HFP_OK, ""), result(HFP_E_NET, "network gave up"),
                                  result(HFP_E_CANCELLED, "") };
    struct run_result run = { .jobs = jobs, .n = 3 };
    struct screen s = begin();
    strcpy(jobs[1].label, "datasets/acme/x");
    jobs[0].status.elapsed_ns = 20000000000;
    jobs[2].ran = false;
    say_table(&s, &run);
    CHECK_STR(end(&s),
              "ok      acme/big            61.08 GB      20s   proved\n"
              "failed  datasets/acme/x     61.08 GB     0.0s   network gave up; 31.20 GB kept (exit 3)\n"
              "left    acme/big                   -        -   not begun\n",
              "one aligned line for each");
    s = begin();
    jobs[1].error.code = HFP_E_CANCELLED;
    say_signal(&s, "SIGTERM", &jobs[1]);
    CHECK_STR(end(&s), "hf-pull: stopped by SIGTERM. 31.20 GB of 61.08 GB is kept; the same command continues there.\n",
              "a signal: one sentence with what is kept");
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    failures();
    successes();
    several();
    return tap_end();
}
