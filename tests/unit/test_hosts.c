/* test_hosts.c: bad addresses are left, hosts that ask for rest get it, what was learned survives (P3, P7).
 *
 * Seen red on purpose: bad addresses were picked; a black-holing family was not left; suspicion did not grow, or had
 * no end; a low RateLimit did not spread requests; Retry-After of a redirect counted; DNS was asked for --resolve
 * names; a later version's file was replaced. */
#include "base/io.h"
#include "net/hosts.h"
#include "tap.h"

#include <limits.h>
#include <unistd.h>

#define S NS_PER_S
#define KEY "cdn.example:443"

static struct hosts *hosts_begin(const char *const *resolve, enum hfp_family family)
{
    struct hosts *h = NULL;
    struct hfp_err err = { 0 };
    if (hosts_new(&h, resolve, family, &err))
        abort();
    return h;
}

static const char *pick(struct hosts *h, uint64_t now_ns)
{
    const char *address = hosts_pick(h, KEY, NULL, 0, now_ns);
    return address ? address : "curl";
}

static void test_suspicion(void)
{
    struct hosts *h = hosts_begin(NULL, HFP_ANY_FAMILY);
    uint64_t t = 1000 * S;
    CHECK_STR(pick(h, t), "curl", "an unknown host is libcurl's");
    CHECK(!hosts_addresses_wanted(h, KEY, t), "and DNS is not asked");
    hosts_add_address(h, KEY, "192.0.2.1");
    hosts_add_address(h, KEY, "192.0.2.2");
    hosts_add_address(h, KEY, "not an address");
    hosts_ok(h, KEY, "192.0.2.1", t);
    CHECK_STR(pick(h, t), "curl", "addresses alone change nothing");
    hosts_failed(h, KEY, "192.0.2.1", t);
    CHECK_STR(pick(h, t), "192.0.2.2", "a failed address is left for another");
    CHECK(hosts_addresses_wanted(h, KEY, t), "and DNS is to be asked");
    hosts_asked(h, KEY, t);
    CHECK(!hosts_addresses_wanted(h, KEY, t + 1 * S), "once");
    CHECK(hosts_addresses_wanted(h, KEY, t + 29 * S + 31 * S) == false, "not when the suspicion is over");
    hosts_add_address(h, KEY, "192.0.2.3");
    const char *a = pick(h, t), *b = pick(h, t);
    CHECK(strcmp(a, b) != 0, "good addresses take turns");
    CHECK_STR(pick(h, t + 30 * S), "curl", "after 30 s it is forgiven");
    hosts_failed(h, KEY, "192.0.2.1", t + 30 * S);
    CHECK(strcmp(pick(h, t + 89 * S), "curl") != 0, "the second time after 60 s");
    CHECK_STR(pick(h, t + 90 * S), "curl", "not longer");
    hosts_ok(h, KEY, "192.0.2.1", t + 91 * S);
    hosts_failed(h, KEY, "192.0.2.1", t + 92 * S);
    CHECK_STR(pick(h, t + 122 * S), "curl", "a success in between starts over");
    for (int i = 0; i < 100; i++)
        hosts_failed(h, KEY, "192.0.2.1", t + 200 * S);
    CHECK(strcmp(pick(h, t + 799 * S), "curl") != 0, "at most");
    CHECK_STR(pick(h, t + 800 * S), "curl", "10 min");
    hosts_failed(h, KEY, "192.0.2.1", t + 2000 * S);
    CHECK_STR(pick(h, t + 2030 * S), "curl", "an old story does not count");
    hosts_failed(h, KEY, "192.0.2.1", t + 3000 * S);
    hosts_ok(h, KEY, "192.0.2.1", t + 3001 * S);
    CHECK_STR(pick(h, t + 3002 * S), "curl", "a success clears at once");
    hosts_free(h);
}

