/* hashes.h: the ids of files, made with OpenSSL directly, never with the code under test. */
#ifndef FAKEHUB_HASHES_H
#define FAKEHUB_HASHES_H

#include "content.h"

#include <stddef.h>

/* Fills oid and sha256 of every file in the list, in parallel. cache: a file of earlier results, or NULL. */
void hashes_fill(struct entry **files, size_t count, const char *cache);

void sha1_hex(char out[static 41], const void *p, size_t n);
void sha256_hex(char out[static 65], const void *p, size_t n);

#endif
