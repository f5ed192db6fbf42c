#include "daemon/openapi_shapes.h"

#define FRONT_MEMBERS                                                                                                  \
    "\"path\":" TEXT_SCHEMA ",\"size_bytes\":" COUNT_SCHEMA ",\"recorded_bytes\":" COUNT_SCHEMA                        \
    ",\"rate_bytes_per_s\":" COUNT_SCHEMA ",\"host\":" TEXT_SCHEMA ",\"address\":" TEXT_SCHEMA                         \
    ",\"family\":{\"enum\":[\"IPv4\",\"IPv6\",null]},\"rtt_us\":" COUNT_SCHEMA ",\"retransmits\":" COUNT_SCHEMA
#define COUNTS5(a, b, c, d, e)                                                                                         \
    "\"" a "\":" COUNT_SCHEMA ",\"" b "\":" COUNT_SCHEMA ",\"" c "\":" COUNT_SCHEMA ",\"" d "\":" COUNT_SCHEMA ",\"" e \
    "\":" COUNT_SCHEMA

#define RATES "\"rx_bytes_per_s\":" COUNT_SCHEMA ",\"tx_bytes_per_s\":" COUNT_SCHEMA
#define NAME_SCHEMA "{\"type\":[\"string\",\"null\"],\"minLength\":1,\"maxLength\":1024}"

