#include "net/addresses.h"
#include "base/auto.h"

#include <arpa/inet.h>
#include <string.h>

static bool address_read(char out[INET6_ADDRSTRLEN], bool *ipv6, const char *text)
{
    uint8_t raw[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, text, raw) == 1)
        *ipv6 = false;
    else if (inet_pton(AF_INET6, text, raw) == 1)
        *ipv6 = true;
    else
        return false;
    /* One spelling for each, whoever wrote it. */
    return inet_ntop(*ipv6 ? AF_INET6 : AF_INET, raw, out, INET6_ADDRSTRLEN) != NULL;
}

/* Finds or enters; NULL when it is no address. */
static struct address *address_use(struct addresses *a, const char *text)
{
    char name[INET6_ADDRSTRLEN];
    bool ipv6;
    struct address *oldest = &a->entry[0];
    if (!address_read(name, &ipv6, text))
        return NULL;
    a->uses++;
    for (size_t i = 0; i < a->count; i++) {
        struct address *entry = &a->entry[i];
        if (strcmp(entry->text, name) == 0) {
            entry->used = a->uses;
            return entry;
        }
        if (entry->used < oldest->used)
            oldest = entry;
    }
    struct address *entry = a->count < HOST_ADDRESSES_MAX ? &a->entry[a->count++] : oldest;
    *entry = (struct address){ .ipv6 = ipv6, .used = a->uses };
    memcpy(entry->text, name, strlen(name) + 1);
    return entry;
}

bool addresses_add(struct addresses *a, const char *text)
{
    return address_use(a, text) != NULL;
}

static bool is_bad(const struct suspicion *s, uint64_t now_ns)
{
    return s->bad_until_ns > now_ns;
}

static void suspect(struct suspicion *s, uint64_t now_ns)
{
    uint64_t wait_ns = HOST_BAD_MIN_NS;
    if (s->bad_until_ns + HOST_BAD_MAX_NS < now_ns) /* an old story */
        s->fails = 0;
    for (uint32_t i = 0; i < s->fails && wait_ns < HOST_BAD_MAX_NS; i++)
        wait_ns *= 2;
    s->fails++;
    s->bad_until_ns = now_ns + MIN(wait_ns, HOST_BAD_MAX_NS);
}

/* Some address of the family is bad and none has worked since the last failure. */
static bool family_doubtful(const struct addresses *a, bool ipv6, uint64_t now_ns)
{
    uint64_t failed_ns = 0, ok_ns = 0;
    bool bad = false;
    for (size_t i = 0; i < a->count; i++) {
        const struct address *entry = &a->entry[i];
        if (entry->ipv6 != ipv6)
            continue;
        bad |= is_bad(&entry->bad, now_ns);
        failed_ns = MAX(failed_ns, entry->failed_ns);
        ok_ns = MAX(ok_ns, entry->ok_ns);
    }
    return bad && ok_ns <= failed_ns;
}

void addresses_failed(struct addresses *a, const char *text, uint64_t now_ns)
{
    struct address *entry = address_use(a, text);
    suspect(entry ? &entry->bad : &a->curl_choice, now_ns);
    if (entry)
        entry->failed_ns = now_ns;
}

void addresses_ok(struct addresses *a, const char *text, uint64_t now_ns)
{
    struct address *entry = address_use(a, text);
    if (!entry) {
        a->curl_choice = (struct suspicion){ 0 };
        return;
    }
    entry->bad = (struct suspicion){ 0 };
    entry->ok_ns = now_ns;
    if (family_doubtful(a, !entry->ipv6, now_ns))
        a->family = entry->ipv6 ? HFP_IPV6 : HFP_IPV4;
    else if (a->family == (entry->ipv6 ? HFP_IPV4 : HFP_IPV6))
        a->family = HFP_ANY_FAMILY;
}

bool addresses_suspected(const struct addresses *a, uint64_t now_ns)
{
    if (is_bad(&a->curl_choice, now_ns))
        return true;
    for (size_t i = 0; i < a->count; i++)
        if (is_bad(&a->entry[i].bad, now_ns))
            return true;
    return false;
}

static bool is_listed(const char *const *list, size_t n, const char *address)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] && strcmp(list[i], address) == 0)
            return true;
    return false;
}

static bool family_allows(enum hfp_family family, bool ipv6)
{
    return family == HFP_ANY_FAMILY || (family == HFP_IPV6) == ipv6;
}

const char *addresses_pick(struct addresses *a, enum hfp_family family, const char *const *avoid, size_t avoid_n,
                           uint64_t now_ns)
{
    const bool doubtful[2] = { family_doubtful(a, false, now_ns), family_doubtful(a, true, now_ns) };
    struct address *best = NULL;
    unsigned best_rank = 0;
    for (size_t i = 0; i < a->count; i++) {
        struct address *entry = &a->entry[i];
        if (is_bad(&entry->bad, now_ns) || !family_allows(family, entry->ipv6) ||
            is_listed(avoid, avoid_n, entry->text))
            continue;
        unsigned rank = 2U * doubtful[entry->ipv6] + !family_allows(a->family, entry->ipv6);
        if (!best || rank < best_rank || (rank == best_rank && entry->picked < best->picked)) {
            best = entry;
            best_rank = rank;
        }
    }
    if (!best)
        return NULL;
    best->picked = best->used = ++a->uses;
    return best->text;
}
