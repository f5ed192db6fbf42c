/* Sizes, rates and times as typed and as shown.
 * Seen red with: the overflow check of scaled_parse removed ("overflow" rows), the 999 cap of permille removed ("100.0 %
 * only when complete"), K read as 1000 ("K is 1024"). */
#include "front/units.h"
#include "tap.h"

static void sizes_in(void)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t bytes;
    } rows[] = {
        { "0", true, 0 },
        { "1", true, 1 },
        { "512K", true, 524288 },
        { "512k", true, 524288 },
        { "2M", true, 2097152 },
        { "1.5M", true, 1572864 },
        { "1.25M", true, 1310720 },
        { "50MB", true, 50000000 },
        { "1.5MB", true, 1500000 },
        { "1.5 MB", true, 1500000 },
        { "3GiB", true, 3221225472 },
        { "1T", true, 1099511627776 },
        { ".5K", true, 512 },
        { "18446744073709551615", true, UINT64_MAX },
        { "18446744073709551616", false, 0 },
        { "16777216T", false, 0 },
        { "99999999999999999999999999T", false, 0 },
        { "0.1234567890123456789K", true, 126 },
        { "", false, 0 },
        { "M", false, 0 },
        { "-1", false, 0 },
        { "+1", false, 0 },
        { "1.", false, 0 },
        { "1.2.3", false, 0 },
        { "10 apples", false, 0 },
        { "1Mx", false, 0 },
        { "0x10", false, 0 },
        { "1e3", false, 0 },
        { "nan", false, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t n = 77;
        CHECK(size_parse(&n, rows[i].text) == rows[i].ok, "size '%s' is %s", rows[i].text, rows[i].ok ? "one" : "none");
        CHECK_U64(n, rows[i].ok ? rows[i].bytes : 77, "size '%s' counts right", rows[i].text);
    }
}

static void rates_in(void)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t rate;
    } rows[] = {
        { "2M", true, 2097152 }, { "500K", true, 512000 }, { "1.5MB/s", true, 1500000 }, { "off", true, 0 },
        { "0", true, 0 },        { "/s", false, 0 },       { "10 apples", false, 0 },    { "2M/h", false, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t n = 77;
        CHECK(rate_parse(&n, rows[i].text) == rows[i].ok, "rate '%s' is %s", rows[i].text, rows[i].ok ? "one" : "none");
        CHECK_U64(n, rows[i].ok ? rows[i].rate : 77, "rate '%s' counts right", rows[i].text);
    }
}

static void durations_in(void)
{
    static const struct {
        const char *text;
        bool ok;
        uint64_t ms;
    } rows[] = {
        { "30", true, 30000 },  { "2.5", true, 2500 },       { "30s", true, 30000 },    { "500ms", true, 500 },
        { "5m", true, 300000 }, { "1h02m", true, 3720000 },  { "2d", true, 172800000 }, { "0", true, 0 },
        { "", false, 0 },       { "5x", false, 0 },          { "m", false, 0 },         { "1h2", false, 0 },
        { "-5", false, 0 },     { "18446744074", false, 0 }, { "999999d", false, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t ns = 77;
        CHECK(duration_parse(&ns, rows[i].text) == rows[i].ok, "time '%s' is %s", rows[i].text,
              rows[i].ok ? "one" : "none");
        CHECK_U64(ns, rows[i].ok ? rows[i].ms * 1000000 : 77, "time '%s' counts right", rows[i].text);
    }
}

static void sizes_out(void)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } rows[] = {
        { 0, "0.00 kB" },
        { 1, "0.00 kB" },
        { 5, "0.01 kB" },
        { 1000, "1.00 kB" },
        { 999994, "999.99 kB" },
        { 999996, "1.00 MB" },
        { 22020000000, "22.02 GB" },
        { 61080000000, "61.08 GB" },
        { 999996000000, "1.00 TB" },
        { 1500000000000000, "1500.00 TB" },
        { UINT64_MAX, "18446744.07 TB" },
    };
    char out[UNIT_TEXT];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_STR(size_text(out, rows[i].bytes), rows[i].text, "%llu bytes are shown as %s",
                  (unsigned long long)rows[i].bytes, rows[i].text);
    CHECK_STR(size_text_in(out, 10410000000, size_unit_for(22020000000)), "10.41 GB", "a part has its total's unit");
    CHECK_STR(size_text_in(out, 1000, size_unit_for(22020000000)), "0.00 GB", "even when it is small");
    CHECK_STR(size_text_short(out, 412000000000), "412 GB", "three digits where nobody adds up");
    CHECK_STR(block_text(out, 1048576), "1 MiB", "blocks are counted in MiB");
}

static void rates_out(void)
{
    static const struct {
        uint64_t rate;
        const char *bar, *log;
    } rows[] = {
        { 0, "0.0 MB/s", "0.0 MB/s" },
        { 5000, "5.0 kB/s", "0.0 MB/s" },
        { 87000, "87.0 kB/s", "0.1 MB/s" },
        { 18400000, "18.4 MB/s", "18.4 MB/s" },
        { 118200000, "118.2 MB/s", "118.2 MB/s" },
        { 1200000000, "1.2 GB/s", "1200.0 MB/s" },
    };
    char out[UNIT_TEXT];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_STR(rate_text(out, rows[i].rate), rows[i].bar, "bar: %s", rows[i].bar);
        CHECK_STR(rate_text_log(out, rows[i].rate), rows[i].log, "log: %s", rows[i].log);
    }
}

static void durations_out(void)
{
    static const struct {
        uint64_t s;
        const char *text;
    } rows[] = {
        { 0, "0s" },        { 31, "31s" },     { 59, "59s" },       { 60, "1m00s" },     { 631, "10m31s" },
        { 3599, "59m59s" }, { 3720, "1h02m" }, { 86399, "23h59m" }, { 273600, "3d04h" },
    };
    char out[UNIT_TEXT];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_STR(duration_text(out, rows[i].s), rows[i].text, "%s", rows[i].text);
    CHECK_STR(elapsed_text(out, 449000000), "0.4s", "a short time has a decimal");
    CHECK_STR(elapsed_text(out, 524000000000), "8m44s", "a long one none");
    CHECK_STR(wait_duration_text(out, 34900000000), "34 s", "a wait in words");
    CHECK_STR(wait_duration_text(out, 631000000000), "10m31s", "a long wait");
}

int main(void)
{
    sizes_in();
    rates_in();
    durations_in();
    sizes_out();
    rates_out();
    durations_out();
    CHECK_U64(permille(10410000000, 22020000000), 473, "47.3 %%");
    CHECK_U64(permille(999999, 1000000), 999, "100.0 %% only when complete");
    CHECK_U64(permille(5, 5), 1000, "complete");
    CHECK_U64(permille(0, 0), 1000, "an empty repository is complete");
    CHECK_U64(permille(UINT64_MAX / 2, UINT64_MAX), 500, "no overflow");
    return tap_end();
}
