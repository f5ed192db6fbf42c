#include "content.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>

bool is_hex(const char *s, size_t digits)
{
    return strspn(s, "0123456789abcdef") == digits && !s[digits];
}

struct repo *content_repo(struct content *c, const char *type, const char *id)
{
    for (size_t i = 0; i < c->count; i++)
        if (!strcmp(c->repos[i].type, type) && !strcmp(c->repos[i].id, id))
            return &c->repos[i];
    return NULL;
}

static const struct commit *find_commit(const struct repo *r, const char *name)
{
    for (size_t i = 0; i < r->commit_count; i++) {
        const struct commit *c = &r->commits[i];
        if (!strcmp(c->id, name) || (c->label && !strcmp(c->label, name)))
            return c;
    }
    return NULL;
}

const struct commit *content_rev(struct content *c, const struct repo *r, const char *rev)
{
    const struct commit *found = NULL;
    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < r->ref_count && !found; i++)
        if (!strcmp(r->refs[i].name, rev ? rev : "main"))
            found = r->refs[i].target;
    pthread_mutex_unlock(&c->lock);
    if (!found && rev && is_hex(rev, 40))
        found = find_commit(r, rev);
    return found;
}

size_t commit_lower_bound(const struct commit *c, const char *path)
{
    size_t low = 0, high = c->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (strcmp(c->entries[mid].path, path) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct entry *commit_entry(const struct commit *c, const char *path)
{
    size_t i = commit_lower_bound(c, path);
    return i < c->count && !strcmp(c->entries[i].path, path) ? &c->entries[i] : NULL;
}

static void set_ref(struct repo *r, const char *name, const struct commit *target)
{
    for (size_t i = 0; i < r->ref_count; i++) {
        if (!strcmp(r->refs[i].name, name)) {
            r->refs[i].target = target;
            return;
        }
    }
    r->refs = must_grow(r->refs, (r->ref_count + 1) * sizeof(*r->refs));
    r->refs[r->ref_count++] = (struct ref){ .name = must_copy(name), .target = target };
}

static bool change_one(struct repo *r, const cJSON *item, const char **wrong)
{
    const struct {
        const char *name;
        atomic_bool *flag;
    } flags[] = {
        { "gated", &r->gated },
        { "private", &r->private },
        { "granted", &r->granted },
        { "disabled", &r->disabled },
    };
    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        if (!strcmp(item->string, flags[i].name)) {
            *flags[i].flag = cJSON_IsTrue(item);
            return true;
        }
    }
    if (!strcmp(item->string, "repo"))
        return true;
    if (strcmp(item->string, "refs") != 0) {
        *wrong = "unknown key";
        return false;
    }
    const cJSON *ref;
    cJSON_ArrayForEach (ref, item) {
        const struct commit *target = cJSON_IsString(ref) ? find_commit(r, ref->valuestring) : NULL;
        if (!target) {
            *wrong = "a ref names no commit";
            return false;
        }
        set_ref(r, ref->string, target);
    }
    return true;
}

bool content_set(struct content *c, struct repo *r, const cJSON *change, const char **wrong)
{
    bool ok = true;
    pthread_mutex_lock(&c->lock);
    const cJSON *item;
    cJSON_ArrayForEach (item, change)
        ok = ok && change_one(r, item, wrong);
    pthread_mutex_unlock(&c->lock);
    return ok;
}

static void repo_free(struct repo *r)
{
    for (size_t i = 0; i < r->commit_count; i++) {
        for (size_t k = 0; k < r->commits[i].count; k++) {
            free(r->commits[i].entries[k].path);
            free(r->commits[i].entries[k].disk);
        }
        free(r->commits[i].entries);
        free(r->commits[i].label);
    }
    for (size_t i = 0; i < r->ref_count; i++)
        free(r->refs[i].name);
    free(r->commits);
    free(r->refs);
    free(r->id);
    free(r->renamed_to);
}

void content_free(struct content *c)
{
    for (size_t i = 0; i < c->count; i++)
        repo_free(&c->repos[i]);
    free(c->repos);
    pthread_mutex_destroy(&c->lock);
}
