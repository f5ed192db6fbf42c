/* Notifications against a real listener on loopback.
 * Seen red with: the address check left out of open_socket, and a proxy left to untrusted targets ("leads to this
 * machine"), redirects followed ("a redirect is not followed"), the signature without its time ("is signed"), a 404 tried
 * again ("not tried again"), only the shell killed ("what a command started"), a pipe that took half of the message left without a reason ("what a
 * pipe does not hold"). */
#include "front/disk_low.h"
#include "front/notify.h"
#include "tap.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- the listener: /ok, /later (503 once), /gone, /redirect, /hang; remembers what it got ---- */

#define GOT_MAX 64
static struct {
    int fd;
    int port;
    pthread_mutex_t lock;
    char got[GOT_MAX][8192];
    unsigned n, later;
} hook = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void read_request(int fd, char *text, size_t room)
{
    size_t n = 0, want = 0;
    for (;;) {
        ssize_t r = recv(fd, text + n, room - 1 - n, 0);
        if (r <= 0)
            break;
        n += (size_t)r;
        text[n] = '\0';
        char *end = strstr(text, "\r\n\r\n"), *length = strcasestr(text, "content-length:");
        if (end && !want)
            want = (size_t)(end + 4 - text) + (length ? strtoul(length + 15, NULL, 10) : 0);
        if (want && n >= want)
            break;
    }
    text[n] = '\0';
}

