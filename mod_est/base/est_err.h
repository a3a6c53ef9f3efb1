/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef EST_ERR_H
#define EST_ERR_H

/*
 * Errors. A fallible function returns est_err_t *, NULL on success. The object lives in the pool it was given,
 * usually the request's. An error is returned, never logged on the way up: httpd/ alone turns it into an HTTP
 * answer and a log line.
 */

#include <apr_pools.h>

typedef enum {
#define EST_ERR(name, id, status, level, failinfo, text) EST_E_##name,
#include "est_err.def"
#undef EST_ERR
    EST_E__COUNT
} est_err_code_t;

typedef enum { EST_LOG_DEBUG, EST_LOG_INFO, EST_LOG_NOTICE, EST_LOG_WARNING, EST_LOG_ERROR } est_log_level_t;

/* CMCFailInfo, RFC 5272 6.1.4 */
typedef enum {
    EST_FAILINFO_badAlg = 0,
    EST_FAILINFO_badRequest = 2,
    EST_FAILINFO_unsupportedExt = 5,
    EST_FAILINFO_badIdentity = 7,
    EST_FAILINFO_popRequired = 8,
    EST_FAILINFO_popFailed = 9,
    EST_FAILINFO_internalCAError = 11,
    EST_FAILINFO_tryLater = 12
} est_failinfo_t;

/* A row of est_err.def */
typedef struct {
    const char *name;
    int id;
    int status;
    est_log_level_t level;
    est_failinfo_t failinfo;
    const char *text;
} est_err_row_t;

typedef struct est_err_t {
    est_err_code_t code;
    const char *detail; /* what exactly, with wanted and got; never a secret. Shown to authenticated clients when
                           the status is below 500, else only logged. NULL = none */
    const char *rule;   /* name of the policy rule that said no (policy_decide.h), or NULL */
    const char *file;
    int line;
    int retry_after; /* seconds; 0 = the default of the status */
} est_err_t;

const est_err_row_t *est_err_row(est_err_code_t code);

/* A new error in pool. fmt is APR's (apr_psprintf): no %zu, %pp for pointers; NULL = no detail. Control characters
 * in the result are replaced by '?', so a detail can quote what a client sent. */
est_err_t *est_err_make(apr_pool_t *pool, est_err_code_t code, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* The detail, or the public text where there is none */
const char *est_err_text(const est_err_t *err);

/* est_err_make for the calling line, with EST_E_ put before name */
#define EST_FAIL(pool, name, ...) est_err_make((pool), EST_E_##name, __FILE__, __LINE__, __VA_ARGS__)

/* Return from the calling function when expr fails */
#define EST_TRY(expr)                                                                                                  \
    do {                                                                                                               \
        est_err_t *est_try_err_ = (expr);                                                                              \
        if (est_try_err_)                                                                                              \
            return est_try_err_;                                                                                       \
    } while (0)

#endif
