/* client.c: a program that uses libhfpull as a stranger would: the public header, the shared library, one poll loop.
 *
 *   client ENDPOINT HUB_CACHE REPO        one event a line on stdout; commands on stdin, one a line:
 *   pause | resume | cancel | limit BYTES_PER_S | quit
 *
 * It never blocks in the library: tests/scenario/test_api.py watches that it answers "ping" at once while it pulls. */
#include <hfp/hfp.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const types[] = { "state", "plan",  "progress", "stalled", "recovered",
                                     "file",  "chunk", "note",     "done" };

static void print_event(const struct hfp_event *e)
{
    const struct hfp_status *s = &e->status;
    printf("event %llu %s %s recorded=%llu received=%llu total=%llu code=%s\n", (unsigned long long)e->seq,
           types[e->type], hfp_state_text(s->state), (unsigned long long)s->recorded_bytes,
           (unsigned long long)s->received_bytes, (unsigned long long)s->total_bytes, hfp_code_name(s->error.code));
    fflush(stdout);
}

/* True when the program shall end. */
static bool obey(struct hfp *h, uint64_t job, char *line)
{
    line[strcspn(line, "\n")] = 0;
    int rc = HFP_OK;
    if (strcmp(line, "ping") == 0)
        ;
    else if (strcmp(line, "pause") == 0)
        rc = hfp_pause(h, job);
    else if (strcmp(line, "resume") == 0)
        rc = hfp_resume(h, job);
    else if (strcmp(line, "cancel") == 0)
        rc = hfp_cancel(h, job);
    else if (strncmp(line, "limit ", 6) == 0)
        rc = hfp_limit(h, job, strtoull(line + 6, NULL, 10));
    else if (strcmp(line, "stranger") == 0)
        rc = hfp_pause(h, job + 1000);
    else
        return true;
    printf("answer %s %s\n", line, hfp_code_name((enum hfp_code)rc));
    fflush(stdout);
    return false;
}

/* Takes whole lines out of what has come; false at the end of input or after "quit". */
static bool commands(struct hfp *h, uint64_t job)
{
    static char held[1024];
    static size_t n;
    ssize_t got = read(STDIN_FILENO, held + n, sizeof held - 1 - n);
    if (got <= 0)
        return false;
    n += (size_t)got;
    held[n] = 0;
    for (char *end; (end = strchr(held, '\n'));) {
        *end = 0;
        if (obey(h, job, held))
            return false;
        n -= (size_t)(end + 1 - held);
        memmove(held, end + 1, n + 1);
    }
    return true;
}

static int run(struct hfp *h, uint64_t job)
{
    struct pollfd fds[2] = { { .fd = hfp_poll_fd(h), .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };
    for (;;) {
        if (poll(fds, 2, -1) < 0)
            return 1;
        if (fds[1].revents && !commands(h, job))
            return 0;
        for (const struct hfp_event *e; (e = hfp_event_next(h));) {
            print_event(e);
            if (e->type == HFP_EV_DONE)
                return hfp_exit_status(e->status.error.code);
        }
    }
}

int main(int argc, char **argv)
{
    struct hfp_err err = { 0 };
    struct hfp *h = NULL;
    uint64_t job = 0;
    if (argc != 4)
        return 2;
    struct hfp_config config = { .endpoint = argv[1], .hub_cache = argv[2], .max_rounds = 1 };
    if (hfp_open(&h, &config, &err) != HFP_OK) {
        printf("open %s: %s\n", hfp_code_name(err.code), err.message);
        return 1;
    }
    struct hfp_job_spec spec = { .verb = HFP_PULL, .repo = argv[3] };
    int rc = hfp_start(h, &spec, &job, &err);
    if (rc != HFP_OK)
        printf("start %s: %s\n", hfp_code_name(err.code), err.message);
    else
        rc = run(h, job);
    hfp_close(h);
    return rc;
}
