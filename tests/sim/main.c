/* The simulator's program.
 *
 *   sim SEED            one run, traced to stderr
 *   sim FIRST COUNT     COUNT runs; TAP on stdout, one line for each thousand; the seeds that failed on stderr */
#include "sim.h"

#include <stdlib.h>

int main(int argc, char **argv)
{
    io = &sim_disk;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2)
        return run_seed(strtoull(argv[1], NULL, 10), true) ? 0 : 1;
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1, count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1000;
    uint64_t failed = 0, lines = 0;
    for (uint64_t done = 0; done < count;) {
        uint64_t part = count - done < 1000 ? count - done : 1000, bad = 0;
        for (uint64_t i = 0; i < part; i++)
            bad += !run_seed(first + done + i, false);
        printf("%s %llu - seeds %llu to %llu keep every promise\n", bad ? "not ok" : "ok", (unsigned long long)++lines,
               (unsigned long long)(first + done), (unsigned long long)(first + done + part - 1));
        failed += bad;
        done += part;
    }
    printf("1..%llu\n", (unsigned long long)lines);
    return failed ? 1 : 0;
}
