/* What other tools leave beside their downloads: aria2's control file, trees/COMMIT.json of the Python client, names of
 * locks, and any path; and what the kernel says of who writes it. The first byte chooses which. Nothing of it is ours: what is told is in range, ends, and is in what
 * was read. In a folder of its own in the file system, for that is what the readers read. */
#include "fuzz.h"

#include "front/foreign_inside.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHA256 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define PARTIAL "models--acme--big/blobs/" SHA256 ".1a2b3c4d.incomplete"
#define LOCAL ".cache/huggingface/download/"
#define TOTAL_MAX (1ULL << 60)

static char root[] = "/tmp/fuzz_foreign.XXXXXX";

static const char *at(const char *name)
{
    static char path[2][sizeof((struct foreign_download *)0)->path];
    static unsigned i;
    i ^= 1;
    MUST(snprintf(path[i], sizeof path[i], "%s/%s", root, name) < (int)sizeof path[i], "room for a path");
    return path[i];
}

static void folders(const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/", at(name));
    for (char *c = path + strlen(root) + 1; (c = strchr(c, '/')) != NULL; *c++ = '/') {
        *c = '\0';
        mkdir(path, 0700);
    }
}

static void put(const char *name, const void *bytes, size_t n)
{
    int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    MUST(fd >= 0 && write(fd, bytes, n) == (ssize_t)n, "the input is there");
    close(fd);
}

static void sweep(void)
{
    static const char *const names[] = { "x.aria2", "models--acme--big/trees/c.json" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(at(names[i]));
    for (unsigned i = 2; i > 0; i--)
        rmdir(at(i == 2 ? "models--acme--big/trees" : "models--acme--big"));
    for (size_t n = strlen(LOCAL) - 1; n > 0; n--) {
        char folder[64];
        snprintf(folder, sizeof folder, "%.*s", (int)n, LOCAL);
        if (LOCAL[n] == '/')
            rmdir(at(folder));
    }
    rmdir(root);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    MUST(mkdtemp(root) != NULL, "a folder");
    folders("models--acme--big/trees");
    folders(LOCAL);
    atexit(sweep);
    return 0;
}

static void judged(struct foreign_download *d)
{
    foreign_judge(d);
    MUST(memchr(d->repo, 0, sizeof d->repo) && memchr(d->file, 0, sizeof d->file), "names end");
    MUST(d->total_bytes <= TOTAL_MAX, "a size that a file can have");
    MUST(d->type == HFP_MODEL || d->type == HFP_DATASET || d->type == HFP_SPACE, "a type that there is");
}

static void control(const void *bytes, size_t n)
{
    uint64_t here = 7, total = 7;
    put("x.aria2", bytes, n);
    bool taken = foreign_aria2(&here, &total, at("x"));
    MUST(taken || (here == 7 && total == 7), "nothing is told of a file that makes no sense");
    MUST(!taken || (n >= 34 && here <= total && total <= TOTAL_MAX), "no more is here than there is");
}

static void tree(const void *bytes, size_t n)
{
    static struct foreign_download d;
    d = (struct foreign_download){ 0 };
    put("models--acme--big/trees/c.json", bytes, n);
    snprintf(d.path, sizeof d.path, "%s", at(PARTIAL));
    judged(&d);
    MUST(strcmp(d.repo, "acme/big") == 0 && d.type == HFP_MODEL, "the repository is the folder's");
    MUST((!d.file[0] && !d.total_bytes) || memmem(bytes, n, SHA256, 64), "only the entry of this content tells");
}

/* A lock of that name beside a partial of that name. */
static void lock(const char *name)
{
    static struct foreign_download d;
    char file[300];
    if (!name || !*name || strchr(name, '/') || strlen(name) > 240)
        return;
    d = (struct foreign_download){ 0 };
    snprintf(file, sizeof file, LOCAL "%s.lock", name);
    put(file, "", 0);
    snprintf(d.path, sizeof d.path, "%s/" LOCAL "%s." SHA256 ".incomplete", root, name);
    judged(&d);
    snprintf(d.path, sizeof d.path, "%s/" LOCAL "mBG94Lz8EYH5gU8b5axgj2RF9Tk=." SHA256 ".incomplete", root);
    d.file[0] = '\0';
    judged(&d);
    MUST(!d.file[0] == (strcmp(name, "model.bin") != 0), "a lock names the file whose hash the partial has");
    unlink(at(file));
}

static void path(const char *text)
{
    static struct foreign_download d;
    d = (struct foreign_download){ 0 };
    MUST(snprintf(d.path, sizeof d.path, "%s/%.4000s", root, text) > 0, "a path");
    judged(&d);
}

/* /proc/PID/fdinfo/N and /proc/PID/cmdline; the second is what the other process likes to say. */
static void writer(const char *text)
{
    MUST(!foreign_fd_writes(text) || strstr(text, "flags:"), "only flags say that somebody writes");
}

static void program(const void *bytes, size_t n)
{
    char out[64];
    char *line = calloc(1, n + 2);
    MUST(line != NULL, "memory");
    memcpy(line, bytes, n);
    memset(out, 'x', sizeof out);
    foreign_program(out, line, n);
    MUST(memchr(out, 0, 50) != NULL, "a name ends");
    for (const char *c = out; *c; c++)
        MUST(*c >= ' ' && *c < 0x7f, "nothing of it moves a terminal");
    free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const void *rest = data + 1;
    AUTO_FREE char *text = text_of(rest, size - 1);
    switch (data[0] == 'F' ? 4 : data[0] == 'N' ? 5 : data[0] % 4) {
    case 0:
        control(rest, size - 1);
        break;
    case 1:
        tree(rest, size - 1);
        break;
    case 2:
        lock(text);
        break;
    case 4:
        writer(text);
        break;
    case 5:
        program(rest, size - 1);
        break;
    default:
        path(text);
    }
    return 0;
}
