#include "../sim/disk.h"
#include "base/auto.h"
#include "oplog.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One legal state of the disk after power loss in the middle of a recorded run, made real in a folder.
 *
 *   replay LOG SEED DIR
 *
 * The log is replayed up to a point of the seed's choosing into the simulator's disk, whose rules say what may be lost
 * (tests/sim/disk_crash.c), and what is left is written below DIR. On stdout, as JSON: where it was cut, which blocks had
 * been promised to survive, and how long the oldest one that was not had been waiting for its sync. */

#define OBJECTS_MAX 65536
#define BLOCKS_MAX 1024
#define PAGE_BYTES 4096

struct object {
    struct inode *inode;
    uint64_t real_inode;
    char name[256];                   /* the last one that ended in .incomplete or .digests */
    uint64_t recorded_ns[BLOCKS_MAX]; /* of a notebook: when each entry was written */
};

struct step {
    struct oplog_record r;
    char name[256];
    const uint8_t *data;
    bool ended; /* OP_SYNC: before the cut */
};

static struct object *objects[OBJECTS_MAX];
static struct step *steps;
static size_t steps_n, begun; /* begun: the number of steps that made the tree as it was */
static struct sim world;
struct sim *sim = &world;

uint64_t sim_random(uint64_t below)
{
    return below ? random_next(&world.random) % below : 0;
}

void disk_close_all(void) /* nobody opens files here */
{
}