static void test_unknown_address(void)
{
    struct hosts *h = hosts_begin(NULL, HFP_ANY_FAMILY);
    uint64_t t = 1000 * S;
    hosts_failed(h, KEY, "", t);
    CHECK_STR(pick(h, t), "curl", "nothing known yet to choose from");
    CHECK(hosts_addresses_wanted(h, KEY, t), "so DNS is to be asked");
    hosts_add_address(h, KEY, "192.0.2.1");
    CHECK_STR(pick(h, t), "192.0.2.1", "then we choose");
    hosts_ok(h, KEY, "192.0.2.1", t);
    CHECK_STR(pick(h, t + 1 * S), "192.0.2.1", "and stay with it although it works: libcurl's choice did not");
    CHECK_STR(pick(h, t + 30 * S), "curl", "for 30 s");
    hosts_failed(h, KEY, "192.0.2.1", t + 31 * S);
    CHECK_STR(pick(h, t + 31 * S), "curl", "all are bad: libcurl again");
    hosts_free(h);
}

static void test_avoid(void)
{
    struct hosts *h = hosts_begin(NULL, HFP_ANY_FAMILY);
    static const char *const avoid[] = { "192.0.2.1", NULL };
    hosts_add_address(h, KEY, "192.0.2.1");
    CHECK(!hosts_pick(h, KEY, avoid, 2, S), "the only address cannot be avoided");
    hosts_add_address(h, KEY, "2001:DB8:0::2");
    const char *a = hosts_pick(h, KEY, avoid, 2, S);
    CHECK_STR(a ? a : "curl", "2001:db8::2", "a second opinion comes from another address, without suspicion");
    hosts_free(h);
}

static void test_families(void)
{
    struct hosts *h = hosts_begin(NULL, HFP_ANY_FAMILY);
    uint64_t t = 1000 * S;
    hosts_add_address(h, KEY, "2001:db8::1");
    hosts_add_address(h, KEY, "2001:db8::2");
    hosts_add_address(h, KEY, "192.0.2.1");
    hosts_failed(h, KEY, "2001:db8::1", t);
    CHECK_STR(pick(h, t), "192.0.2.1", "a family that never worked is left as a whole");
    hosts_ok(h, KEY, "192.0.2.1", t + 1);
    CHECK_STR(pick(h, t + 2), "192.0.2.1", "again");
    hosts_ok(h, KEY, "2001:db8::2", t + 3);
    CHECK_STR(pick(h, t + 4), "2001:db8::2", "one that worked since is not");
    hosts_free(h);

    h = hosts_begin(NULL, HFP_IPV6);
    hosts_add_address(h, KEY, "192.0.2.1");
    hosts_add_address(h, KEY, "2001:db8::2");
    hosts_failed(h, KEY, "2001:db8::1", t);
    CHECK_STR(pick(h, t), "2001:db8::2", "-6 allows nothing else");
    hosts_failed(h, KEY, "2001:db8::2", t);
    CHECK_STR(pick(h, t), "curl", "even when all of it is bad");
    hosts_free(h);
}

static void test_gates(void)
{
    static struct http_headers a;
    struct hosts *h = hosts_begin(NULL, HFP_ANY_FAMILY);
    uint64_t t = 1000 * S;
    CHECK_U64(hosts_not_before(h, KEY, t), t, "an unknown host may be asked at once");
    headers_init(&a, 302);
    a.retry_after_s = 9;
    hosts_answered(h, KEY, &a, t);
    CHECK_U64(hosts_not_before(h, KEY, t), t, "Retry-After of a redirect is not for us");
    a.status = 429;
    hosts_answered(h, KEY, &a, t);
    CHECK_U64(hosts_not_before(h, KEY, t), t + 9 * S, "that of a 429 is obeyed");
    a.retry_after_s = 2;
    hosts_answered(h, KEY, &a, t);
    CHECK_U64(hosts_not_before(h, KEY, t), t + 9 * S, "a shorter one does not shorten it");
    CHECK_U64(hosts_not_before(h, KEY, t + 10 * S), t + 10 * S, "it ends");
    a.retry_after_s = UINT64_MAX - 1;
    hosts_answered(h, KEY, &a, t);
    CHECK_U64(hosts_not_before(h, KEY, t), t + 3600 * S, "nobody is believed for more than an hour");
    hosts_free(h);

    h = hosts_begin(NULL, HFP_ANY_FAMILY);
    headers_init(&a, 200);
    a.limit = (struct rate_limit){ .present = true, .remaining = 50, .reset_s = 100, .quota = 500, .window_s = 300 };
    hosts_answered(h, KEY, &a, t);
    hosts_sent(h, KEY, t);
    CHECK_U64(hosts_not_before(h, KEY, t), t, "a tenth of the quota left: no brake");
    a.limit.remaining = 49;
    hosts_answered(h, KEY, &a, t);
    CHECK_U64(hosts_not_before(h, KEY, t), t, "less: the next one may go");
    unsigned sent = 0;
    for (uint64_t now = t; now < t + 100 * S; now += S / 10)
        if (hosts_not_before(h, KEY, now) <= now) {
            hosts_sent(h, KEY, now);
            sent++;
        }
    CHECK(sent >= 45 && sent <= 49, "the rest is spread over the window (%u sent)", sent);
    for (uint64_t i = 0; i < 100; i++)
        hosts_sent(h, KEY, t + 99 * S);
    CHECK(hosts_not_before(h, KEY, t + 99 * S) <= t + 100 * S, "never beyond its end");
    hosts_sent(h, KEY, t + 101 * S);
    CHECK_U64(hosts_not_before(h, KEY, t + 101 * S), t + 101 * S, "after it there is no brake");
    a.limit.remaining = 0;
    hosts_answered(h, KEY, &a, t + 200 * S);
    CHECK_U64(hosts_not_before(h, KEY, t + 200 * S), t + 300 * S, "nothing left: wait for the reset, before any 429");
    hosts_free(h);
}

