#include "base/units.h"

#include "base/auto.h"

#include <stdio.h>

const char *units_bytes(char out[UNITS_TEXT], uint64_t bytes)
{
    static const struct {
        uint64_t unit;
        const char *name;
    } units[] = { { 1000000000000, "TB" }, { 1000000000, "GB" }, { 1000000, "MB" }, { 1000, "kB" } };
    for (unsigned i = 0; i < ARRAY_LEN(units); i++)
        if (bytes >= units[i].unit) {
            snprintf(out, UNITS_TEXT, "%.2f %s", (double)bytes / (double)units[i].unit, units[i].name);
            return out;
        }
    snprintf(out, UNITS_TEXT, "%llu bytes", (unsigned long long)bytes);
    return out;
}
