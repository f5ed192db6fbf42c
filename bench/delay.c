/* delay.c: a line with latency between two network namespaces, where the kernel has no netem.
 *
 *   delay NAMESPACE_A NAMESPACE_B DEVICE ONE_WAY_US
 *
 * Makes a TUN device of that name in each namespace (paths as in /run/netns) and carries every packet to the other
 * side ONE_WAY_US later. Nothing is lost or reordered here; rate and queue are those of the qdisc the caller puts on the
 * devices. Prints "ready" when both devices exist; they go away with the process. Large segments pass whole
 * (IFF_VNET_HDR), so 1 Gbit/s costs a few thousand system calls a second. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX (70u << 10)        /* 64 KiB of segment, and the headers */
#define HELD_MAX ((uint64_t)64 << 20) /* of one direction: 1 Gbit/s for half a second; then the device's queue fills */
#define NS_PER_S 1000000000u

struct packet {
    struct packet *next;
    uint64_t due_ns;
    size_t n;
    uint8_t bytes[];
};

struct direction {
    int from, to;
    uint64_t delay_ns, held_bytes;
    struct packet *head, **tail;
};

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("delay: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static int device(const char *space, const char *name)
{
    int ns = open(space, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
        die("enter %s: %s", space, strerror(errno));
    close(ns);
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    struct ifreq r = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &r) < 0 || ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0)
        die("TUN device %s: %s", name, strerror(errno));
    return fd;
}

/* False when nothing waits to be read. */
static bool take_in(struct direction *d, uint8_t *buf)
{
    ssize_t n = read(d->from, buf, PACKET_MAX);
    if (n <= 0)
        return false;
    struct packet *p = malloc(sizeof *p + (size_t)n);
    if (!p)
        die("no memory");
    *p = (struct packet){ .due_ns = now_ns() + d->delay_ns, .n = (size_t)n };
    memcpy(p->bytes, buf, (size_t)n);
    *d->tail = p;
    d->tail = &p->next;
    d->held_bytes += p->n;
    return true;
}

static void let_out(struct direction *d)
{
    uint64_t now = now_ns();
    while (d->head && d->head->due_ns <= now) {
        struct packet *p = d->head;
        d->head = p->next;
        if (!d->head)
            d->tail = &d->head;
        d->held_bytes -= p->n;
        /* A device that is not up yet refuses: such a packet is lost, as on any line. */
        if (write(d->to, p->bytes, p->n) < 0 && errno != EIO && errno != EAGAIN && errno != EINVAL)
            die("write: %s", strerror(errno));
        free(p);
    }
}

static void *carry(void *arg)
{
    struct direction *d = arg;
    uint8_t *buf = malloc(PACKET_MAX);
    if (!buf)
        die("no memory");
    for (;;) {
        struct pollfd p = { .fd = d->held_bytes < HELD_MAX ? d->from : -1, .events = POLLIN };
        struct timespec wait = { 1, 0 };
        if (d->head) {
            uint64_t now = now_ns(), left = d->head->due_ns > now ? d->head->due_ns - now : 0;
            wait = (struct timespec){ (time_t)(left / NS_PER_S), (long)(left % NS_PER_S) };
        }
        (void)ppoll(&p, 1, &wait, NULL);
        while (d->held_bytes < HELD_MAX && take_in(d, buf))
            let_out(d);
        let_out(d);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 5)
        die("NAMESPACE_A NAMESPACE_B DEVICE ONE_WAY_US");
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)prctl(PR_SET_TIMERSLACK, 1000); /* ns; the default of 50 us would add up on a line without delay */
    int a = device(argv[1], argv[3]), b = device(argv[2], argv[3]);
    uint64_t delay_ns = strtoull(argv[4], NULL, 10) * 1000;
    static struct direction way[2];
    way[0] = (struct direction){ .from = a, .to = b, .delay_ns = delay_ns, .tail = &way[0].head };
    way[1] = (struct direction){ .from = b, .to = a, .delay_ns = delay_ns, .tail = &way[1].head };
    pthread_t other;
    if (pthread_create(&other, NULL, carry, &way[1]) != 0)
        die("no thread");
    puts("ready");
    fflush(stdout);
    carry(&way[0]);
    return 0;
}
