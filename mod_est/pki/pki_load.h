/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_LOAD_H
#define PKI_LOAD_H

/* PEM files of the configuration: certificates, chains, keys. Errors are config or file and name the path, what was
 * expected and OpenSSL's reason. */

#include "base/est_bytes.h"

#include <openssl/x509.h>

/* All certificates of a PEM file, in its order; at least one. Each is freed with pool. */
est_err_t *pki_load_certs(STACK_OF(X509) **out, const char *path, apr_pool_t *pool);

/* The same of a file that somebody with fewer rights may have put there: a regular file of at most so many octets, and
 * nothing that would keep its reader waiting */
est_err_t *pki_load_certs_of_others(STACK_OF(X509) **out, const char *path, apr_size_t most, apr_pool_t *pool);

/* One certificate from its DER, trailing octets refused; freed with pool */
est_err_t *pki_load_der(X509 **out, est_slice_t der, apr_pool_t *pool);

/* The private key of a PEM file (PKCS#8, encrypted or not, SEC1, PKCS#1). passphrase NULL: an encrypted key fails with
 * config, it never prompts. The key is freed with pool. A file that others than its owner can
 * read is not refused here; *loose, when not NULL, says so. */
est_err_t *pki_load_key(EVP_PKEY **out, const char *path, const char *passphrase, int *loose, apr_pool_t *pool);

/* First line of a file without its line end (file:PATH), or of what a program prints (exec:PROGRAM ARG...; run without
 * a shell, exit status 0 demanded, at most 30 seconds). In pool, cleansed when the pool is cleared. Empty = config. */
est_err_t *pki_load_passphrase(const char **out, const char *spec, apr_pool_t *pool);

#endif
