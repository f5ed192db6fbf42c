/* Other tools' downloads, seen from outside.
 * Seen red with: the mtime of the first look ignored ("has been quiet"), the control file not read ("aria2"), hf-pull's own
 * partials not left out ("ours"), a link followed ("no link"), the rate over all samples instead of the last seconds ("the
 * rate falls"), a plain file shown without a writer ("nobody's"), a control file or a listing opened that is a pipe (ends by SIGALRM). */
#include "front/foreign.h"
#include "tap.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SHA256 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char root[] = "/tmp/test_foreign.XXXXXX";

static const char *at(const char *name)
{
    static char path[4][600];
    static unsigned i;
    i = (i + 1) % 4;
    snprintf(path[i], sizeof path[i], "%s/%s", root, name);
    return path[i];
}

static void folders(const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s", at(name));
    for (char *c = path + strlen(root) + 1; (c = strchr(c, '/')) != NULL; *c++ = '/') {
        *c = '\0';
        mkdir(path, 0755);
    }
}

static void put(const char *name, const void *bytes, size_t n)
{
    folders(name);
    int fd = open(at(name), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
        abort();
    close(fd);
}

static void put_text(const char *name, const char *text)
{
    put(name, text, strlen(text));
}

static void aged(const char *name, int64_t unix_s)
{
    struct timespec t[2] = { { unix_s, 0 }, { unix_s, 0 } };
    if (utimensat(AT_FDCWD, at(name), t, AT_SYMLINK_NOFOLLOW) < 0)
        abort();
}

static const struct foreign_download *find(const struct foreign *f, const char *name)
{
    for (size_t i = 0; i < foreign_count(f); i++)
        if (strcmp(foreign_at(f, i)->path, at(name)) == 0)
            return foreign_at(f, i);
    return NULL;
}

#define HUB "hub/models--acme--big/blobs/" SHA256 ".1a2b3c4d.incomplete"
#define LOCAL "dir/.cache/huggingface/download/sub/mBG94Lz8EYH5gU8b5axgj2RF9Tk=." SHA256 ".00000001.incomplete"

static void build(int64_t now)
{
    static const unsigned char control[] = {
        0,    1,   0, 0, 0, 0, 0,    0, 0, 0,       /* version, extension, no info hash */
        0,    0,   4, 0,                            /* pieces of 1 KiB */
        0,    0,   0, 0, 0, 0, 0x28, 0,             /* 10 KiB in all */
        0,    0,   0, 0, 0, 0, 0,    0, 0, 0, 0, 2, /* nothing sent; two bytes of bits */
        0xF0, 0x40
    }; /* five pieces are here */
    put_text(HUB, "hello");
    put_text("hub/models--acme--big/trees/4c446470ba0aec43e22ac1128f9ffd915f338ba3.json",
             "{\"format_version\":1,\"files\":{\"model.gguf\":{\"size\":20,\"blob_id\":\"x\",\"lfs_sha256\":\"" SHA256
             "\"}}}");
    put_text(LOCAL, "hello");
    put_text("dir/.cache/huggingface/download/sub/other.lock", "");
    put_text("dir/.cache/huggingface/download/sub/model.bin.lock", "");
    put_text("get/model.gguf.part", "12345678");
    aged("get/model.gguf.part", now - 42);
    put_text("get/big.iso", "preallocated to its full size");
    put("get/big.iso.aria2", control, sizeof control);
    put_text("get/ours.12345678.incomplete", "x");
    put_text("get/ours.12345678.digests", "x");
    put_text("get/finished.bin", "x");
    put_text("elsewhere/secret.part", "x");
    if (symlink(at("elsewhere"), at("get/link")) < 0 || symlink(at("elsewhere/secret.part"), at("get/link.part")) < 0)
        abort();
}

static void recognised(struct foreign *f)
{
    const struct foreign_download *d = find(f, HUB);
    CHECK(d && strcmp(d->repo, "acme/big") == 0 && strcmp(d->file, "model.gguf") == 0 && d->total_bytes == 20,
          "a hub cache tells repository, file and size");
    CHECK(d && d->size_bytes == 5 && !d->stalled && strcmp(d->by, "huggingface_hub") == 0 && !d->text[0],
          "and it is young");
    CHECK(d && foreign_find(f, d->id) == d && strlen(d->id) == 16, "found again by its id");
    d = find(f, LOCAL);
    CHECK(d && strcmp(d->file, "sub/model.bin") == 0, "a local folder's lock tells the name (%s)", d ? d->file : "");
    d = find(f, "get/model.gguf.part");
    CHECK(d && d->stalled && strcmp(d->file, "model.gguf") == 0,
          "what has been quiet before the first look is stalled");
    CHECK_STR(d ? d->text : "", "No file activity for 42s - download may be stalled", "in these words");
    d = find(f, "get/big.iso");
    CHECK(d && d->size_bytes == 5 * 1024 && d->total_bytes == 10240 && strcmp(d->by, "aria2") == 0,
          "aria2's control file counts, not the size reserved ahead");
    CHECK(!find(f, "get/ours.12345678.incomplete"), "ours are left out");
    CHECK(!find(f, "get/finished.bin"), "a file that is nobody's download is none");
    CHECK(!find(f, "get/link.part") && !find(f, "get/link/secret.part") && !find(f, "elsewhere/secret.part"),
          "no link leads out of the folder");
    CHECK_U64(foreign_count(f), 4, "and nothing else");
    CHECK(foreign_at(f, 3) && foreign_at(f, 3)->stalled, "moving ones first");
    CHECK(foreign_at(f, 4) == NULL && foreign_find(f, "nothing") == NULL, "no further");
}

static void watched(struct foreign *f, int64_t now)
{
    const struct foreign_download *d;
    for (int i = 1; i <= 10; i++) {
        put(HUB, "0123456789", 10);
        foreign_scan(f, (now + i) * 1000);
    }
    d = find(f, HUB);
    CHECK(d && d->size_bytes == 105 && d->rate_bytes_per_s == 10, "the rate is counted (%d)",
          d ? (int)d->rate_bytes_per_s : -1);
    for (int i = 11; i <= 16; i++)
        foreign_scan(f, (now + i) * 1000);
    d = find(f, HUB);
    CHECK(d && d->rate_bytes_per_s == 0, "the rate falls to zero within 6 s");
    for (int i = 17; i <= 39; i++)
        foreign_scan(f, (now + i) * 1000);
    d = find(f, HUB);
    CHECK(d && d->rate_bytes_per_s == 0 && !d->stalled && d->quiet_s == 29, "29 s are no stall");
    foreign_scan(f, (now + 40) * 1000);
    d = find(f, HUB);
    CHECK(d && d->stalled && strcmp(d->text, "No file activity for 30s - download may be stalled") == 0, "30 s are");
    put(HUB, "x", 1);
    foreign_scan(f, (now + 41) * 1000);
    d = find(f, HUB);
    CHECK(d && !d->stalled && !d->text[0], "one byte, and it goes on");
    struct foreign_download told = d ? *d : (struct foreign_download){ 0 };
    struct out o = { 0 };
    memcpy(told.file, "w\xff.bin", sizeof "w\xff.bin");
    foreign_json(&o, NULL, &told);
    char *text = out_take(&o, NULL);
    CHECK(text && strstr(text, "\"repo\":\"acme/big\""), "as JSON");
    CHECK(text && strstr(text, "\"total_bytes\":20,") && strstr(text, "\"pid\":null"),
          "with null for what is not known");
    CHECK(text && strstr(text, "\"w?.bin\""), "and a name that is no text mended");
    free(text);
    unlink(at(HUB));
    foreign_scan(f, (now + 42) * 1000);
    CHECK(!find(f, HUB), "gone from its place, gone from the list");
}

/* A process by the name of curl that has a file under its final name open. */
static void writers(struct foreign *f, int64_t now)
{
    int ready[2];
    if (pipe(ready) < 0)
        abort();
    put_text("get/plain.bin", "some");
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        char script[700];
        snprintf(script, sizeof script, "exec 7>>%s; echo >&%d; exec -a curl sleep 60", at("get/plain.bin"), ready[1]);
        execl("/bin/bash", "bash", "-c", script, NULL);
        _exit(1);
    }
    char c;
    if (read(ready[0], &c, 1) != 1)
        abort();
    nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL); /* until the shell has become curl */
    foreign_scan(f, (now + 43) * 1000);
    const struct foreign_download *d = find(f, "get/plain.bin");
    CHECK(d && d->pid == pid && strcmp(d->by, "curl") == 0, "a plain file that curl writes is a download (%s)",
          d ? d->by : "");
    foreign_scan(f, (now + 1000) * 1000);
    d = find(f, "get/plain.bin");
    CHECK(d && d->stalled, "also when it hangs for long");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    foreign_scan(f, (now + 1001) * 1000);
    CHECK(!find(f, "get/plain.bin"), "when curl is gone it is a file like others");
}

