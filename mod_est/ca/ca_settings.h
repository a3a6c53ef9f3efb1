/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CA_SETTINGS_H
#define CA_SETTINGS_H

/* What is read from an <EstCA> block in the same way by several drivers. The errors do not name the block. */

#include "ca.h"
#include "ca_gate.h"

#include <apr_uri.h>

/* Has the block a directive that driver does not know? config */
est_err_t *ca_settings_check(const ca_config_t *config, const char *driver, apr_pool_t *pool);

/* EstCAConcurrency, EstCAFailures, EstCACooldown, and the lease that EstCATimeout leads to. Fails with config. */
est_err_t *ca_settings_rules(ca_gate_rules_t *rules, const ca_config_t *config, apr_pool_t *pool);

/* Is its port one that can be, if it has one? apr_uri_parse() cuts 99999 down to 16 bits. */
int ca_settings_port_is_valid(const apr_uri_t *uri);

/* A private key in a file, with the certificate that it belongs to, and the directives that they come from */
typedef struct {
    const char *directive, *path;
    const char *passphrase_directive, *passphrase; /* passphrase: file:PATH or exec:PROGRAM; NULL: none */
    const char *cert_directive, *cert_path;
    X509 *cert;
} ca_key_file_t;

/* *warning, of block: the file is others' to read, or as it was. Fails with config or file. */
est_err_t *ca_settings_key(EVP_PKEY **out, const char **warning, const ca_key_file_t *file, const char *block,
                           apr_pool_t *pool);

#endif
