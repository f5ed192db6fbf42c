/* A repository as people write it or copy it from the browser. What is understood has a name that can be one, fits its
 * fields, and is understood the same when written in the plain form. */
#include "fuzz.h"

#include "front/spec.h"
#include "front/text.h"

#define HUB "https://huggingface.co"

static void spec_must_hold(const struct spec *s)
{
    size_t slashes = 0;
    for (const char *c = s->repo; *c; c++) {
        slashes += *c == '/';
        MUST((*c >= '0' && *c <= '9') || ((*c | 0x20) >= 'a' && (*c | 0x20) <= 'z') || strchr("-_./", *c),
             "plain letters");
    }
    size_t n = strlen(s->repo);
    MUST(n > 0 && slashes <= 1 && s->repo[0] != '/' && s->repo[n - 1] != '/', "name or org/name");
    MUST(memchr(s->repo, 0, sizeof s->repo) && memchr(s->revision, 0, sizeof s->revision) &&
             memchr(s->path, 0, sizeof s->path),
         "texts end in their fields");
    MUST(text_plain(s->revision) && text_plain(s->path), "and can be shown and stored");
}

/* TYPE/ORG/NAME@REV:PATH of what was understood means the same. Names without an organisation may look like files, and
 * a revision with a colon has no plain form. */
static void plain_form_must_hold(const struct spec *s)
{
    static const char *const types[] = { [HFP_MODEL] = "models", [HFP_DATASET] = "datasets", [HFP_SPACE] = "spaces" };
    char text[2048];
    struct spec again;
    struct hfp_err err = { 0 };
    if (!strchr(s->repo, '/') || strchr(s->revision, ':'))
        return;
    snprintf(text, sizeof text, "%s/%s%s%s%s%s", types[s->type], s->repo, s->revision[0] ? "@" : "", s->revision,
             s->path[0] ? ":" : "", s->path);
    MUST(spec_parse(&again, text, HUB, &err) == HFP_OK, "the plain form is understood");
    MUST(again.type == s->type && strcmp(again.repo, s->repo) == 0 && strcmp(again.revision, s->revision) == 0 &&
             strcmp(again.path, s->path) == 0,
         "and means the same");
}

/* Unless something was decoded or left out behind it, the path is the end of what was typed: nothing was cut. */
static void path_must_be_whole(const struct spec *s, const char *text)
{
    size_t n = strlen(s->path), m = strlen(text);
    if (n == 0 || strpbrk(text, "%?#"))
        return;
    n -= s->path[n - 1] == '/';
    m -= text[m - 1] == '/';
    MUST(n <= m && memcmp(text + m - n, s->path, n) == 0, "the path is all that was typed behind the name");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const hubs[] = { HUB, "http://localhost:8080/", "https://hub.example.org/mirror" };
    AUTO_FREE char *text = text_of(size ? (const void *)data : "", size);
    for (size_t i = 0; i < ARRAY_LEN(hubs); i++) {
        struct spec s;
        memset(&s, 0x5A, sizeof s);
        struct hfp_err err = { 0 };
        int rc = spec_parse(&s, text, hubs[i], &err);
        if (rc) {
            must_be_told(rc, &err);
            MUST(rc == HFP_E_ARG && s.repo[0] == 0x5A,
                 "what is not understood is a bad argument, and nothing is written");
            continue;
        }
        spec_must_hold(&s);
        plain_form_must_hold(&s);
        path_must_be_whole(&s, text);
    }
    return 0;
}
