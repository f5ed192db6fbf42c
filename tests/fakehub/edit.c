/* edit.c: changes the JSON of an answer where a rule's "edit" says so. README.md has the language. */
#include "server.h"

#include <stdlib.h>
#include <string.h>

static bool is_index(const char *s)
{
    return *s && strspn(s, "0123456789") == strlen(s) && strlen(s) < 7;
}

/* One step of "/terms/0" or "/xorbs/#0": a name, a place in an array, or with # a place among members. */
static cJSON *step(cJSON *in, const char *name)
{
    if (cJSON_IsObject(in))
        return *name == '#' && is_index(name + 1) ? cJSON_GetArrayItem(in, atoi(name + 1))
                                                  : cJSON_GetObjectItemCaseSensitive(in, name);
    return cJSON_IsArray(in) && is_index(name) ? cJSON_GetArrayItem(in, atoi(name)) : NULL;
}

static cJSON *find(cJSON *root, const char *at, cJSON **parent)
{
    char *copy = must_copy(*at == '/' ? at + 1 : at), *rest = copy, *name;
    cJSON *here = root;
    *parent = NULL;
    while (here && (name = strsep(&rest, "/")) && (*name || rest)) {
        *parent = here;
        here = step(here, name);
    }
    free(copy);
    return here;
}

static void reverse(cJSON *list)
{
    cJSON *turned = NULL, *last = list->child, *next;
    for (cJSON *one = list->child; one; one = next) {
        next = one->next;
        one->next = turned;
        if (turned)
            turned->prev = one;
        turned = one;
    }
    if (turned)
        turned->prev = last; /* cJSON's first member knows the last */
    list->child = turned;
}

static void replace(cJSON *parent, cJSON *here, cJSON *with)
{
    if (here->string) {     /* a replaced member keeps its name */
        free(with->string); /* that of the order: "set" */
        with->string = must_copy(here->string);
        with->type &= ~cJSON_StringIsConst;
    }
    if (!cJSON_ReplaceItemViaPointer(parent, here, with))
        cJSON_Delete(with);
}

static bool one_edit(cJSON *root, const cJSON *order)
{
    const cJSON *at = cJSON_GetObjectItemCaseSensitive(order, "at"),
                *set = cJSON_GetObjectItemCaseSensitive(order, "set"),
                *add = cJSON_GetObjectItemCaseSensitive(order, "add"),
                *raw = cJSON_GetObjectItemCaseSensitive(order, "raw"),
                *name = cJSON_GetObjectItemCaseSensitive(order, "rename");
    cJSON *parent, *here = cJSON_IsString(at) ? find(root, at->valuestring, &parent) : NULL;
    if (!here)
        return false;
    if (cJSON_HasObjectItem(order, "reverse"))
        reverse(here);
    else if (!parent)
        return false;
    else if (set)
        replace(parent, here, cJSON_Duplicate(set, true));
    else if (cJSON_IsString(raw))
        replace(parent, here, cJSON_CreateRaw(raw->valuestring));
    else if (cJSON_IsNumber(add))
        cJSON_SetNumberValue(here, here->valuedouble + add->valuedouble);
    else if (cJSON_HasObjectItem(order, "remove"))
        cJSON_Delete(cJSON_DetachItemViaPointer(parent, here));
    else if (cJSON_HasObjectItem(order, "repeat") && cJSON_IsArray(parent))
        cJSON_AddItemToArray(parent, cJSON_Duplicate(here, true));
    else if (cJSON_IsString(name) && here->string)
        cJSON_AddItemToObject(parent, name->valuestring, cJSON_DetachItemViaPointer(parent, here));
    else
        return false;
    return true;
}

/* An order that fits nothing would be a test that cannot fail: the answer says so. */
void edit_apply(struct exchange *x)
{
    const cJSON *edits = fault_item(&x->fault, "edit"), *one;
    if (!edits || x->answer.status >= 300)
        return;
    cJSON *root = cJSON_Parse(text_str(&x->answer.text));
    bool ok = root != NULL;
    cJSON_ArrayForEach (one, edits)
        ok = ok && one_edit(root, one);
    char *changed = ok ? cJSON_PrintUnformatted(root) : NULL;
    if (changed) {
        text_free(&x->answer.text);
        text_add(&x->answer.text, changed);
        x->answer.count = x->answer.total = x->answer.text.n;
    } else {
        answer_error(x, 500, NULL, "a rule's edit fits nothing in this answer");
    }
    free(changed);
    cJSON_Delete(root);
}
