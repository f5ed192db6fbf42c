/* What a request may say.
 * Seen red with: unknown members let through, a member given twice, the depth unchecked, links of huggingface.co alone
 * understood. */
#include "daemon/body.h"
#include "daemon/job_json.h"
#include "tap.h"

#include <stdlib.h>

static int read_ask(struct job_ask *a, const char *text, struct hfp_err *err)
{
    cJSON *o = NULL;
    int rc = body_parse(&o, text, strlen(text), err);
    if (rc == HFP_OK)
        rc = body_ask(a, o, "https://hub.example", err);
    cJSON_Delete(o);
    return rc;
}

static void refused(void)
{
    static const struct {
        const char *text, *word;
    } rows[] = {
        { "", "object" },
        { "[]", "object" },
        { "5", "object" },
        { "{\"repo\":\"a/b\"}}", "object" },
        { "{\"repo\":\"a/b\",}", "object" },
        { "{\"repo\":\"a/b\" \"x\":1}", "object" },
        { "{\"repo\":[[[[[1]]]]]}", "object" },
        { "{\"repo\":\"a\\u0000/b\"}", "object" },
        { "{}", "repo: is missing" },
        { "{\"repo\":null}", "repo: is missing" },
        { "{\"repo\":\"\"}", "repo" },
        { "{\"repo\":\"../../etc\"}", "repo" },
        { "{\"repo\":\"https://other.example/a/b\"}", "is not a link to https://hub.example" },
        { "{\"repo\":\"a/b\\n\"}", "repo" },
        { "{\"repo\":\"a/b\",\"repo\":\"a/c\"}", "repo: given twice" },
        { "{\"repo\":\"a/b\",\"Repo\":\"a/c\"}", "Repo" },
        { "{\"repo\":\"a/b\",\"notify\":[\"cmd:true\"]}", "command line only" },
        { "{\"repo\":\"a/b\",\"notify\":\"https://h/x\"}", "notify" },
        { "{\"repo\":\"a/b\",\"notify_on\":[\"often\"]}", "notify_on" },
        { "{\"repo\":\"a/b\",\"priority\":\"1\"}", "priority" },
        { "{\"repo\":\"a/b\",\"priority\":-101}", "priority" },
        { "{\"repo\":\"a/b\",\"priority\":0.5}", "priority" },
        { "{\"repo\":\"a/b\",\"limit_bytes_per_s\":9007199254740992}", "limit_bytes_per_s" },
        { "{\"repo\":\"a/b\",\"limit_bytes_per_s\":1e400}", "limit_bytes_per_s" },
        { "{\"repo\":\"a/b\",\"include\":[1]}", "include" },
        { "{\"repo\":\"a/b\",\"include\":[\"\"]}", "include" },
        { "{\"repo\":\"a/b\",\"force\":1}", "force" },
        { "{\"repo\":\"a/b\",\"verb\":\"serve\"}", "verb" },
        { "{\"repo\":\"a/b\",\"type\":\"models\"}", "type" },
        { "{\"repo\":\"datasets/a/b\",\"type\":\"model\"}", "two kinds" },
        { "{\"repo\":\"a/b@v1\",\"revision\":\"v2\"}", "two revisions" },
        { "{\"repo\":\"a/b:x\",\"paths\":[\"y\"]}", "repo names a file" },
        { "{\"repo\":\"a/b\",\"paths\":[\"y\"],\"include\":[\"z\"]}", "paths and patterns" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hfp_err err = { 0 };
        struct job_ask a = { 0 };
        int rc = read_ask(&a, rows[i].text, &err);
        CHECK(rc == HFP_E_ARG && strstr(err.message, rows[i].word), "%s: refused, naming %s (%s)", rows[i].text,
              rows[i].word, err.message);
        CHECK(a.repo == NULL, "and nothing is left");
    }
}

static void taken(void)
{
    static const struct {
        const char *text, *kept;
    } rows[] = {
        { "{\"repo\":\"a/b\"}",
          "{\"repo\":\"a/b\",\"revision\":\"main\",\"type\":\"model\",\"verb\":\"pull\",\"include\":[],\"exclude\":[],"
          "\"paths\":[],\"local_dir\":null,\"force\":false,\"priority\":0,\"limit_bytes_per_s\":0,\"notify\":[],"
          "\"notify_on\":[]}" },
        { " { \"repo\" : \"https://huggingface.co/datasets/a/b/tree/v1\", \"verb\":\"verify\",\"priority\":-100 } ",
          "{\"repo\":\"a/"
          "b\",\"revision\":\"v1\",\"type\":\"dataset\",\"verb\":\"verify\",\"include\":[],\"exclude\":[],"
          "\"paths\":[],\"local_dir\":null,\"force\":false,\"priority\":-100,\"limit_bytes_per_s\":0,\"notify\":[],"
          "\"notify_on\":[]}" },
        { "{\"repo\":\"https://hub.example/spaces/a/b/tree/v1\"}",
          "{\"repo\":\"a/b\",\"revision\":\"v1\",\"type\":\"space\",\"verb\":\"pull\",\"include\":[],\"exclude\":[],"
          "\"paths\":[],\"local_dir\":null,\"force\":false,\"priority\":0,\"limit_bytes_per_s\":0,\"notify\":[],"
          "\"notify_on\":[]}" },
        { "{\"repo\":\"a/b@v1:x/y.bin\",\"limit_bytes_per_s\":9007199254740991,\"revision\":null}",
          "{\"repo\":\"a/b\",\"revision\":\"v1\",\"type\":\"model\",\"verb\":\"pull\",\"include\":[],\"exclude\":[],"
          "\"paths\":[\"x/y.bin\"],\"local_dir\":null,\"force\":false,\"priority\":0,"
          "\"limit_bytes_per_s\":9007199254740991,\"notify\":[],\"notify_on\":[]}" },
        { "{\"repo\":\"a/"
          "b\",\"include\":[\"*.bin\",\"\xc3\xa4\"],\"exclude\":[\"x\"],\"force\":true,\"type\":\"space\"}",
          "{\"repo\":\"a/"
          "b\",\"revision\":\"main\",\"type\":\"space\",\"verb\":\"pull\",\"include\":[\"*.bin\",\"\xc3\xa4\"],"
          "\"exclude\":[\"x\"],\"paths\":[],\"local_dir\":null,\"force\":true,\"priority\":0,\"limit_bytes_per_s\":"
          "0,\"notify\":[],\"notify_on\":[]}" },
        { "{\"repo\":\"a/b\",\"notify\":[\"ntfy://:tk@n.example/t\"],\"notify_on\":[\"done\",\"failed\"]}",
          "{\"repo\":\"a/b\",\"revision\":\"main\",\"type\":\"model\",\"verb\":\"pull\",\"include\":[],\"exclude\":[],"
          "\"paths\":[],\"local_dir\":null,\"force\":false,\"priority\":0,\"limit_bytes_per_s\":0,"
          "\"notify\":[\"ntfy://:tk@n.example/t\"],\"notify_on\":[\"done\",\"failed\"]}" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct hfp_err err = { 0 };
        struct job_ask a = { 0 }, again = { 0 };
        struct out o = { 0 };
        CHECK(read_ask(&a, rows[i].text, &err) == HFP_OK, "%s: taken (%s)", rows[i].text, err.message);
        out_fmt(&o, "%s", "");
        job_ask_json(&o, NULL, &a);
        char *text = out_take(&o, NULL);
        CHECK_STR(text, rows[i].kept, "and what it means is kept");
        CHECK(read_ask(&again, text, &err) == HFP_OK && job_ask_same(&a, &again), "which reads back as the same");
        free(text);
        job_ask_done(&a);
        job_ask_done(&again);
    }
}

static void status(void)
{
    struct hfp_status st = { .files = 3, .total_bytes = UINT64_C(5000000000000), .elapsed_ns = 7 };
    struct out o = { 0 };
    st.waited_ns[HFP_WAIT_DISK] = 5000000000;
    st.error = (struct hfp_err){ .code = HFP_E_NO_SPACE, .http_status = 0, .message = "no \"space\"" };
    status_kept_json(&o, NULL, &st);
    char *text = out_take(&o, NULL);
    struct hfp_status *back = status_kept_read(text);
    CHECK(back && back->files == 3 && back->total_bytes == st.total_bytes && back->elapsed_ns == 7 &&
              back->waited_ns[HFP_WAIT_DISK] == 5000000000 && back->error.code == HFP_E_NO_SPACE,
          "figures of the end outlive the daemon");
    CHECK_STR(back ? back->error.message : "", "no \"space\"", "and the reason");
    CHECK(status_kept_read(NULL) == NULL && status_kept_read("{") == NULL && status_kept_read("[]") == NULL,
          "what cannot be read is none");
    free(back);
    free(text);
}

int main(void)
{
    refused();
    taken();
    status();
    return tap_end();
}
