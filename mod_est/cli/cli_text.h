/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

/* What people write, made into what statements compare with, and files read */

#include "base/est_bytes.h"

/* A pattern for ILIKE: "*" is any run of characters, "?" one; a text without either matches anywhere in the value. NULL
 * stays NULL. */
const char *cli_text_like(const char *text, apr_pool_t *pool);

/* A serial number as any tool prints it (either case, colons, blanks, 0x, leading zeros) as est.certificate.serial has
 * it: the contents of the DER INTEGER in lower-case hex. NULL when it is not hexadecimal. */
const char *cli_text_serial(const char *text, apr_pool_t *pool);

/* A list of words with commas, from all values of a repeated option; NULL when there is none */
const char *cli_text_join(const char *const *values, int n, apr_pool_t *pool);

/* A field of CSV (RFC 4180): in quotes where it has to be */
const char *cli_text_csv(const char *field, apr_pool_t *pool);

/* A file, or with "-" standard input, as octets, at most max of them. Fails with file. */
est_err_t *cli_text_octets(est_slice_t *out, const char *path, apr_size_t max, apr_pool_t *pool);

/* A file, or with "-" standard input, as a text of at most max octets. Fails with file. */
est_err_t *cli_text_read(const char **out, const char *path, apr_size_t max, apr_pool_t *pool);

#endif
