/* front/spec.h: one repository as people write it.
 *
 * ORG/NAME[@REV][:PATH], with datasets/ or spaces/ before it; hf://[datasets/|spaces/|models/]ORG/NAME[@REV][/PATH]; and
 * a Hub link as copied from the browser: https://HOST/[datasets/|spaces/]ORG/NAME[/tree|blob|resolve/REV[/PATH]].
 * Pure. The engine checks the names again; here it is about understanding what was meant. */
#ifndef HFP_FRONT_SPEC_H
#define HFP_FRONT_SPEC_H

#include "hfp/hfp.h"

#define REPO_MAX 200 /* the Hub allows 96 + 1 + 96 */
#define REVISION_MAX 256
#define PATH_TEXT_MAX 1024

struct spec {
    enum hfp_repo_type type;
    bool type_given;
    char repo[REPO_MAX], revision[REVISION_MAX]; /* revision "" when none was written */
    char path[PATH_TEXT_MAX];                    /* "" when the whole repository is meant; "dir/" all below */
};

int spec_parse(struct spec *out, const char *text, const char *endpoint, struct hfp_err *err);

#endif