static void test_static_entries(void)
{
    static const char *const resolve[] = { "+a.example:443:192.0.2.1,[2001:db8::1],192.0.2.2",
                                           "[::1]:80:127.0.0.1",
                                           "-b.example:443",
                                           "*:443:192.0.2.9",
                                           "broken",
                                           "c.example:443:",
                                           NULL };
    struct hosts *h = hosts_begin(resolve, HFP_ANY_FAMILY);
    hosts_failed(h, "A.example:443", "192.0.2.1", S);
    CHECK(!hosts_addresses_wanted(h, "a.example:443", S), "DNS is not asked for what --resolve gave");
    hosts_failed(h, "a.example:443", "192.0.2.2", S);
    const char *a = hosts_pick(h, "a.example:443", NULL, 0, S);
    CHECK_STR(a ? a : "curl", "2001:db8::1", "its addresses are known at once");
    hosts_failed(h, "[::1]:80", "", S);
    a = hosts_pick(h, "[::1]:80", NULL, 0, S);
    CHECK_STR(a ? a : "curl", "127.0.0.1", "IPv6 names are understood");
    hosts_free(h);
}

static void test_bounds(void)
{
    struct hosts *h = hosts_begin(NULL, HFP_ANY_FAMILY);
    char key[HOST_KEY_MAX + 8], address[32];
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "h%d.example:443", i);
        hosts_learn(h, key, (struct host_learned){ 4, 1000 });
        hosts_learn(h, "kept.example:443", (struct host_learned){ 7, 1000 });
    }
    CHECK(hosts_learned(h, "h0.example:443").connections == 0 && hosts_learned(h, "h199.example:443").connections == 4,
          "the longest unused host is dropped");
    CHECK(hosts_learned(h, "kept.example:443").connections == 7, "a used one stays");
    memset(key, 'k', sizeof key);
    key[sizeof key - 1] = 0;
    hosts_learn(h, key, (struct host_learned){ 1, 1 });
    CHECK(hosts_learned(h, key).connections == 0, "a key that is too long is not learned");
    for (int i = 1; i <= 100; i++) {
        snprintf(address, sizeof address, "192.0.2.%d", i);
        hosts_add_address(h, KEY, address);
    }
    hosts_failed(h, KEY, "192.0.2.100", S);
    unsigned different = 0;
    for (int i = 1; i <= 100; i++) {
        const char *want = pick(h, S);
        snprintf(address, sizeof address, "%s", want);
        hosts_failed(h, KEY, address, S);
        different += strcmp(address, "curl") != 0;
    }
    CHECK_U64(different, HOST_ADDRESSES_MAX - 1, "addresses are bounded, each is tried");
    CHECK(hosts_key(key, "https://Cdn.example/a?b") && strcmp(key, "Cdn.example:443") == 0, "the key of a URL");
    CHECK(hosts_key(key, "http://[::1]:81/") && strcmp(key, "[::1]:81") == 0, "of an IPv6 one");
    CHECK(!hosts_key(key, "ftp://x/"), "of no other");
    hosts_free(h);
}

