#include "daemon/addresses.h"

#include "daemon/body.h"
#include "front/text.h"

#include <stdio.h>
#include <string.h>

void addresses_split(struct addresses *out, const char *lines)
{
    size_t n = 0;
    out->text[0] = '\0';
    if (strlen(lines) < sizeof out->text)
        strcpy(out->text, lines);
    for (char *rest = out->text, *line; n < NOTIFY_TARGETS_MAX && (line = strsep(&rest, "\n")) != NULL;)
        if (*line)
            out->list[n++] = line;
    out->list[n] = NULL;
}

void address_shown(char out[static ADDRESS_SHOWN_SIZE], const char *const *list, size_t i)
{
    char shown[160], other[160];
    unsigned same = 1;
    notify_target_shown(shown, list[i]);
    for (size_t k = 0; k < i; k++) {
        notify_target_shown(other, list[k]);
        same += strcmp(other, shown) == 0;
    }
    if (same == 1)
        snprintf(out, ADDRESS_SHOWN_SIZE, "%s", shown);
    else
        snprintf(out, ADDRESS_SHOWN_SIZE, "%s (%u)", shown, same);
}

void addresses_list_json(struct out *o, const char *name, const char *const *list)
{
    char shown[ADDRESS_SHOWN_SIZE];
    out_list(o, name);
    for (size_t i = 0; list && list[i]; i++) {
        address_shown(shown, list, i);
        out_text(o, NULL, shown);
    }
    out_list_end(o);
}

void addresses_json(struct out *o, const char *name, const char *lines)
{
    struct addresses a;
    addresses_split(&a, lines);
    addresses_list_json(o, name, a.list);
}

int address_check(const char *text, const char *name, struct hfp_err *err)
{
    struct notify_target t;
    struct hfp_err why = { 0 };
    if (notify_target_parse(&t, text, false, &why))
        return fault(err, HFP_E_ARG, "%s: %s.", name, why.message);
    if (strcmp(text, t.shown) == 0)
        return fault(err, HFP_E_ARG, "%s: an address is shown like this; give the whole one.", name);
    return HFP_OK;
}

/* What one member of the list stands for; NULL: it is wrong. */
static const char *meant(const char *text, const char *name, const struct addresses *was, struct hfp_err *err)
{
    char shown[ADDRESS_SHOWN_SIZE];
    for (size_t i = 0; was->list[i]; i++) {
        address_shown(shown, was->list, i);
        if (strcmp(shown, text) == 0)
            return was->list[i];
    }
    return address_check(text, name, err) == HFP_OK ? text : NULL;
}

static bool has_line(const char *lines, const char *line)
{
    size_t n = strlen(line);
    for (; *lines; lines += strcspn(lines, "\n"), lines += *lines == '\n')
        if (strcspn(lines, "\n") == n && memcmp(lines, line, n) == 0)
            return true;
    return false;
}

int addresses_read(char *lines, size_t room, const cJSON *item, const char *name, const char *was, struct hfp_err *err)
{
    struct addresses before;
    char made[ADDRESSES_ROOM] = "";
    size_t n = 0;
    if (!cJSON_IsArray(item) || cJSON_GetArraySize(item) > NOTIFY_TARGETS_MAX)
        return fault(err, HFP_E_ARG, "%s: has to be a list of at most %d addresses.", name, NOTIFY_TARGETS_MAX);
    addresses_split(&before, was);
    for (const cJSON *one = item->child; one; one = one->next) {
        const char *text = cJSON_GetStringValue(one);
        if (!text || !text_plain(text))
            return fault(err, HFP_E_ARG, "%s: has to be a list of addresses.", name);
        if (!(text = meant(text, name, &before, err)))
            return err->code;
        if (has_line(made, text))
            continue;
        if (n + strlen(text) + 2 > sizeof made || n + strlen(text) + 2 > room)
            return fault(err, HFP_E_ARG, "%s: the addresses are too long together.", name);
        n += (size_t)sprintf(made + n, "%s%s", n ? "\n" : "", text);
    }
    strcpy(lines, made);
    return HFP_OK;
}

bool addresses_fine(const char *lines)
{
    struct addresses a;
    struct hfp_err err;
    if (strlen(lines) >= sizeof a.text)
        return false;
    addresses_split(&a, lines);
    for (size_t i = 0; a.list[i]; i++)
        if (address_check(a.list[i], "", &err))
            return false;
    return true;
}

/* ---- events ---- */

bool event_known(const char *word)
{
    for (unsigned i = 0; i < NOTIFY_EVENT_COUNT; i++)
        if (strcmp(notify_event_text((enum notify_event)i), word) == 0)
            return true;
    return false;
}

unsigned events_bits(const char *words)
{
    unsigned bits = 0;
    return *words && notify_events_parse(&bits, words) ? bits : 0;
}

bool events_fine(const char *words)
{
    return !*words || events_bits(words) != 0;
}

int events_read(char *words, size_t room, const cJSON *item, const char *name, const char *was, struct hfp_err *err)
{
    (void)was; /* words hold no secret: they come whole */
    struct out o = { 0 };
    unsigned bits = 0;
    bool fine = cJSON_IsArray(item) && cJSON_GetArraySize(item) <= NOTIFY_EVENT_COUNT;
    for (const cJSON *one = fine ? item->child : NULL; one && fine; one = one->next) {
        const char *word = cJSON_GetStringValue(one);
        fine = word && event_known(word);
        bits |= fine ? events_bits(word) : 0;
    }
    if (!fine)
        return fault(err, HFP_E_ARG, "%s: has to be a list of started, stalled, recovered, done, failed, disk_low.",
                     name);
    *words = '\0';
    for (unsigned i = 0; i < NOTIFY_EVENT_COUNT; i++)
        if (bits & 1U << i)
            out_fmt(&o, "%s%s", o.n ? "," : "", notify_event_text((enum notify_event)i));
    if (o.data && o.n < room)
        strcpy(words, o.data);
    out_done(&o);
    return HFP_OK;
}

void events_json(struct out *o, const char *name, const char *words)
{
    unsigned bits = events_bits(words);
    out_list(o, name);
    for (unsigned i = 0; i < NOTIFY_EVENT_COUNT; i++)
        if (bits & 1U << i)
            out_text(o, NULL, notify_event_text((enum notify_event)i));
    out_list_end(o);
}
