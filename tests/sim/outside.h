/* outside.h: comes before every file of the library that the simulator is built with. Memory is counted and block
 * buffers are handed out by the simulator (memory.c), which judges P5 without asking the library; the descriptor that
 * wakes the caller, whom nobody waits for here, costs no system calls. */
#ifndef HFP_TESTS_SIM_OUTSIDE_H
#define HFP_TESTS_SIM_OUTSIDE_H

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

void *sim_malloc(size_t n);
void *sim_calloc(size_t n, size_t size);
void *sim_realloc(void *p, size_t n);
char *sim_strdup(const char *s);
void sim_release(void *p);
void *sim_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset);
int sim_munmap(void *p, size_t n);
int sim_eventfd(unsigned count, int flags);
ssize_t sim_read(int fd, void *buf, size_t n);
ssize_t sim_write(int fd, const void *buf, size_t n);

#ifndef HFP_TESTS_SIM_MEMORY
#define malloc sim_malloc
#define calloc sim_calloc
#define realloc sim_realloc
#undef strdup
#define strdup sim_strdup
#define free sim_release
#define mmap sim_mmap
#define munmap sim_munmap
#define eventfd sim_eventfd
#define read sim_read
#define write sim_write
#endif

#endif
