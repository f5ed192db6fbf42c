/* fuzz.h: what the fuzz targets share.
 *
 * A target is one LLVMFuzzerTestOneInput(). libFuzzer drives it (make fuzz), or replay.c with the corpus, in every test
 * run. It judges more than "no crash": each MUST() is something that a reader of outside bytes owes its caller. */
#ifndef HFP_TESTS_FUZZ_H
#define HFP_TESTS_FUZZ_H

#include "base/auto.h"

#include "hfp/hfp.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Before the first input: checks of the target itself. */
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

__attribute__((noreturn)) static inline void must_fail(const char *file, int line, const char *promise)
{
    fprintf(stderr, "%s:%d: broken: %s\n", file, line, promise);
    abort();
}
#define MUST(cond, promise) ((cond) ? (void)0 : must_fail(__FILE__, __LINE__, (promise)))

/* A C string in memory of exactly its size, so that a sanitizer sees each byte read beyond it. */
static inline char *text_of(const void *data, size_t n)
{
    size_t len = strnlen(data, n);
    char *text = malloc(len + 1);
    MUST(text != NULL, "memory for the input");
    memcpy(text, data, len);
    text[len] = 0;
    return text;
}

/* What is left of an input that has several parts: texts that end with a line feed. */
struct input {
    const uint8_t *at;
    size_t n;
};

static inline char *input_line(struct input *in)
{
    const uint8_t *feed = in->n ? memchr(in->at, '\n', in->n) : NULL;
    size_t n = feed ? (size_t)(feed - in->at) : in->n;
    char *text = text_of(in->n ? (const void *)in->at : "", n);
    in->at += n + (feed != NULL);
    in->n -= n + (feed != NULL);
    return text;
}

static inline bool has_controls(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

/* A refusal says so in both places, in words that end. */
static inline void must_be_told(int rc, const struct hfp_err *err)
{
    MUST(rc != HFP_OK && (int)err->code == rc, "the error carries the code that was returned");
    MUST(err->message[0] && memchr(err->message, 0, sizeof err->message), "an error has a message, and it ends");
}

#endif
