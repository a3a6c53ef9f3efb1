/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_TOKEN_DRIVER_H
#define PKI_TOKEN_DRIVER_H

/* The two ways from OpenSSL to a PKCS#11 module, for pki_token.c. It sees to it that no two threads are in them at the
 * same time, except that open keys sign. Why something failed stands in OpenSSL's queue of errors. */

#include <openssl/evp.h>

typedef struct pki_token_driver_t {
    const char *name;
    /* Of its own for each module; NULL: this OpenSSL has no such way, or the way cannot be made */
    void *(*open)(const char *module);
    /* The private key; NULL: it is not there, or nobody is */
    EVP_PKEY *(*load)(void *context, const char *uri, const char *pin);
    /* All keys have been freed: ends the module, so that what is done next initialises it anew */
    int (*reset)(void *context);
    /* In which keys are, NULL: the default one */
    OSSL_LIB_CTX *(*library)(void *context);
} pki_token_driver_t;

extern const pki_token_driver_t pki_token_provider;
extern const pki_token_driver_t pki_token_engine;

/* Asks nobody; data given to it is the PIN, or NULL */
UI_METHOD *pki_token_ui(void);

#endif
