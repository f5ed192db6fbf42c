/* net/span.h: reading a piece of a header value without copying it. Pure; any thread. */
#ifndef HFP_NET_SPAN_H
#define HFP_NET_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
    const char *at, *end;
};

bool is_blank(char c);
/* Without blanks at both ends and the line end. */
struct span span_trim(const char *text, size_t n);
bool span_is(struct span s, const char *word); /* of either case */
/* Digits at the front, moved over. False: none, or beyond off_t. */
bool span_number(struct span *s, uint64_t *out);
/* This character at the front, moved over. */
bool span_char(struct span *s, char c);
/* A number and nothing else. */
bool number_read(uint64_t *out, const char *value, size_t n);
/* For people: cut to fit, not inside a UTF-8 sequence; control characters, which could steer a terminal, become '?'. */
void text_copy(char *out, size_t out_size, struct span s);
/* For machines: whole and without control characters, or not at all. */
bool exact_copy(char *out, size_t out_size, struct span s);

#endif
