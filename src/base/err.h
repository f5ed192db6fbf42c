/* base/err.h: the one error type.
 *
 * A message is made where something breaks; callers add context going up with err_wrap(). err may be NULL: then only
 * the code travels. What is put into a message is made harmless as by utf8_show(). Any thread.
 * HFP_CODES in hfp.h gives each code its text, exit status and retry class. */
#ifndef HFP_BASE_ERR_H
#define HFP_BASE_ERR_H

#include "hfp/hfp.h"

#define PRINTF(f, a) __attribute__((format(printf, f, a)))

/* All return the code they set, so that `return err_set(...)` reads as the failure it is. */
int err_set(struct hfp_err *err, enum hfp_code code, const char *fmt, ...) PRINTF(3, 4);
/* Adds strerror(errnum). ENOSPC, EDQUOT and ENOMEM override code, for they mean the same wherever they appear. */
int err_sys(struct hfp_err *err, enum hfp_code code, int errnum, const char *fmt, ...) PRINTF(4, 5);
int err_http(struct hfp_err *err, enum hfp_code code, int status, const char *fmt, ...) PRINTF(4, 5);
int err_nomem(struct hfp_err *err);
/* Puts "context: " before the message and returns err->code (HFP_E_INTERNAL when err is NULL). */
int err_wrap(struct hfp_err *err, const char *fmt, ...) PRINTF(2, 3);
enum hfp_retry code_retry(enum hfp_code code);

#endif
