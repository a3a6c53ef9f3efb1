/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_TOKEN_H
#define PKI_TOKEN_H

/*
 * Private keys that stay in a token (PKCS#11): an HSM, a smart card, a process of another user. Through OpenSSL's
 * provider pkcs11 where there is one, else through its engine pkcs11.
 *
 * A module (the vendor's library) is initialised once in a process, however many keys of it there are, and never before
 * a fork. A token may go away and come back: what fails is tried once more with the module initialised anew, and so is
 * the next signature after that. Nothing here is for a thread that must not wait: a token may hang.
 */

#include "base/est_bytes.h"

#include <apr_time.h>
#include <openssl/x509.h>

/* A key, of one process. Used by threads. */
typedef struct pki_token_key_t pki_token_key_t;

typedef struct {
    const char *uri;              /* as pki_token_uri_check made it */
    const char *module;           /* path; NULL: PKI_TOKEN_DEFAULT_MODULE */
    const char *pin;              /* NULL: none is needed. Lives as long as the key */
    X509 *cert;                   /* holds the public half */
    apr_interval_time_t patience; /* how long to wait while others open the token, or its old signatures end */
} pki_token_spec_t;

/* p11-kit's proxy, which knows all modules that the system is configured for; found by the dynamic linker */
#define PKI_TOKEN_DEFAULT_MODULE "p11-kit-proxy.so"

/* What became of the PIN, which all processes are to know: most tokens lock after a few wrong ones. Lies in memory that
 * they share, all zero at first. */
typedef struct {
    volatile apr_uint32_t state; /* 0: untried; else pki_token.c */
} pki_token_pin_t;

/* Touches neither token nor module. spec is copied, what it points to is not. */
void pki_token_key_make(pki_token_key_t **out, const pki_token_spec_t *spec, apr_pool_t *pool);

/* In the process that is to sign, once. Touches no token. The key is closed with pool, which must not be a request's.
 */
void pki_token_key_start(pki_token_key_t *key, pki_token_pin_t *pin, apr_pool_t *pool);

/* Opens the token now, if it is not open. *how: the way to it, for the log. Fails as pki_token_sign. */
est_err_t *pki_token_key_open(const char **how, pki_token_key_t *key, apr_pool_t *pool);

/* Signs octets; md NULL for algorithms that have their own. Fails with ca_unavailable while the token is not there, and
 * with ca_failed when waiting does not help: a wrong PIN, or a key that is not that of the certificate. */
est_err_t *pki_token_sign(est_slice_t *signature, est_slice_t octets, const EVP_MD *md, pki_token_key_t *key,
                          apr_pool_t *pool);

#endif
