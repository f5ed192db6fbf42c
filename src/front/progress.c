#include "front/progress.h"

#include "front/files.h"

#include <inttypes.h>
#include <stdio.h>

size_t progress_text(char out[static PROGRESS_TEXT], const struct hfp_status *st)
{
    char eta[24] = "null";
    uint64_t shown = shown_bytes(st);
    unsigned percent = shown >= st->total_bytes ? 100 : (unsigned)((unsigned __int128)shown * 100 / st->total_bytes);
    if (eta_s(st) != UINT64_MAX)
        snprintf(eta, sizeof eta, "%" PRIu64, eta_s(st));
    return (size_t)snprintf(out, PROGRESS_TEXT,
                            "{\"downloaded\":%" PRIu64 ",\"total\":%" PRIu64 ",\"progress\":%u,\"speed\":%" PRIu64
                            ",\"eta\":%s}\n",
                            shown, st->total_bytes, percent, shown_rate(st), eta);
}

void progress_write(const char *path, const char *text, size_t n)
{
    struct out_file f;
    if (out_file_open(&f, path, NULL))
        return;
    if (out_file_write(&f, text, n, NULL))
        out_file_drop(&f);
    else
        out_file_commit(&f, NULL);
}