const struct shape openapi_shapes[] = {
    { "Any", "{}", NULL },
    { "State",
      "{\"enum\":[\"queued\",\"resolving\",\"downloading\",\"verifying\",\"repairing\",\"paused\",\"waiting\",\"done\","
      "\"failed\",\"cancelled\"]}",
      NULL },
    { "NotifyEvent", "{\"enum\":[\"started\",\"stalled\",\"recovered\",\"done\",\"failed\",\"disk_low\"]}", NULL },
    { "notify", TEXTS_SCHEMA, NULL },
    { "NotifyResults",
      OBJECT("\"results\"", "\"results\":{\"type\":\"array\",\"items\":" OBJECT(
                                "\"url\",\"ok\",\"message\"",
                                "\"url\":" TEXT_SCHEMA ",\"ok\":{\"type\":\"boolean\"},\"message\":" TEXT_SCHEMA) "}"),
      NULL },
    { "Verb", "{\"enum\":[\"pull\",\"verify\",\"repair\",\"plan\",\"index\"]}", NULL },
    { "RepoType", "{\"enum\":[\"model\",\"dataset\",\"space\"]}", NULL },
    { "limited_by",
      OBJECT("\"what\",\"text\"", "\"what\":{\"enum\":[\"line\",\"cdn\",\"hub_quota\",\"proxy\",\"disk\",\"cpu\","
                                  "\"own_limit\",\"nothing\",\"unknown\"]},\"text\":" TEXT_SCHEMA),
      NULL },
    { "waited_s", "{\"type\":\"object\",\"additionalProperties\":" COUNT_SCHEMA "}", NULL },
    { "fronts",
      "{\"type\":\"array\",\"items\":" OBJECT(
          "\"path\",\"size_bytes\",\"recorded_bytes\",\"rate_bytes_per_s\",\"host\","
          "\"address\",\"family\",\"rtt_us\",\"retransmits\"",
          FRONT_MEMBERS) "}",
      NULL },
    { "plan",
      OR_NULL(OBJECT("\"fetch_bytes\",\"fetch_files\",\"prove_bytes\",\"prove_files\",\"copied_bytes\"",
                     COUNTS5("fetch_bytes", "fetch_files", "prove_bytes", "prove_files", "copied_bytes"))),
      NULL },
    { "summary",
      OR_NULL(OBJECT("\"kept_bytes\",\"adopted_bytes\",\"copied_bytes\",\"fetched_bytes\",\"repaired_bytes\","
                     "\"refetched_bytes\",\"requests\",\"connections_lost\",\"rounds\",\"mean_bytes_per_s\"",
                     COUNTS5("kept_bytes", "adopted_bytes", "copied_bytes", "fetched_bytes",
                             "repaired_bytes") "," COUNTS5("refetched_bytes", "requests", "connections_lost", "rounds",
                                                           "mean_bytes_per_s"))),
      NULL },
    { "error",
      OR_NULL(OBJECT("\"code\",\"message\",\"exit_status\",\"http_status\"",
                     "\"code\":" TEXT_SCHEMA ",\"message\":" TEXT_SCHEMA ",\"exit_status\":" COUNT_SCHEMA
                     ",\"http_status\":" COUNT_OR_NULL_SCHEMA)),
      NULL },
    { "File",
      OBJECT(
          "\"path\",\"size_bytes\",\"recorded_bytes\",\"state\",\"hash\",\"host\"",
          "\"path\":" TEXT_SCHEMA ",\"size_bytes\":" COUNT_SCHEMA ",\"recorded_bytes\":" COUNT_SCHEMA
          ",\"state\":{\"enum\":[\"planned\",\"fetching\",\"proved\",\"repaired\",\"damaged\",\"missing\",\"failed\"]}"
          ",\"hash\":" TEXT_OR_NULL_SCHEMA ",\"host\":" TEXT_OR_NULL_SCHEMA),
      NULL },
    { "FilePage",
      OBJECT("\"files\",\"files_next\"",
             "\"files\":{\"type\":\"array\",\"items\":" REF("File") "},\"files_next\":" COUNT_OR_NULL_SCHEMA),
      NULL },
    { "JobPage",
      OBJECT("\"jobs\",\"next_cursor\",\"total\"",
             "\"jobs\":{\"type\":\"array\",\"items\":" REF("Job") "},\"next_cursor\":" TEXT_OR_NULL_SCHEMA
                                                                  ",\"total\":" COUNT_SCHEMA),
      NULL },
    { "Samples",
      OBJECT("\"step_s\",\"samples\",\"stalls\"",
             "\"step_s\":" COUNT_SCHEMA
             ",\"samples\":{\"type\":\"array\",\"maxItems\":2000,\"items\":{\"type\":\"array\","
             "\"minItems\":3,\"maxItems\":3,\"items\":" COUNT_SCHEMA
             "}},\"stalls\":{\"type\":\"array\",\"maxItems\":200,"
             "\"items\":{\"type\":\"array\",\"minItems\":3,\"maxItems\":3}}"),
      NULL },
    { "Cache",
      OBJECT("\"root\",\"total_bytes\",\"free_bytes\",\"quota_bytes\",\"repos\"",
             "\"root\":" TEXT_SCHEMA ",\"total_bytes\":" COUNT_SCHEMA ",\"free_bytes\":" COUNT_SCHEMA
             ",\"quota_bytes\":" COUNT_SCHEMA ",\"repos\":{\"type\":\"array\",\"items\":" REF("CachedRepo") "}"),
      NULL },
    { "CachedRepo",
      OBJECT("\"repo\",\"type\",\"size_bytes\",\"last_used_unix_ms\",\"closed\",\"revisions\"",
             "\"repo\":" TEXT_SCHEMA ",\"type\":" REF(
                 "RepoType") ",\"size_bytes\":" COUNT_SCHEMA ",\"last_used_unix_ms\":" COUNT_OR_NULL_SCHEMA
                             ",\"closed\":{\"type\":\"boolean\"},\"revisions\":{\"type\":\"array\",\"items\":" REF(
                                 "CachedRevision") "}"),
      NULL },
    { "CachedRevision",
      OBJECT("\"commit\",\"refs\",\"size_bytes\",\"files\",\"proved\",\"freed_bytes\"",
             "\"commit\":{\"type\":\"string\",\"pattern\":\"^[0-9a-f]{40}$\"},\"refs\":" TEXTS_SCHEMA
             ",\"size_bytes\":" COUNT_SCHEMA ",\"files\":" COUNT_SCHEMA
             ",\"proved\":{\"enum\":[\"proved\",\"unproved\",\"damaged\"]},\"freed_bytes\":" COUNT_SCHEMA),
      NULL },
    { "CacheDeleted", OBJECT("\"freed_bytes\"", "\"freed_bytes\":" COUNT_SCHEMA), NULL },
    { "JobChange",
      "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"priority\":" ASK_SCHEMA_PRIORITY
      ",\"limit_bytes_per_s\":" ASK_SCHEMA_RATE "}}",
      NULL },
    { "JobMove", OBJECT("\"before\"", "\"before\":{\"type\":[\"string\",\"null\"],\"maxLength\":18}"), NULL },
    { "Health", OBJECT("\"status\",\"version\"", "\"status\":{\"enum\":[\"ok\",\"failing\"]},\"version\":" TEXT_SCHEMA),
      NULL },
    { "Ready", OBJECT("\"missing\",\"ready\"", "\"missing\":" COUNT_SCHEMA ",\"ready\":{\"type\":\"boolean\"}"), NULL },
    { "Problem",
      OBJECT("\"type\",\"title\",\"status\",\"detail\",\"code\"",
             "\"type\":" TEXT_SCHEMA ",\"title\":" TEXT_SCHEMA
             ",\"status\":{\"type\":\"integer\",\"minimum\":400,\"maximum\":599},\"detail\":" TEXT_SCHEMA
             ",\"code\":" TEXT_SCHEMA),
      NULL },
    { "Foreign",
      OBJECT("\"id\",\"path\",\"repo\",\"repo_type\",\"file\",\"by\",\"pid\",\"size_bytes\",\"total_bytes\","
             "\"rate_bytes_per_s\",\"last_growth_unix_ms\",\"quiet_s\",\"stalled\",\"text\"",
             "\"id\":" TEXT_SCHEMA ",\"path\":" TEXT_SCHEMA ",\"repo\":" TEXT_OR_NULL_SCHEMA
             ",\"repo_type\":{\"enum\":[\"model\",\"dataset\",\"space\",null]},\"file\":" TEXT_OR_NULL_SCHEMA
             ",\"by\":" TEXT_OR_NULL_SCHEMA ",\"pid\":" COUNT_OR_NULL_SCHEMA ",\"size_bytes\":" COUNT_SCHEMA
             ",\"total_bytes\":" COUNT_OR_NULL_SCHEMA ",\"rate_bytes_per_s\":" COUNT_SCHEMA
             ",\"last_growth_unix_ms\":{\"type\":\"integer\"},\"quiet_s\":" COUNT_SCHEMA
             ",\"stalled\":{\"type\":\"boolean\"},\"text\":" TEXT_SCHEMA),
      NULL },
    { "ForeignList", OBJECT("\"downloads\"", "\"downloads\":{\"type\":\"array\",\"items\":" REF("Foreign") "}"), NULL },
    { "Adopt",
      "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{\"repo\":" NAME_SCHEMA
      ",\"revision\":" NAME_SCHEMA ",\"path\":" NAME_SCHEMA ",\"type\":" OR_NULL(REF("RepoType")) "}}",
      NULL },
    { "Network",
      OBJECT(
          "\"rx_bytes_per_s\",\"tx_bytes_per_s\",\"interfaces\",\"jobs\",\"hub_quota\"",
          RATES ",\"interfaces\":{\"type\":\"array\",\"items\":" OBJECT(
              "\"name\",\"rx_bytes_per_s\",\"tx_bytes_per_s\"",
              "\""
              "na"
              "me"
              "\""
              ":" TEXT_SCHEMA
              "," RATES) "},\"jobs\":{\"type\":\"array\",\"items\":" REF("NetworkJob") "},\"hub_"
                                                                                       "quota\":" OR_NULL(OBJECT(
                                                                                           "\"remaining\",\"limit\","
                                                                                           "\"resets_s\"",
                                                                                           "\"remaining\":" COUNT_SCHEMA
                                                                                           ",\"limit\":" COUNT_SCHEMA
                                                                                           ",\"resets_"
                                                                                           "s\":" COUNT_SCHEMA))),
      NULL },
    { "NetworkJob",
      OBJECT("\"id\",\"connections\",\"fronts\",\"waited_s\"",
             "\"id\":" TEXT_SCHEMA ",\"connections\":" OBJECT(
                 "\"open\",\"idle\",\"connecting\",\"silent\"",
                 "\"open\":" COUNT_SCHEMA ",\"idle\":" COUNT_SCHEMA ",\"connecting\":" COUNT_SCHEMA
                 ",\"silent\":" COUNT_SCHEMA) ",\"fronts\":" REF("fronts") ",\"waited_s\":" REF("waited_s")),
      NULL },
    { "NetworkHistory",
      OBJECT("\"step_s\",\"interfaces\",\"marks\"",
             "\"step_s\":" COUNT_SCHEMA
             ",\"interfaces\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"array\","
             "\"maxItems\":3600,\"items\":{\"type\":\"array\",\"minItems\":3,\"maxItems\":3,\"items\":" COUNT_SCHEMA
             "}}},\"marks\":{\"type\":\"array\",\"maxItems\":400,\"items\":{\"type\":\"array\",\"minItems\":4,"
             "\"maxItems\":4}}"),
      NULL },
    { "Host",
      OBJECT("\"host\",\"connections\",\"rate_bytes_per_s\"",
             "\"host\":" TEXT_SCHEMA ",\"connections\":" COUNT_SCHEMA ",\"rate_bytes_per_s\":" COUNT_SCHEMA),
      NULL },
    { "Span", "{\"enum\":[\"hour\",\"day\"]}", NULL },
    { "StateList", TEXT_SCHEMA, NULL },
    { "SearchText", TEXT_SCHEMA, NULL },
    { "Cursor", TEXT_SCHEMA, NULL },
    { "PageSize", "{\"type\":\"integer\",\"minimum\":1,\"maximum\":1000}", NULL },
    { "Offset", "{\"type\":\"integer\",\"minimum\":0,\"maximum\":300000}", NULL },
};
const size_t openapi_shapes_n = sizeof openapi_shapes / sizeof *openapi_shapes;
