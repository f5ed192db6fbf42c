/* daemon/openapi_shapes.h: the schemas of /openapi.json that no table makes, and the words they are written with.
 *
 * openapi.c makes the rest, from the tables. Constant. */
#ifndef HFP_DAEMON_OPENAPI_SHAPES_H
#define HFP_DAEMON_OPENAPI_SHAPES_H

#include <stddef.h>

#define REF(name) "{\"$ref\":\"#/components/schemas/" name "\"}"
#define TEXT_SCHEMA "{\"type\":\"string\"}"
#define COUNT_SCHEMA "{\"type\":\"integer\",\"minimum\":0}"
#define TEXTS_SCHEMA "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"
#define TEXT_OR_NULL_SCHEMA "{\"type\":[\"string\",\"null\"]}"
#define COUNT_OR_NULL_SCHEMA "{\"type\":[\"integer\",\"null\"],\"minimum\":0}"
/* An object whose members are all there and no others. */
#define OBJECT(required, properties)                                                                                   \
    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[" required "],\"properties\":{" properties "}}"
#define OR_NULL(schema) "{\"anyOf\":[" schema ",{\"type\":\"null\"}]}"

#define ASK_SCHEMA_PRIORITY "{\"type\":\"integer\",\"minimum\":-100,\"maximum\":100}"
#define ASK_SCHEMA_RATE "{\"type\":\"integer\",\"minimum\":0,\"maximum\":9007199254740991}"
/* A named schema; text: its description, or NULL. A member without a schema is a reference to the one of its name. */
struct shape {
    const char *name, *schema, *text;
};
/* Parts of a job have the field's name. */
extern const struct shape openapi_shapes[];
extern const size_t openapi_shapes_n;

#endif
