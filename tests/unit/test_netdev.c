/* Interface counters and rates.
 * Seen red with: loopback summed ("without loopback"), the tenth number taken for the ninth ("sent"), a counter that began
 * again subtracted as it is ("began again"). */
#include "front/netdev.h"
#include "tap.h"

#include <stdlib.h>

#define HEAD                                                                                                           \
    "Inter-|   Receive                                                |  Transmit\n"                                   \
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier " \
    "compressed\n"

static const char first[] =
    HEAD "    lo:  9000      24    0    0    0     0          0         0     9000      24    0\n"
         "  eth0: 1000       2    0    0    0     0          0         7      500       3    0\n"
         "wlp3s0:   18446744073709551000 2 0 0 0 0 0 0 70 3 0\n";
static const char second[] = HEAD "    lo: 99000 24 0 0 0 0 0 0 99000 24 0\n"
                                  "  eth0:4000 2 0 0 0 0 0 0 2500 3 0\n" /* a large number touches the colon */
                                  "wlp3s0: 100 2 0 0 0 0 0 0 90 3 0\n"
                                  "  tun0: 5000 2 0 0 0 0 0 0 5000 3 0\n";

int main(void)
{
    struct netdevs a = { .at_ns = 1000000000 }, b = { .at_ns = 3000000000 }, r;
    CHECK(netdev_parse(&a, first) && a.n == 3, "the file is understood");
    CHECK(a.dev[1].rx == 1000 && a.dev[1].tx == 500 && strcmp(a.dev[1].name, "eth0") == 0, "received, sent, name");
    CHECK(a.tx == 570, "the sum is without loopback");
    CHECK(netdev_parse(&b, second) && b.n == 4 && b.dev[1].rx == 4000, "no blank behind the colon");
    netdev_rates(&r, &a, &b);
    CHECK(r.dev[1].rx == 1500 && r.dev[1].tx == 1000, "bytes per second");
    CHECK(r.dev[0].rx == 45000, "loopback is shown");
    CHECK(r.dev[2].rx == 0 && r.dev[2].tx == 10, "a counter that began again stands at 0");
    CHECK(r.dev[3].rx == 0, "a new interface stands at 0");
    CHECK(r.rx == 1500 && r.tx == 1010, "the sum of the rates is without loopback");
    netdev_rates(&r, &b, &b);
    CHECK(r.rx == 0 && r.tx == 0, "no time between: no rate");
    static const char *const broken[] = { HEAD "eth0 1 2 3\n", HEAD "eth0: 1 2 3\n", HEAD ": 1 2 3 4 5 6 7 8 9\n",
                                          HEAD "a-name-that-is-too-long: 1 2 3 4 5 6 7 8 9\n" };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        CHECK(!netdev_parse(&r, broken[i]), "not the file's form: %s", broken[i] + sizeof HEAD - 1);
    char *many = malloc(200 * 64);
    int n = sprintf(many, "%s", HEAD);
    for (int i = 0; i < 100; i++)
        n += sprintf(many + n, "veth%d: 10 0 0 0 0 0 0 0 1 0\n", i);
    CHECK(netdev_parse(&r, many) && r.n == NETDEV_MAX && r.rx == 1000, "with more than it shows, all are summed");
    free(many);
    CHECK(netdev_read(&r, 5) && r.at_ns == 5, "this machine's is understood");
    return tap_end();
}
