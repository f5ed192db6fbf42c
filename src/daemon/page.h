/* daemon/page.h: the files of the Model Manager page, as the build put them into the program.
 *
 * The build makes a table of page/ (page/meson.build, tools/embed-page): each file as it is and in gzip, with its type and
 * a tag of its content. A program built without the page has an empty table. Pure: nothing is read, nothing allocated. */
#ifndef HFP_DAEMON_PAGE_H
#define HFP_DAEMON_PAGE_H

#include <stdbool.h>
#include <stddef.h>

struct page_file {
    const char *path; /* of the request: "/", "/assets/index-Cgvb3.js"; NULL ends the table */
    const char *type;
    const char *etag;  /* with its quotes (RFC 9110 8.8.3); changes with the content */
    const char *plain; /* not NUL-terminated */
    const char *gzip;  /* the same, compressed */
    size_t plain_n, gzip_n;
    bool named_by_content; /* the path changes with the content: it may be kept for ever */
};
extern const struct page_file page_files[]; /* made by the build */

bool page_here(void);
/* NULL: the page has no such file. */
const struct page_file *page_find(const char *path);
/* Does Accept-Encoding (NULL: absent) take gzip? RFC 9110 12.5.3; a star is read as no, which is always right. */
bool page_takes_gzip(const char *accept_encoding);
/* Does If-None-Match (NULL: absent) name this tag? RFC 9110 13.1.2, by weak comparison. */
bool page_same(const char *if_none_match, const char *etag);

#endif
