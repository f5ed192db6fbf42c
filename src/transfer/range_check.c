#include "transfer/range_check.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

static bool names_html(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && (strcasecmp(dot, ".html") == 0 || strcasecmp(dot, ".htm") == 0);
}

static int check_partial(struct range_take *out, const struct http_headers *h, const struct range_want *w,
                         struct hfp_err *err)
{
    const struct content_range *r = &h->range;
    bool unsaid = w->size_bytes == RANGE_SIZE_UNKNOWN && !r->present;
    if (w->ranged && unsaid && h->content_length == w->last - w->first + 1) {
        *out = (struct range_take){ .until = w->last + 1 };
        return HFP_OK;
    }
    if (!w->ranged || !r->present || r->unsatisfied)
        return err_http(err, HFP_E_PROTO, 206, "%s answered a part of %s without saying which", w->host, w->path);
    if (r->total_known && w->size_bytes != RANGE_SIZE_UNKNOWN && r->total != w->size_bytes)
        return err_http(err, HFP_E_PROTO, 206, "%s has %s with %" PRIu64 " bytes, the Hub lists %" PRIu64, w->host,
                        w->path, r->total, w->size_bytes);
    if (r->first != w->first || r->last < r->first || r->last > w->last)
        return err_http(err, HFP_E_PROTO, 206,
                        "%s answered bytes %" PRIu64 "-%" PRIu64 " of %s instead of %" PRIu64 "-%" PRIu64, w->host,
                        r->first, r->last, w->path, w->first, w->last);
    if (h->content_length != UINT64_MAX && h->content_length != r->last - r->first + 1)
        return err_http(err, HFP_E_PROTO, 206, "%s contradicts itself about the length of a part of %s", w->host,
                        w->path);
    *out = (struct range_take){ .until = r->last + 1 };
    return HFP_OK;
}

/* 200 about an object of unknown size: its length says whether it is the part or the whole. */
static int check_unsized(struct range_take *out, const struct http_headers *h, const struct range_want *w,
                         struct hfp_err *err)
{
    if (h->content_length == w->last - w->first + 1) {
        *out = (struct range_take){ .until = w->last + 1 };
        return HFP_OK;
    }
    bool reaches = h->content_length != UINT64_MAX && h->content_length > w->last;
    if (!reaches || !w->may_skip)
        return err_http(err, HFP_E_PROTO, 200, "%s ignored the range of %s that was asked for", w->host, w->path);
    *out = (struct range_take){ .skip = w->first, .until = h->content_length, .whole = true };
    return HFP_OK;
}

static int check_whole(struct range_take *out, const struct http_headers *h, const struct range_want *w,
                       struct hfp_err *err)
{
    if (w->size_bytes == RANGE_SIZE_UNKNOWN)
        return check_unsized(out, h, w, err);
    if (h->content_length != UINT64_MAX && h->content_length != w->size_bytes)
        return err_http(err, HFP_E_PROTO, 200, "%s sends %" PRIu64 " bytes of %s, the Hub lists %" PRIu64, w->host,
                        h->content_length, w->path, w->size_bytes);
    if (w->first > 0 && !w->may_skip)
        return err_http(err, HFP_E_PROTO, 200, "%s ignored the range of %s that was asked for", w->host, w->path);
    *out = (struct range_take){
        .skip = w->first,
        .until = h->content_length == UINT64_MAX ? UINT64_MAX : w->size_bytes,
        .whole = true,
    };
    return HFP_OK;
}

int range_check(struct range_take *out, const struct http_headers *h, const struct range_want *w, struct hfp_err *err)
{
    if (h->html && !names_html(w->path))
        return err_http(err, HFP_E_PORTAL, h->status, "%s sent a web page instead of %s", w->host, w->path);
    if (h->encoded) /* identity was asked for; a compressed body has other bytes at other offsets */
        return err_http(err, HFP_E_PROTO, h->status, "%s sent %s compressed", w->host, w->path);
    if (h->status == 206)
        return check_partial(out, h, w, err);
    if (h->status == 200)
        return check_whole(out, h, w, err);
    return err_http(err, HFP_E_PROTO, h->status, "%s answered %d", w->host, h->status);
}
