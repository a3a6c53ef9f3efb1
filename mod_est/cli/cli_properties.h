/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_PROPERTIES_H
#define CLI_PROPERTIES_H

/* Files of properties as java.util.Properties.load() reads them: key and value with "=", ":" or blanks between,
 * comments, lines that go on behind a backslash, escapes */

#include "base/est_err.h"

#include <apr_tables.h>

typedef struct {
    const char *key, *value; /* UTF-8 */
    int line;                /* where it begins, from 1 */
} cli_property_t;

/* *out: of cli_property_t, in the order of the file. text is UTF-8 or, where it is not that, ISO 8859-1, as old
 * versions of Java wrote it. Fails with file, naming the line: an escape that is none, an empty key. */
est_err_t *cli_properties_parse(apr_array_header_t **out, const char *text, apr_pool_t *pool);

#endif
