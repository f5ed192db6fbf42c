/* base/auto.h: release tied to declaration.
 *
 * AUTO(fn) runs fn(&variable) when the variable leaves its scope. Initialise in the declaration; hand over with
 * fd_steal() or ptr_steal(). Anyone may include this; it knows nothing of the product. */
#ifndef HFP_BASE_AUTO_H
#define HFP_BASE_AUTO_H

#include <stdlib.h>

#define AUTO(fn) __attribute__((cleanup(fn)))

static inline void free_ptrp(void *p)
{
    free(*(void **)p);
}
#define AUTO_FREE AUTO(free_ptrp)

static inline int fd_steal(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

static inline void *ptr_steal_(void **p)
{
    void *taken = *p;
    *p = NULL;
    return taken;
}
#define ptr_steal(p) ((__typeof__(*(p)))ptr_steal_((void **)(p)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
