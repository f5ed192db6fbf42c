/* What a notification says. */
#include "front/notify_letter.h"

#include "front/progress.h"
#include "front/status_json.h"
#include "front/text.h"
#include "front/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static const char *const words[NOTIFY_EVENT_COUNT] = {
#define X(name, text) text,
    NOTIFY_EVENTS(X)
#undef X
};

const char *notify_event_text(enum notify_event event)
{
    return (unsigned)event < NOTIFY_EVENT_COUNT ? words[event] : "test";
}

bool notify_events_parse(unsigned *out, const char *text)
{
    unsigned set = 0;
    if (strcmp(text, "all") == 0) {
        *out = NOTIFY_ALL;
        return true;
    }
    while (*text) {
        size_t n = strcspn(text, ", "), found = NOTIFY_EVENT_COUNT;
        for (size_t i = 0; i < NOTIFY_EVENT_COUNT; i++)
            if (strlen(words[i]) == n && memcmp(words[i], text, n) == 0)
                found = i;
        if (found == NOTIFY_EVENT_COUNT)
            return false;
        set |= 1U << found;
        text += n;
        text += strspn(text, ", ");
    }
    if (!set)
        return false;
    *out = set;
    return true;
}

static void say_amount(struct text *t, const struct hfp_status *st)
{
    char done[UNIT_TEXT], total[UNIT_TEXT];
    struct size_unit unit = size_unit_for(st->total_bytes);
    unsigned p = permille(shown_bytes(st), st->total_bytes);
    text_fmt(t, "at %u.%u %% (%s of %s)", p / 10, p % 10, size_text_in(done, shown_bytes(st), unit),
             size_text_in(total, st->total_bytes, unit));
}

static void say_end(struct text *t, const struct hfp_status *st)
{
    char size[UNIT_TEXT], time[UNIT_TEXT];
    text_fmt(t, "done (%s): %" PRIu64 " files, %s in %s", verb_text(st->verb), st->files,
             size_text(size, st->total_bytes), elapsed_text(time, st->elapsed_ns));
}

static void say_start(struct text *t, const struct hfp_status *st)
{
    char size[UNIT_TEXT], here[UNIT_TEXT];
    text_fmt(t, "started: %" PRIu64 " files, %s", st->files, size_text(size, st->total_bytes));
    if (st->here_bytes)
        text_fmt(t, ", %s of it is here", size_text(here, st->here_bytes));
}

static void say(struct text *t, const struct notify_message *m)
{
    const struct hfp_status *st = m->status;
    char a[UNIT_TEXT], b[UNIT_TEXT];
    text_clear(t);
    text_safe(t, m->repo);
    if (m->revision && strcmp(m->revision, "main") != 0) {
        text_fmt(t, "@");
        text_safe(t, m->revision);
    }
    text_fmt(t, ": ");
    switch (m->event) {
    case NOTIFY_STARTED:
        say_start(t, st);
        break;
    case NOTIFY_STALLED:
        text_fmt(t, "stalled for %s ", wait_duration_text(a, st->quiet_ns));
        say_amount(t, st);
        text_fmt(t, ": ");
        text_safe(t, st->wait_text[0] ? st->wait_text : hfp_wait_text(st->wait));
        break;
    case NOTIFY_RECOVERED:
        text_fmt(t, "goes on ");
        say_amount(t, st);
        break;
    case NOTIFY_DONE:
        say_end(t, st);
        break;
    case NOTIFY_FAILED:
        text_fmt(t, "failed: ");
        text_safe(t, st->error.message[0] ? st->error.message : hfp_code_text(st->error.code));
        break;
    case NOTIFY_DISK_LOW:
        text_fmt(t, "disk low: %s free, %s to come", size_text(a, m->free_bytes), size_text(b, m->to_come_bytes));
        break;
    default:
        text_fmt(t, "this is a test");
    }
}

static cJSON *make_json(const struct notify_message *m, const struct text *t, const char *id)
{
    char host[256] = "";
    cJSON *o = cJSON_CreateObject();
    if (!o)
        return NULL;
    gethostname(host, sizeof host - 1);
    member_text(o, "hf_pull", HFP_VERSION);
    member_text(o, "id", id);
    member_i64(o, "unix_ms", m->unix_ms);
    member_text(o, "event", notify_event_text(m->event));
    member_text(o, "host", host);
    member_text(o, "repo", m->repo);
    member_text(o, "revision", m->revision);
    member_text(o, "repo_type", repo_type_text(m->type));
    member_text(o, "job", m->job);
    member_text(o, "text", t->data);
    if (m->event == NOTIFY_DISK_LOW)
        member_u64(o, "free_bytes", m->free_bytes);
    cJSON_AddItemToObject(o, "status", m->status ? status_json(m->status) : cJSON_CreateNull());
    return o;
}

static unsigned priority(enum notify_event event)
{
    switch (event) {
    case NOTIFY_FAILED:
    case NOTIFY_DISK_LOW:
        return 4;
    case NOTIFY_STARTED:
    case NOTIFY_RECOVERED:
        return 2;
    default:
        return 3;
    }
}

struct letter *letter_new(const struct notify_message *m)
{
    struct letter *l = calloc(1, sizeof *l);
    uint64_t random[2] = { 0 };
    struct text t;
    if (!l)
        return NULL;
    say(&t, m);
    if (getrandom(random, sizeof random, GRND_NONBLOCK) < 0) /* it need only differ from the others of this process */
        random[0] = (uint64_t)(uintptr_t)l ^ (uint64_t)m->unix_ms;
    snprintf(l->said.id, sizeof l->said.id, "%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    snprintf(l->title, sizeof l->title, "hf-pull: %.150s %s", m->repo ? m->repo : "", notify_event_text(m->event));
    for (char *c = l->title; *c; c++) /* it becomes a header */
        if (*c < ' ' || *c > '~')
            *c = '?';
    cJSON *o = make_json(m, &t, l->said.id);
    l->json = o ? cJSON_PrintUnformatted(o) : NULL;
    l->text = strdup(t.data);
    cJSON_Delete(o);
    if (!l->json || !l->text) {
        letter_free(l);
        return NULL;
    }
    l->said.event = notify_event_text(m->event);
    l->said.title = l->title;
    l->said.text = l->text;
    l->said.json = l->json;
    l->said.priority = priority(m->event);
    return l;
}

void letter_free(struct letter *l)
{
    if (!l)
        return;
    cJSON_free(l->json);
    free(l->text);
    free(l);
}