static void give_up(const char *what)
{
    fprintf(stderr, "replay: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* ---- the log ---- */

static void read_log(const char *path)
{
    FILE *in = fopen(path, "rb");
    if (!in)
        give_up(path);
    size_t room = 0;
    for (struct step s; fread(&s.r, sizeof s.r, 1, in) == 1; steps[steps_n++] = s) {
        uint8_t *data = calloc(1, (size_t)s.r.data_bytes + 1);
        s.ended = false;
        if (s.r.name_bytes >= sizeof s.name || !data || fread(s.name, 1, s.r.name_bytes, in) != s.r.name_bytes ||
            fread(data, 1, s.r.data_bytes, in) != s.r.data_bytes)
            give_up("the log ends early");
        s.name[s.r.name_bytes] = 0;
        s.data = data;
        if (s.r.kind == OP_BEGIN)
            begun = steps_n + 1;
        if (steps_n == room)
            steps = realloc(steps, (room = room ? 2 * room : 1024) * sizeof *steps);
    }
    fclose(in);
}

/* After how many steps the power goes. Most of a log are blocks; the few steps around names are where order matters. */
static size_t choose_cut(void)
{
    size_t cut = begun + (size_t)sim_random(steps_n - begun + 1);
    for (int i = 0; i < 4 && cut < steps_n && steps[cut].r.kind == OP_WRITE; i++)
        cut = begun + (size_t)sim_random(steps_n - begun + 1);
    for (size_t i = begun; i < cut; i++)
        if (steps[i].r.kind == OP_SYNCED)
            steps[steps[i].r.at].ended = true;
    return cut;
}

/* ---- the disk ---- */

static bool ends(const char *name, const char *tail)
{
    size_t n = strlen(name), k = strlen(tail);
    return n >= k && strcmp(name + n - k, tail) == 0;
}

static struct object *object(uint64_t number)
{
    if (number >= OBJECTS_MAX || !objects[number])
        give_up("the log names an object that was not made");
    return objects[number];
}

static void note_name(struct object *o, const char *name)
{
    if (ends(name, ".incomplete") || ends(name, ".digests"))
        snprintf(o->name, sizeof o->name, "%s", name);
}

static void make(const struct step *s, mode_t mode)
{
    struct object *o = calloc(1, sizeof *o);
    struct inode *folder = object(s->r.folder)->inode;
    if (s->r.object >= OBJECTS_MAX || !o)
        give_up("more objects than a log has");
    objects[s->r.object] = o;
    *o = (struct object){ .inode = inode_new(mode), .real_inode = s->r.at };
    note_name(o, s->name);
    if (S_ISDIR(mode)) {
        entries_set(&o->inode->now, "..", folder);
        entries_set(&o->inode->kept, "..", folder);
    }
    if (S_ISLNK(mode)) {
        inode_resize(o->inode, s->r.data_bytes);
        memcpy(o->inode->data, s->data, s->r.data_bytes);
    }
    dir_change(folder, s->name, o->inode, ++disk->group);
}

static void write_step(const struct step *s)
{
    struct object *o = object(s->r.object);
    inode_write(o->inode, s->data, s->r.data_bytes, s->r.at);
    uint64_t block = (s->r.at - DIGESTS_HEADER_BYTES) / BLAKE3_BYTES;
    if (s->r.data_bytes == BLAKE3_BYTES && s->r.at >= DIGESTS_HEADER_BYTES && block < BLOCKS_MAX)
        o->recorded_ns[block] = s->r.at_ns;
}

static void rename_step(const struct step *s)
{
    char to[256];
    struct object *o = object(s->r.object);
    uint64_t group = ++disk->group;
    snprintf(to, sizeof to, "%.*s", (int)s->r.data_bytes, (const char *)s->data);
    note_name(o, to);
    dir_change(object(s->r.folder)->inode, s->name, NULL, group);
    dir_change(object(s->r.at)->inode, to, o->inode, group);
}

static void step(const struct step *s)
{
    switch ((enum oplog_kind)s->r.kind) {
    case OP_BEGIN:
        for (size_t i = 0; i < OBJECTS_MAX; i++)
            if (objects[i] && !S_ISLNK(objects[i]->inode->mode))
                inode_sync(objects[i]->inode, false);
        break;
    case OP_DIR:
        make(s, S_IFDIR | 0755);
        break;
    case OP_FILE:
        make(s, S_IFREG | 0644);
        break;
    case OP_LINK:
        make(s, S_IFLNK | 0777);
        break;
    case OP_WRITE:
        write_step(s);
        break;
    case OP_SIZE:
        inode_resize(object(s->r.object)->inode, s->r.at);
        object(s->r.object)->inode->truncated = true;
        break;
    case OP_SYNC:
        if (s->ended)
            inode_sync(object(s->r.object)->inode, true);
        break;
    case OP_SYNCED:
        break;
    case OP_RENAME:
        rename_step(s);
        break;
    case OP_UNLINK:
        dir_change(object(s->r.folder)->inode, s->name, NULL, ++disk->group);
        break;
    }
}

/* ---- what was promised (P2) ---- */

static const struct object *data_of(const struct object *notes)
{
    size_t stem = strlen(notes->name) - strlen(".digests");
    for (size_t i = 0; i < OBJECTS_MAX; i++)
        if (objects[i] && ends(objects[i]->name, ".incomplete") && strncmp(objects[i]->name, notes->name, stem) == 0 &&
            strlen(objects[i]->name) == stem + strlen(".incomplete"))
            return objects[i];
    return NULL;
}

/* The durable name that leads to it, if any. */
static const char *name_kept(const struct inode *folder, const struct inode *wanted)
{
    const char *found = NULL;
    for (unsigned k = 0; !found && k < folder->kept.n; k++) {
        const struct entry *e = &folder->kept.list[k];
        if (e->inode == wanted)
            found = e->name;
        else if (S_ISDIR(e->inode->mode) && strcmp(e->name, "..") != 0)
            found = name_kept(e->inode, wanted);
    }
    return found;
}

static bool block_safe(const struct inode *data, uint64_t block)
{
    uint64_t from = block * BLOCK_BYTES, to = MIN(from + BLOCK_BYTES, data->size);
    for (unsigned k = 0; k < data->unsynced_n; k++)
        if (data->unsynced[k].at < to && data->unsynced[k].at + data->unsynced[k].n > from)
            return false;
    return to <= data->safe_size;
}

static bool entry_safe(const struct inode *notes, uint64_t block)
{
    uint64_t from = DIGESTS_HEADER_BYTES + block * BLAKE3_BYTES;
    static const uint8_t absent[BLAKE3_BYTES];
    return from + BLAKE3_BYTES <= notes->safe_size && memcmp(notes->safe + from, absent, sizeof absent) != 0;
}

static uint64_t oldest_ns = UINT64_MAX; /* when the oldest block that is not safe was recorded */

/* What lies under a final name needs no notebook. */
static void print_promised(const struct object *notes, const char *comma)
{
    const struct object *data = data_of(notes);
    const struct inode *root = object(OPLOG_ROOT)->inode;
    const char *name = data ? name_kept(root, data->inode) : NULL, *between = "";
    bool published = name && !ends(name, ".incomplete"), named = name && name_kept(root, notes->inode);
    printf("%s\"%.*s\": [", comma, (int)strcspn(notes->name, "."), notes->name);
    for (uint64_t b = 0; data && b < BLOCKS_MAX && b < blocks_of(data->inode->size); b++) {
        if (!published && notes->recorded_ns[b] == 0 && !entry_safe(notes->inode, b))
            continue;
        if (published || (named && entry_safe(notes->inode, b) && block_safe(data->inode, b))) {
            printf("%s%" PRIu64, between, b);
            between = ", ";
        } else {
            oldest_ns = MIN(oldest_ns, notes->recorded_ns[b]);
        }
    }
    printf("]");
}

static void report(size_t cut)
{
    uint64_t now_ns = steps[cut ? cut - 1 : 0].r.at_ns;
    const char *comma = "";
    printf("{\"steps\": %zu, \"cut\": %zu, \"journal\": %s, \"promised\": {", steps_n - begun, cut - begun,
           disk->journal ? "true" : "false");
    for (size_t i = 0; i < OBJECTS_MAX; i++)
        if (objects[i] && ends(objects[i]->name, ".digests")) {
            print_promised(objects[i], comma);
            comma = ", ";
        }
    printf("}, \"waiting_s\": %.3f}\n", oldest_ns < now_ns ? (double)(now_ns - oldest_ns) / 1e9 : 0.0);
}

/* ---- made real ---- */

static void write_file(int dir, const char *name, const struct inode *i)
{
    static const uint8_t zeros[PAGE_BYTES];
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    uint64_t at = 0;
    if (fd < 0)
        give_up(name);
    if (ftruncate(fd, (off_t)i->size) < 0)
        give_up(name);
    for (uint64_t n; at < i->size; at += n) {
        n = MIN(PAGE_BYTES, i->size - at);
        if (n == PAGE_BYTES && memcmp(i->data + at, zeros, n) == 0)
            continue; /* never written, or lost: a hole, as on a real disk */
        if (pwrite(fd, i->data + at, (size_t)n, (off_t)at) != (ssize_t)n)
            give_up(name);
    }
    close(fd);
}

static void write_tree(int dir, const struct inode *folder)
{
    char target[4400];
    for (unsigned k = 0; k < folder->now.n; k++) {
        const struct entry *e = &folder->now.list[k];
        if (strcmp(e->name, "..") == 0)
            continue;
        if (S_ISREG(e->inode->mode)) {
            write_file(dir, e->name, e->inode);
            continue;
        }
        if (S_ISLNK(e->inode->mode)) {
            snprintf(target, sizeof target, "%.*s", (int)e->inode->size, (const char *)e->inode->data);
            if (symlinkat(target, dir, e->name) < 0)
                give_up(e->name);
            continue;
        }
        int fd = mkdirat(dir, e->name, 0755) < 0 ? -1 : openat(dir, e->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            give_up(e->name);
        write_tree(fd, e->inode);
        close(fd);
    }
}

/* ---- receipts: the same file has another inode number and other times here than on the disk that lost its power ---- */

static uint64_t real_inode_of(const struct inode *i)
{
    for (size_t k = 0; k < OBJECTS_MAX; k++)
        if (objects[k] && objects[k]->inode == i)
            return objects[k]->real_inode;
    return 0;
}

static void renew_receipt(const char *path, const struct inode *receipt, const char *blob_path,
                          const struct inode *blob)
{
    struct digests_info info;
    struct digests_proof proof;
    uint8_t head[DIGESTS_HEADER_BYTES];
    struct stat st;
    if (receipt->size < sizeof head || digests_decode(&info, &proof, receipt->data) || proof.proved_unix_s == 0 ||
        proof.inode != real_inode_of(blob))
        return;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || stat(blob_path, &st) < 0)
        give_up(path);
    proof.inode = st.st_ino;
    proof.mtime_s = st.st_mtim.tv_sec;
    proof.mtime_ns = (uint32_t)st.st_mtim.tv_nsec;
    proof.ctime_s = st.st_ctim.tv_sec;
    proof.ctime_ns = (uint32_t)st.st_ctim.tv_nsec;
    digests_encode(head, &info, &proof);
    if (pwrite(fd, head, sizeof head, 0) != sizeof head)
        give_up(path);
    close(fd);
}

/* In the cache: <repo>/.hf-pull/<etag>.receipt speaks of <repo>/blobs/<etag>. */
static void renew_receipts(const char *path, const struct inode *folder)
{
    char below[4400], blob_path[4700], receipt_path[4700];
    struct inode *blobs = entries_find(&folder->now, "blobs"), *notes = entries_find(&folder->now, ".hf-pull");
    for (unsigned k = 0; blobs && notes && k < notes->now.n; k++) {
        const struct entry *e = &notes->now.list[k];
        char etag[256];
        snprintf(etag, sizeof etag, "%.*s", (int)strcspn(e->name, "."), e->name);
        struct inode *blob = entries_find(&blobs->now, etag);
        snprintf(blob_path, sizeof blob_path, "%s/blobs/%s", path, etag);
        snprintf(receipt_path, sizeof receipt_path, "%s/.hf-pull/%s", path, e->name);
        if (blob && ends(e->name, ".receipt"))
            renew_receipt(receipt_path, e->inode, blob_path, blob);
    }
    for (unsigned k = 0; !blobs && k < folder->now.n; k++) {
        const struct entry *e = &folder->now.list[k];
        snprintf(below, sizeof below, "%s/%s", path, e->name);
        if (S_ISDIR(e->inode->mode) && strcmp(e->name, "..") != 0)
            renew_receipts(below, e->inode);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4)
        give_up("usage: replay LOG SEED DIR");
    world.random = strtoull(argv[2], NULL, 10) * UINT64_C(0x9E3779B97F4A7C15) + 1;
    world.now_ns = SIM_START_NS;
    read_log(argv[1]);
    disk_new(UINT64_MAX / 2);
    struct inode *root = disk_walk(disk->root, "/cache", true, NULL, NULL);
    entries_set(&root->now, ".here", NULL);
    entries_set(&root->kept, ".here", NULL);
    objects[OPLOG_ROOT] = calloc(1, sizeof *objects[OPLOG_ROOT]);
    objects[OPLOG_ROOT]->inode = root;
    size_t cut = choose_cut();
    for (size_t i = 0; i < cut; i++)
        step(&steps[i]);
    report(cut);
    disk_power_loss();
    int dir = open(argv[3], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        give_up(argv[3]);
    write_tree(dir, root);
    renew_receipts(argv[3], root);
    return 0; /* all memory goes with the process */
}
