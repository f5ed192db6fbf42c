/* front/units.h: sizes, rates and times as people write and read them.
 *
 * Read: K, M, G, T are 1024-based as in curl, KB, MB, GB, TB decimal, KiB ... 1024-based. Printed: decimal always
 * (GB = 10^9), for that is how disks and lines are sold. Pure; any thread. */
#ifndef HFP_FRONT_UNITS_H
#define HFP_FRONT_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNIT_TEXT 32 /* room for every text below */

/* All return false and leave *out alone when the text is not what it should be or passes 64 bits. */
bool size_parse(uint64_t *out_bytes, const char *text);
bool rate_parse(uint64_t *out_bytes_per_s, const char *text); /* "/s" may follow; "off" is 0 */
bool duration_parse(uint64_t *out_ns, const char *text);      /* 30, 2.5, 30s, 500ms, 5m, 1h, 2d, 1h02m */
bool number_parse(uint64_t *out, const char *text);

/* The unit a total is shown in; what belongs to the total is shown in the same one. */
struct size_unit {
    const char *name;
    uint64_t bytes;
};
struct size_unit size_unit_for(uint64_t total_bytes);
char *size_text(char out[static UNIT_TEXT], uint64_t bytes);                             /* "10.41 GB" */
char *size_text_in(char out[static UNIT_TEXT], uint64_t bytes, struct size_unit unit);   /* the same, unit given */
char *size_number_in(char out[static UNIT_TEXT], uint64_t bytes, struct size_unit unit); /* "10.41" */
char *size_text_short(char out[static UNIT_TEXT], uint64_t bytes); /* "412 GB": three digits do where nobody adds up */
char *block_text(char out[static UNIT_TEXT], uint64_t bytes);      /* blocks are counted in MiB: "1 MiB" */
char *rate_text(char out[static UNIT_TEXT], uint64_t bytes_per_s); /* "118.2 MB/s", "87.0 kB/s" */
char *rate_text_log(char out[static UNIT_TEXT], uint64_t bytes_per_s); /* MB/s as long as that says anything */
char *duration_text(char out[static UNIT_TEXT], uint64_t seconds);     /* "31s", "10m31s", "1h02m", "3d04h" */
char *elapsed_text(char out[static UNIT_TEXT], uint64_t ns);           /* "0.4s" below 10 s, then as above */
char *wait_duration_text(char out[static UNIT_TEXT], uint64_t ns);     /* "34 s", "10m31s" */
/* Per mille of part in total, rounded; never 1000 before part is total. total 0 counts as complete. */
unsigned permille(uint64_t part, uint64_t total);

#endif
