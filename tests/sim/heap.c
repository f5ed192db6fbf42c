#include "sim.h"

static bool before(const struct heap_item *a, const struct heap_item *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void swap(size_t i, size_t j)
{
    struct heap_item t = sim->heap[i];
    sim->heap[i] = sim->heap[j];
    sim->heap[j] = t;
}

void heap_add(uint64_t at_ns, void (*fire)(void *arg), void *arg)
{
    if (sim->heap_n == sim->heap_cap) {
        sim->heap_cap = sim->heap_cap ? 2 * sim->heap_cap : 64;
        sim->heap = realloc(sim->heap, sim->heap_cap * sizeof *sim->heap);
    }
    size_t i = sim->heap_n++;
    sim->heap[i] = (struct heap_item){ at_ns, sim->heap_order++, fire, arg };
    while (i > 0 && before(&sim->heap[i], &sim->heap[(i - 1) / 2])) {
        swap(i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

bool heap_next(uint64_t *at_ns)
{
    if (sim->heap_n == 0)
        return false;
    *at_ns = sim->heap[0].at_ns;
    return true;
}

static struct heap_item take(void)
{
    struct heap_item top = sim->heap[0];
    sim->heap[0] = sim->heap[--sim->heap_n];
    for (size_t i = 0;;) {
        size_t least = i, l = 2 * i + 1, r = 2 * i + 2;
        if (l < sim->heap_n && before(&sim->heap[l], &sim->heap[least]))
            least = l;
        if (r < sim->heap_n && before(&sim->heap[r], &sim->heap[least]))
            least = r;
        if (least == i)
            return top;
        swap(i, least);
        i = least;
    }
}

void heap_fire(uint64_t until_ns)
{
    while (sim->heap_n > 0 && sim->heap[0].at_ns <= until_ns) {
        struct heap_item item = take();
        sim->fired++;
        item.fire(item.arg);
    }
}