static int write_hosts(int dir, const char *text)
{
    struct hfp_err err = { 0 };
    return io_write_file(dir, "hosts", dir, text, strlen(text), 0644, false, &err);
}

static void test_file(void)
{
    char path[] = "/tmp/test_hosts.XXXXXX";
    struct hfp_err err = { 0 };
    int dir = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    struct hosts *h = hosts_begin(NULL, HFP_ANY_FAMILY);
    CHECK(hosts_load(h, dir, &err) == HFP_OK, "no file is fine");
    CHECK(!hosts_any_learned(h), "and nothing to save");
    hosts_learn(h, "a.example:443", (struct host_learned){ 8, 118234112 });
    hosts_add_address(h, "b.example:443", "192.0.2.1");
    hosts_failed(h, "b.example:443", "2001:db8::1", S);
    hosts_ok(h, "b.example:443", "192.0.2.1", S);
    hosts_add_address(h, "nothing.example:443", "192.0.2.1");
    hosts_learn(h, "[::1]:80", (struct host_learned){ 4000000000U, UINT64_MAX / 100 });
    CHECK(hosts_any_learned(h) && hosts_save(h, dir, &err) == HFP_OK, "what was learned is saved: %s", err.message);
    hosts_free(h);
    char *text = NULL;
    CHECK(io_read_file(&text, NULL, dir, "hosts", 4096, &err) == HFP_OK, "as a file");
    CHECK_STR(text ? text : "",
              "hf-pull hosts 1\na.example:443 any 8 118234112\nb.example:443 ipv4 0 0\n"
              "[::1]:80 any 9999 184467440737095516\n",
              "of the form docs/formats/hosts.md gives");
    free(text);
    h = hosts_begin(NULL, HFP_ANY_FAMILY);
    CHECK(hosts_load(h, dir, &err) == HFP_OK && hosts_learned(h, "a.example:443").connections == 8 &&
              hosts_learned(h, "a.example:443").rate_bytes_per_s == 118234112,
          "and read again");
    hosts_free(h);

    static const struct {
        const char *name, *text;
        int rc;
        uint32_t connections;
        bool replaced;
    } rows[] = {
        { "a good line among bad ones",
          "hf-pull hosts 1\n\n!\nx y\na.example:443 ipv9 3 1\na.example:443 any 5 7\nnokey any 5 7\n", HFP_OK, 5,
          true },
        { "numbers without end", "hf-pull hosts 1\na.example:443 any 99999999999999999999 7\n", HFP_OK, 0, true },
        { "a torn last line", "hf-pull hosts 1\na.example:443 any 5 7\na.exam", HFP_OK, 5, true },
        { "no line end", "hf-pull hosts 1\na.example:443 any 6 7", HFP_OK, 6, true },
        { "a foreign file", "something else\n", HFP_E_CORRUPT, 0, true },
        { "empty", "", HFP_E_CORRUPT, 0, true },
        { "a later version", "hf-pull hosts 2\na.example:443 any 5 7\n", HFP_E_VERSION, 0, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        h = hosts_begin(NULL, HFP_ANY_FAMILY);
        write_hosts(dir, rows[i].text);
        CHECK(hosts_load(h, dir, &err) == rows[i].rc, "%s is %s", rows[i].name,
              hfp_code_name((enum hfp_code)rows[i].rc));
        CHECK_U64(hosts_learned(h, "a.example:443").connections, rows[i].connections, "%s: what is known",
                  rows[i].name);
        CHECK(hosts_save(h, dir, &err) == HFP_OK && io_read_file(&text, NULL, dir, "hosts", 4096, &err) == HFP_OK &&
                  (strcmp(text, rows[i].text) != 0) == rows[i].replaced,
              "%s: is %s", rows[i].name, rows[i].replaced ? "replaced" : "left as it is");
        free(text);
        hosts_free(h);
    }
    unlinkat(dir, "hosts", 0);
    close(dir);
    CHECK(rmdir(path) == 0, "no temporary file is left");
}

int main(void)
{
    test_suspicion();
    test_unknown_address();
    test_avoid();
    test_families();
    test_gates();
    test_static_entries();
    test_bounds();
    test_file();
    return tap_end();
}
