/* From options to what the engine takes. */
#include "front/options.h"

#include "front/files.h"
#include "front/text.h"
#include "front/timetable.h"

#include <stdlib.h>
#include <time.h>

static int make_absolute(char **path, struct hfp_err *err)
{
    char *absolute = path_absolute(*path);
    if (!absolute)
        return fault_nomem(err);
    free(*path);
    *path = absolute;
    return HFP_OK;
}

const char *hub_folder(const struct options *o)
{
    const struct option_value *asked = &o->v[OPT_CACHE_DIR];
    /* The environment's folder stands above a config file's, and always has a value. */
    bool environment = getenv("HF_HUB_CACHE") || getenv("HUGGINGFACE_HUB_CACHE") || getenv("HF_HOME");
    return asked->text && (asked->source == FROM_LINE || !environment) ? asked->text : o->hub_cache;
}

int engine_config(struct hfp_config *out, struct options *o, struct hfp_err *err)
{
    const struct option_value *v = o->v;
    struct timetable limits = { 0 };
    timetable_parse(&limits, v[OPT_LIMIT_RATE].text);
    if ((v[OPT_CACHE_DIR].text && make_absolute(&o->v[OPT_CACHE_DIR].text, err)) ||
        (v[OPT_LOCAL_DIR].text && make_absolute(&o->v[OPT_LOCAL_DIR].text, err)))
        return err->code;
    *out = (struct hfp_config){
        .endpoint = v[OPT_ENDPOINT].text,
        .token = o->token,
        .hub_cache = hub_folder(o),
        .state_dir = o->state_dir,
        .user_agent = o->user_agent,
        .proxy = v[OPT_PROXY].text,
        .ca_file = v[OPT_CA_FILE].text,
        .ca_dir = o->ca_dir,
        .resolve = (const char *const *)v[OPT_RESOLVE].list,
        .family = option_on(o, OPT_IPV4)   ? HFP_IPV4
                  : option_on(o, OPT_IPV6) ? HFP_IPV6
                                           : HFP_ANY_FAMILY,
        .max_connections = (uint32_t)v[OPT_MAX_WORKERS].number,
        .chunk_bytes = v[OPT_CHUNK_SIZE].number,
        .limit_bytes_per_s = timetable_limit(&limits, time(NULL)),
        .timeout_ns = v[OPT_TIMEOUT].number,
        .stall_timeout_ns = v[OPT_STALL_TIMEOUT].number,
        .api_timeout_ns = o->api_timeout_ns,
        .max_rounds = (uint32_t)v[OPT_MAX_ATTEMPTS].number,
        .max_rounds_given = v[OPT_MAX_ATTEMPTS].source > FROM_DEFAULT,
        .no_symlinks = o->no_symlinks,
        .no_shared_blobs = o->no_shared_blobs,
        .direct_io = (enum hfp_direct_io)v[OPT_DIRECT_IO].number,
        .xet = (enum hfp_xet)v[OPT_XET].number,
    };
    return HFP_OK;
}