static void limits(int64_t now)
{
    struct foreign *f = NULL;
    struct hfp_err err = { 0 };
    foreign_new(&f, &err);
    int rc = HFP_OK;
    for (int i = 0; i < FOREIGN_DIRS_MAX; i++)
        rc |= foreign_add(f, "/nowhere", &err);
    CHECK(rc == HFP_OK && foreign_add(f, "/nowhere", &err) == HFP_E_ARG, "folders end somewhere");
    foreign_scan(f, now * 1000);
    CHECK(foreign_count(f) == 0, "a folder that is not there is empty");
    foreign_free(f);
    char name[64];
    for (int i = 0; i < FOREIGN_MAX + 10; i++) {
        snprintf(name, sizeof name, "many/%d.part", i);
        put_text(name, "x");
    }
    put_text("broken/a.aria2", "\x00\x01garbage");
    put_text("broken/a", "x");
    put_text("hub2/models--x/trees/a.json", "{\"files\":{\"" SHA256 "\":[{]}");
    put_text("hub2/models--x/blobs/" SHA256 ".incomplete", "x");
    f = NULL;
    foreign_new(&f, &err);
    foreign_add(f, at("hub2/"), &err);
    foreign_add(f, at("broken"), &err);
    foreign_add(f, at("many"), &err);
    foreign_scan(f, now * 1000);
    foreign_scan(f, now * 1000 + 1000); /* files that were nobody's download leave their places */
    CHECK_U64(foreign_count(f), FOREIGN_MAX, "downloads end somewhere");
    const struct foreign_download *d = find(f, "hub2/models--x/blobs/" SHA256 ".incomplete");
    CHECK(d && strcmp(d->repo, "x") == 0 && d->total_bytes == 0, "a broken listing tells nothing");
    d = find(f, "broken/a");
    CHECK(d && d->size_bytes == 1 && d->total_bytes == 0, "neither does a broken control file");
    foreign_free(f);
}

