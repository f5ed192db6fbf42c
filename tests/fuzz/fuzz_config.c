/* The config file. Only options that may stand there are set, within the range of their kind; a second reading changes
 * nothing but lists; the command line is not replaced; and a bad line is told with its place. */
#include "spoken_file.h"

#include "front/options.h"

static const char at_line[] = "given";

static void value_must_hold(const struct options *o, enum option_id id)
{
    const struct option_row *row = &option_rows[id];
    const struct option_value *v = &o->v[id];
    if (v->source == FROM_NOWHERE)
        return;
    MUST(v->source == FROM_USER && row->where == WHERE_ANY, "only what may stand in a file is set by it");
    MUST((v->list == NULL) == (v->list_n == 0) && (!v->list || !v->list[v->list_n]), "a list ends");
    if (row->kind == OPTION_TEXT || row->kind == OPTION_SECRET || row->kind == OPTION_PATH)
        MUST(v->text != NULL, "a text is there");
    if (row->kind == OPTION_FLAG)
        MUST(v->number <= 1, "a flag is on or off");
    if (row->kind == OPTION_NUMBER)
        MUST(v->number <= UINT32_MAX, "a number fits its field");
    if (row->kind == OPTION_CHOICE) {
        uint64_t words = 1;
        for (const char *c = row->value; *c; c++)
            words += *c == '|';
        MUST(v->number < words, "a choice is one of its words");
    }
}

static void second_reading(struct options *o, const char *path)
{
    struct hfp_err err = { 0 };
    struct option_value before[OPT_COUNT];
    char *texts[OPT_COUNT];
    memcpy(before, o->v, sizeof before);
    for (unsigned i = 0; i < OPT_COUNT; i++)
        texts[i] = o->v[i].text ? strdup(o->v[i].text) : NULL;
    MUST(options_read_config(o, FROM_USER, path, &err) == HFP_OK, "a good file is good twice");
    for (unsigned i = 0; i < OPT_COUNT; i++) {
        MUST(o->v[i].number == before[i].number && o->v[i].source == before[i].source, "twice is as once");
        MUST(!texts[i] == !o->v[i].text && (!texts[i] || strcmp(texts[i], o->v[i].text) == 0), "for texts too");
        free(texts[i]);
    }
}

/* With everything already said on the command line, the file says nothing. */
static void line_goes_before(const char *path, bool good)
{
    struct options o = { 0 };
    struct hfp_err err = { 0 };
    for (unsigned i = 0; i < OPT_COUNT; i++) {
        o.v[i].source = FROM_LINE;
        o.v[i].text = strdup(at_line);
        o.v[i].number = 77;
    }
    int rc = options_read_config(&o, FROM_USER, path, &err);
    MUST(!good || rc == HFP_OK, "a good file is good whatever was said before");
    for (unsigned i = 0; i < OPT_COUNT; i++)
        MUST(o.v[i].number == 77 && strcmp(o.v[i].text, at_line) == 0 && !o.v[i].list, "the command line stays");
    options_done(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct options o = { 0 };
    struct hfp_err err = { 0 };
    const char *path = spoken_file(data, size);
    int rc = options_read_config(&o, FROM_USER, path, &err);
    if (rc) {
        must_be_told(rc, &err);
        MUST(rc == HFP_E_ARG && strstr(err.message, path), "a bad file is a bad argument, and the sentence names it");
    } else {
        for (unsigned i = 0; i < OPT_COUNT; i++)
            value_must_hold(&o, (enum option_id)i);
        second_reading(&o, path);
        if (options_defaults(&o, &err) == HFP_OK)
            rc = options_check(&o, &err);
        if (rc)
            must_be_told(rc, &err);
    }
    line_goes_before(path, rc == HFP_OK);
    options_done(&o);
    return 0;
}
