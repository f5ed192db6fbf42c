/* Paths against patterns.
 * Seen red with: a segment that may be "..", one with a NUL inside, a pattern that ends before the path. */
#include "daemon/routes.h"
#include "tap.h"

static const struct {
    const char *pattern, *path, *arg; /* arg NULL: does not fit */
} rows[] = {
    { "/jobs", "/jobs", "" },
    { "/jobs", "/jobs/", NULL },
    { "/jobs", "/job", NULL },
    { "/jobs", "/jobsx", NULL },
    { "/jobs/{id}", "/jobs/j_1", "j_1" },
    { "/jobs/{id}", "/jobs/", NULL },
    { "/jobs/{id}", "/jobs/a/b", NULL },
    { "/jobs/{id}/pause", "/jobs/a/pause", "a" },
    { "/jobs/{id}/pause", "/jobs/a/pause/", NULL },
    { "/jobs/{id}", "/jobs/..", NULL },
    { "/jobs/{id}", "/jobs/.", NULL },
    { "/jobs/{id}", "/jobs/%2e%2e", NULL },
    { "/jobs/{id}", "/jobs/%2E.", NULL },
    { "/jobs/{id}", "/jobs/a%2fb", NULL },
    { "/jobs/{id}", "/jobs/a%00b", NULL },
    { "/jobs/{id}", "/jobs/a%0ab", NULL },
    { "/jobs/{id}", "/jobs/a%zz", NULL },
    { "/jobs/{id}", "/jobs/a%4", NULL },
    { "/jobs/{id}", "/jobs/a%", NULL },
    { "/jobs/{id}", "/jobs/%ff", NULL },
    { "/jobs/{id}", "/jobs/%c3%a4", "\xc3\xa4" },
    { "/jobs/{id}", "/jobs/%2541", "%41" },
    { "/jobs/{id}", "/jobs/%41b%43", "AbC" },
    { "/jobs/{id}", "/jobs//", NULL },
    { "/jobs/{id}", "//jobs/a", NULL },
};

int main(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char arg[ROUTE_ARGS_MAX][ROUTE_ARG_SIZE] = { "" };
        bool fits = route_match(arg, rows[i].pattern, rows[i].path);
        CHECK(fits == (rows[i].arg != NULL), "%s and %s %s", rows[i].pattern, rows[i].path,
              rows[i].arg ? "fit" : "do not fit");
        if (fits && rows[i].arg)
            CHECK_STR(arg[0], rows[i].arg, "and the name takes %s", rows[i].arg);
    }
    char arg[ROUTE_ARGS_MAX][ROUTE_ARG_SIZE], path[600] = "/jobs/";
    memset(path + 6, 'a', 500);
    CHECK(!route_match(arg, "/jobs/{id}", path), "a segment has its limit");
    for (size_t i = 0; i < routes_n; i++)
        for (size_t k = i + 1; k < routes_n; k++)
            CHECK(routes[i].method != routes[k].method || strcmp(routes[i].path, routes[k].path) != 0,
                  "%s is one route", routes[i].path);
    return tap_end();
}