static void *serve_one(void *ctx)
{
    int fd = (int)(intptr_t)ctx;
    static const char *const answers[] = { "200 OK", "503 Busy", "404 Gone", "302 Found\r\nLocation: /ok" };
    char text[8192], out[200];
    read_request(fd, text, sizeof text);
    int which = strstr(text, " /gone") ? 2 : strstr(text, " /redirect") ? 3 : 0;
    pthread_mutex_lock(&hook.lock);
    if (strstr(text, " /later") && hook.later++ == 0)
        which = 1;
    if (hook.n < GOT_MAX)
        strcpy(hook.got[hook.n++], text);
    pthread_mutex_unlock(&hook.lock);
    if (strstr(text, " /hang"))
        recv(fd, text, 1, 0);
    int n =
        snprintf(out, sizeof out, "HTTP/1.1 %s\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", answers[which]);
    send(fd, out, (size_t)n, MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

static void *serve(void *ctx)
{
    (void)ctx;
    for (int fd; (fd = accept4(hook.fd, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
        pthread_t t;
        if (pthread_create(&t, NULL, serve_one, (void *)(intptr_t)fd) == 0)
            pthread_detach(t);
    }
    return NULL;
}

static void listen_begin(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;
    pthread_t t;
    hook.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(hook.fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(hook.fd, 32) < 0 ||
        getsockname(hook.fd, (struct sockaddr *)&a, &n) < 0)
        abort();
    hook.port = ntohs(a.sin_port);
    pthread_create(&t, NULL, serve, NULL);
    pthread_detach(t);
}

static unsigned got_count(void)
{
    pthread_mutex_lock(&hook.lock);
    unsigned n = hook.n;
    pthread_mutex_unlock(&hook.lock);
    return n;
}

static void got_clear(void)
{
    pthread_mutex_lock(&hook.lock);
    hook.n = hook.later = 0;
    pthread_mutex_unlock(&hook.lock);
}

/* The address with the listener's port where %d stands. */
static const char *url(const char *pattern)
{
    static char out[4][256];
    static unsigned at;
    at = (at + 1) % 4;
    const char *port = strstr(pattern, "%d");
    snprintf(out[at], sizeof out[at], "%.*s%d%s", (int)(port - pattern), pattern, hook.port, port + 2);
    return out[at];
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- addresses ---- */

static void addresses(void)
{
    static const struct {
        const char *text;
        bool trusted, ok;
        const char *shown;
    } rows[] = {
        { "https://hooks.example/services/T0/SECRET", false, true, "https://hooks.example/..." },
        { "https://hooks.example/a?key=SECRET#SECRET", false, true, "https://hooks.example/..." },
        { "HTTP://h:8080", false, true, "http://h:8080/..." },
        { "ntfy://:SECRET@ntfy.example/topic", false, true, "ntfy://ntfy.example/..." },
        { "matrix://:SECRET@matrix.example/!room:example.org", false, true, "matrix://matrix.example/..." },
        { "cmd:TOKEN=SECRET notify-send hello", true, true, "cmd: ..." },
        { "cmd:notify-send SECRET", true, true, "cmd:notify-send ..." },
        { "cmd:notify-send SECRET", false, false, NULL },
        { "cmd:  ", true, false, NULL },
        { "ftp://SECRET", true, false, NULL },
        { "file:///etc/SECRET", true, false, NULL },
        { "https://", true, false, NULL },
        { "https://user:SECRET@h/x", true, false, NULL },
        { "https://h/SECRET\r\nHost: x", true, false, NULL },
        { "https://h/SECRET x", true, false, NULL },
        { "ntfy://h", true, false, NULL },
        { "matrix://h/!SECRET:h", true, false, NULL },
        { "", true, false, NULL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct notify_target t = { 0 };
        struct hfp_err err = { 0 };
        int rc = notify_target_parse(&t, rows[i].text, rows[i].trusted, &err);
        CHECK((rc == HFP_OK) == rows[i].ok, "address %zu is %s", i, rows[i].ok ? "one" : "none");
        CHECK(!strstr(err.message, "SECRET") && !strstr(t.shown, "SECRET"), "no secret is shown of address %zu", i);
        if (rows[i].ok)
            CHECK_STR(t.shown, rows[i].shown, "address %zu is recognised by what is shown", i);
    }
    char *longer = malloc(NOTIFY_URL_MAX + 100);
    memset(longer, 'a', NOTIFY_URL_MAX + 99);
    longer[NOTIFY_URL_MAX + 99] = '\0';
    memcpy(longer, "https://h/", 10);
    struct notify_target t;
    struct hfp_err err = { 0 };
    CHECK(notify_target_parse(&t, longer, true, &err) == HFP_E_ARG, "an endless address is refused");
    free(longer);
}

static void inward(void)
{
    static const char *const to[] = {
        "http://127.0.0.1:%d/ok",
        "http://localhost:%d/ok",
        "http://127.9.9.9:%d/ok",
        "http://0.0.0.0:%d/ok",
        "http://[::1]:%d/ok",
        "http://[::]:%d/ok",
        "http://[::ffff:127.0.0.1]:%d/ok",
        "http://2130706433:%d/ok",
        "http://127.1:%d/ok",
        "http://169.254.169.254:%d/latest/meta-data",
        "http://[fe80::1]:%d/ok",
        "http://[64:ff9b::7f00:1]:%d/ok",
        "ntfy+http://127.0.0.1:%d/ok",
        "matrix+http://:t@127.0.0.1:%d/!r:h",
    };
    struct notify_way api = { 0 }, user = { .trusted = true }, allowed = { .allow_local = true };
    setenv("http_proxy", "http://192.0.2.1:9", 1); /* must not become a way around */
    got_clear();
    for (size_t i = 0; i < sizeof to / sizeof *to; i++) {
        struct hfp_err err = { 0 };
        char text[256];
        snprintf(text, sizeof text, "%s", url(to[i]));
        CHECK(notify_test(text, &api, &err) == NOTIFY_REFUSED && strstr(err.message, "leads to this machine"),
              "the API cannot send to %s: it leads to this machine (%s)", text, err.message);
    }
    unsetenv("http_proxy");
    CHECK_U64(got_count(), 0, "and nothing arrived there");
    struct hfp_err err = { 0 };
    CHECK(notify_test(url("http://localhost:%d/ok"), &user, &err) == NOTIFY_SENT, "the user's own word is enough %s",
          err.message);
    CHECK(notify_test(url("http://127.0.0.1:%d/ok"), &allowed, &err) == NOTIFY_SENT, "it can be allowed");
    CHECK(notify_test("cmd:true", &allowed, &err) == NOTIFY_REFUSED, "a command never over the API");
}

/* ---- what arrives ---- */

static char logged[4096];
static void log_into(void *ctx, int level, const char *text)
{
    (void)ctx;
    (void)level;
    strncat(logged, text, sizeof logged - strlen(logged) - 2);
    strcat(logged, "\n");
}

static struct notifier *notifier(const char *target)
{
    struct notifier *n = NULL;
    struct hfp_err err = { 0 };
    struct notifier_config config = { .events = NOTIFY_ALL, .log = log_into };
    logged[0] = '\0';
    if (notifier_new(&n, &config, &err) || (target && notifier_add(n, target, true, &err)))
        printf("Bail out! %s\n", err.message);
    return n;
}

static void say(struct notifier *n, enum hfp_event_type type, enum hfp_state state)
{
    struct hfp_event ev = { .type = type,
                            .unix_ms = 1790000000000,
                            .repo = "acme/big",
                            .revision = "main",
                            .status = { .state = state,
                                        .wait = HFP_WAIT_SILENCE,
                                        .wait_text = "8 of 8 connections silent",
                                        .quiet_ns = 31000000000,
                                        .elapsed_ns = 524000000000,
                                        .files = 24,
                                        .fetch_bytes = 1,
                                        .total_bytes = 61080000000,
                                        .recorded_bytes = 37260000000,
                                        .eta_low_s = UINT64_MAX,
                                        .eta_high_s = UINT64_MAX } };
    if (state == HFP_FAILED) {
        ev.status.error.code = HFP_E_NET;
        strcpy(ev.status.error.message, "network gave up after 25 rounds without progress");
    }
    notifier_event(n, &ev, "j_0123456789abcdef");
}

static bool signature_holds(const char *request, const char *secret)
{
    const char *at = strstr(request, "X-Hf-Pull-Timestamp: "), *sig = strstr(request, "X-Hf-Pull-Signature: sha256=");
    const char *body = strstr(request, "\r\n\r\n");
    unsigned char mac[32];
    char said[8192], hex[65];
    unsigned n = 0;
    if (!at || !sig || !body)
        return false;
    int len = snprintf(said, sizeof said, "%lld.%s", atoll(at + 21), body + 4);
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (unsigned char *)said, (size_t)len, mac, &n);
    for (unsigned i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", mac[i]);
    return strncmp(sig + 28, hex, 64) == 0;
}

static void webhook(void)
{
    struct notifier *n = notifier(url("http://127.0.0.1:%d/ok#s3cret"));
    got_clear();
    say(n, HFP_EV_PLAN, HFP_DOWNLOADING);
    say(n, HFP_EV_PROGRESS, HFP_DOWNLOADING);
    say(n, HFP_EV_STALLED, HFP_DOWNLOADING);
    say(n, HFP_EV_RECOVERED, HFP_DOWNLOADING);
    say(n, HFP_EV_DONE, HFP_CANCELLED);
    say(n, HFP_EV_DONE, HFP_DONE);
    say(n, HFP_EV_DONE, HFP_FAILED);
    CHECK(notifier_wait(n, 5000000000), "all is said soon");
    CHECK_U64(got_count(), 5, "one message for each event that means something");
    static const char *const texts[] = {
        "acme/big: started: 24 files, 61.08 GB",
        "acme/big: stalled for 31 s at 61.0 % (37.26 GB of 61.08 GB): 8 of 8 connections silent",
        "acme/big: goes on at 61.0 % (37.26 GB of 61.08 GB)",
        "acme/big: done (pull): 24 files, 61.08 GB in 8m44s",
        "acme/big: failed: network gave up after 25 rounds without progress",
    };
    for (unsigned i = 0; i < 5 && i < hook.n; i++) {
        const char *body = strstr(hook.got[i], "\r\n\r\n");
        cJSON *o = cJSON_Parse(body ? body + 4 : "");
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(o, "text"));
        CHECK_STR(text ? text : "", texts[i], "in words, in order");
        CHECK(signature_holds(hook.got[i], "s3cret"), "each is signed with its time");
        CHECK(cJSON_GetObjectItem(cJSON_GetObjectItem(o, "status"), "recorded_bytes") != NULL, "the figures go along");
        cJSON_Delete(o);
        CHECK(!strstr(hook.got[i], "s3cret"), "the secret stays here");
    }
    notifier_free(n);
}

static void others(void)
{
    got_clear();
    struct notifier *n = notifier(url("ntfy+http://:tk_abc@127.0.0.1:%d/my-topic"));
    struct hfp_err err = { 0 };
    CHECK(notifier_add(n, url("matrix+http://:syt_x@127.0.0.1:%d/!room:example.org"), true, &err) == HFP_OK, "two");
    say(n, HFP_EV_DONE, HFP_FAILED);
    CHECK(notifier_wait(n, 5000000000) && got_count() == 2, "each target gets it");
    for (unsigned i = 0; i < hook.n; i++) {
        const char *r = hook.got[i];
        if (strncmp(r, "POST ", 5) == 0)
            CHECK(strstr(r, "POST /my-topic HTTP") && strstr(r, "Authorization: Bearer tk_abc\r\n") &&
                      strstr(r, "Title: hf-pull: acme/big failed\r\n") && strstr(r, "Priority: 4\r\n") &&
                      strstr(r, "\r\n\r\nacme/big: failed: network gave up"),
                  "ntfy: topic, token, title, priority, text");
        else
            CHECK(strstr(r, "PUT /_matrix/client/v3/rooms/%21room%3Aexample.org/send/m.room.message/") == r &&
                      strstr(r, "Authorization: Bearer syt_x\r\n") &&
                      strstr(r, "{\"msgtype\":\"m.text\",\"body\":\"acme"),
                  "Matrix: room, token, text");
    }
    notifier_free(n);
}

static void failures(void)
{
    got_clear();
    struct notifier *n = notifier(url("http://127.0.0.1:%d/later/s3cret"));
    say(n, HFP_EV_DONE, HFP_DONE);
    CHECK(notifier_wait(n, 5000000000) && got_count() == 2, "503: tried again");
    const char *a = strstr(hook.got[0], "X-Hf-Pull-Delivery"), *b = strstr(hook.got[1], "X-Hf-Pull-Delivery");
    CHECK(a && b && strncmp(a, b, 52) == 0, "under the same id");
    CHECK(strstr(logged, "http://127.0.0.1:") && strstr(logged, "answers 503") && !strstr(logged, "s3cret"),
          "the log says so once, without the path: %s", logged);
    notifier_free(n);
    got_clear();
    n = notifier(url("http://127.0.0.1:%d/gone"));
    say(n, HFP_EV_DONE, HFP_DONE);
    CHECK(notifier_wait(n, 5000000000) && got_count() == 1 && strstr(logged, "given up"), "404: not tried again");
    notifier_free(n);
    got_clear();
    n = notifier(url("http://127.0.0.1:%d/redirect"));
    say(n, HFP_EV_DONE, HFP_DONE);
    CHECK(notifier_wait(n, 5000000000) && got_count() == 1 && strstr(logged, "302"), "a redirect is not followed");
    notifier_free(n);
}

static void never_waits(void)
{
    got_clear();
    struct notifier *n = notifier(url("http://127.0.0.1:%d/hang"));
    struct hfp_err err = { 0 };
    notifier_add(n, url("http://127.0.0.1:%d/ok"), true, &err);
    double begun = now_s();
    for (int i = 0; i < 200; i++)
        say(n, HFP_EV_STALLED, HFP_DOWNLOADING);
    CHECK(now_s() - begun < 2, "saying never waits");
    CHECK(!notifier_wait(n, 1000000000), "one does not answer");
    CHECK(got_count() > 1, "the other target is not held up");
    begun = now_s();
    notifier_free(n);
    CHECK(now_s() - begun < 3, "and the end is soon");
}

static void commands(void)
{
    char folder[] = "/tmp/test_notify.XXXXXX", line[400], path[64];
    if (!mkdtemp(folder))
        abort();
    snprintf(line, sizeof line, "cmd:cat > %s/json; echo \"$HF_PULL_EVENT $HF_PULL_TEXT\" > %s/text", folder, folder);
    struct notifier *n = notifier(line);
    say(n, HFP_EV_DONE, HFP_DONE);
    CHECK(notifier_wait(n, 5000000000), "a command ends");
    notifier_free(n);
    char text[300] = "", json[4096] = "";
    snprintf(path, sizeof path, "%s/text", folder);
    FILE *f = fopen(path, "r");
    CHECK(f && fgets(text, sizeof text, f), "it ran");
    CHECK_STR(text, "done acme/big: done (pull): 24 files, 61.08 GB in 8m44s\n", "with the event in its environment");
    if (f)
        fclose(f);
    unlink(path);
    snprintf(path, sizeof path, "%s/json", folder);
    f = fopen(path, "r");
    CHECK(f && fread(json, 1, sizeof json - 1, f) > 0, "the JSON on its standard input");
    cJSON *o = cJSON_Parse(json);
    CHECK(o && cJSON_GetObjectItem(o, "status"), "whole");
    cJSON_Delete(o);
    if (f)
        fclose(f);
    unlink(path);
    snprintf(line, sizeof line, "cmd:sleep 300 & echo $! > %s/pid; wait", folder);
    struct notify_way way = { .trusted = true };
    struct hfp_err err = { 0 };
    double begun = now_s();
    CHECK(notify_test(line, &way, &err) == NOTIFY_REFUSED && now_s() - begun < NOTIFY_ATTEMPT_S + 2,
          "one that hangs is ended");
    snprintf(path, sizeof path, "%s/pid", folder);
    f = fopen(path, "r");
    int pid = f && fgets(text, sizeof text, f) ? atoi(text) : 0;
    if (f)
        fclose(f);
    nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
    snprintf(line, sizeof line, "/proc/%d/stat", pid);
    f = fopen(line, "r");
    bool gone = !f || !fgets(text, sizeof text, f) || strstr(text, ") Z");
    if (f)
        fclose(f);
    CHECK(pid > 0 && gone, "and so is what a command started");
    unlink(path);
    rmdir(folder);
    CHECK(notify_test("cmd:exit 3", &way, &err) == NOTIFY_AGAIN && strstr(err.message, "status 3"),
          "a failing one is said");
    char *long_json = calloc(1, 200001); /* as for a pipe of 4 KiB, which users with many pipes get (pipe(7)) */
    struct notify_target t;
    struct notify_letter letter = { .event = "done", .title = "", .text = "", .json = long_json };
    memset(long_json, '1', 200000);
    errno = 0;
    CHECK(notify_target_parse(&t, "cmd:true", true, &err) == HFP_OK &&
              notify_send(&t, &letter, &way, &err) == NOTIFY_AGAIN,
          "what a pipe does not hold is not said to be sent");
    free(long_json);
}

static void choices(void)
{
    unsigned set = 77;
    CHECK(notify_events_parse(&set, "stalled,failed") && set == (1U << NOTIFY_STALLED | 1U << NOTIFY_FAILED), "some");
    CHECK(notify_events_parse(&set, "all") && set == NOTIFY_ALL, "all");
    CHECK(!notify_events_parse(&set, "stalled,fallen") && !notify_events_parse(&set, ""), "others are none");
    struct disk_low d = { 0 };
    uint64_t left = 0;
    CHECK(!disk_low_turn(&d, "/", 0, 1, &left) || left < 2ULL << 30, "an empty wish fits");
    d = (struct disk_low){ 0 };
    CHECK(disk_low_turn(&d, "/", UINT64_MAX / 2, 1, &left) && left > 0, "what does not fit is said");
    CHECK(!disk_low_turn(&d, "/", UINT64_MAX / 2, 20000000000, &left), "once");
}

int main(void)
{
    listen_begin();
    addresses();
    inward();
    webhook();
    others();
    failures();
    never_waits();
    commands();
    choices();
    return tap_end();
}
