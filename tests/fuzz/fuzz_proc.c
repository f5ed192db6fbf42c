/* What the kernel says in /proc/locks and /proc/<pid>/stat: the whole input as either. A holder is named only when a line
 * names our lock file, and a process is alive only when its start time is there and it is no zombie. */
#include "memory_io.h"

#include "cache/digests.h"
#include "cache/lock.h"
#include "fuzz.h"

#define NOW 1800000000
#define TICKS_TEXT "123456"
#define BOOT "4a9f5e4c-0000-4000-8000-000000000001\n"

static void holder_must_hold(const char *text, size_t n)
{
    struct store s = { .locks = MEMORY_DIR };
    static struct place p;
    p = (struct place){ .store = &s, .lock_dir = MEMORY_DIR, .lock_name = "x.lock" };
    memory_put("x.lock", "", 0);
    memory_stat("x.lock")->st_ino = 131073;
    memory_put("/proc/locks", text, n);
    long pid = lock_holder(&p);
    char word[32];
    snprintf(word, sizeof word, "%ld", pid);
    MUST(pid >= 0, "a pid or none");
    MUST(pid == 0 ||
             (memmem(text, n, word, strlen(word)) && memmem(text, n, "131073", 6) && memmem(text, n, "FLOCK", 5)),
         "the holder stands in a line about this very file");
}

static void owner_must_hold(const char *text, size_t n)
{
    struct digests_owner o = { 0 };
    memory_put("/proc/sys/kernel/random/boot_id", BOOT, strlen(BOOT));
    digests_owner_self(&o, NOW);
    MUST(strlen(o.boot_id) == strlen(BOOT) - 1 && o.pid > 0, "we know ourselves");
    o.pid = 4711;
    o.start_ticks = 123456;
    o.heartbeat_unix_s = NOW;
    memory_put("/proc/4711/stat", text, n);
    bool alive = digests_owner_alive(&o, NOW);
    MUST(!alive || memmem(text, n, TICKS_TEXT, strlen(TICKS_TEXT)), "alive only with that start time");
    size_t end = n;
    while (end > 0 && text[end - 1] != ')')
        end--;
    bool has_nul = n > 0 && memchr(text, 0, n);
    MUST(!alive || has_nul || end == 0 || end + 1 >= n || memcmp(text + end, " Z", 2) != 0, "a zombie is not alive");
    o.start_ticks = 0;
    MUST(!digests_owner_alive(&o, NOW), "without a start time nobody is alive");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memory_io_begin();
    holder_must_hold((const char *)data, size);
    owner_must_hold((const char *)data, MIN(size, 1023)); /* as much as is read */
    memory_io_end();
    return 0;
}