/* Opening a pipe waits for a writer: where others put one, a look would never end. */
static void pipes(int64_t now)
{
    struct foreign *f = NULL;
    struct hfp_err err = { 0 };
    put_text("pipes/x.bin", "x");
    put_text("pipes/models--x/blobs/" SHA256 ".incomplete", "x");
    folders("pipes/models--x/trees/");
    CHECK(mkfifo(at("pipes/x.bin.aria2"), 0600) == 0 && mkfifo(at("pipes/models--x/trees/c.json"), 0600) == 0, "pipes");
    CHECK(foreign_new(&f, &err) == HFP_OK && foreign_add(f, at("pipes"), &err) == HFP_OK, "a folder");
    alarm(10);
    foreign_scan(f, now * 1000);
    alarm(0);
    CHECK_U64(foreign_count(f), 2, "a pipe in place of a control file or a listing holds nothing up");
    foreign_free(f);
}

int main(void)
{
    if (!mkdtemp(root))
        return 1;
    int64_t now = (int64_t)time(NULL);
    struct foreign *f = NULL;
    struct hfp_err err = { 0 };
    build(now);
    CHECK(foreign_new(&f, &err) == HFP_OK && foreign_add(f, at("hub"), &err) == HFP_OK &&
              foreign_add(f, at("dir/"), &err) == HFP_OK && foreign_add(f, at("get"), &err) == HFP_OK,
          "folders are taken");
    foreign_scan(f, now * 1000);
    recognised(f);
    watched(f, now);
    writers(f, now);
    foreign_free(f);
    foreign_free(NULL);
    limits(now);
    pipes(now);
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command) == 0 ? tap_end() : 1;
}
