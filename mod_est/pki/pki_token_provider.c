/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* A provider named pkcs11 (pkcs11-provider). It gets a library context of its own: in the default one it would take
 * part in what mod_ssl does, and a second module could not be had. */
#include "pki_token_driver.h"

#include <ctype.h>
#include <string.h>

#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>

#define NAME "pkcs11"
#define PREFER "?provider=" NAME

typedef struct {
    OSSL_LIB_CTX *library;
    char module[]; /* as it stands in a configuration of OpenSSL */
} context_t;

/* A provider takes its parameters from a configuration, and only from there before OpenSSL 3.2 */
static const char head[] = "openssl_conf = init\n[init]\nproviders = our_providers\n"
                           "[our_providers]\ndefault = our_default\n" NAME " = our_" NAME "\n"
                           "[our_default]\nactivate = 1\n"
                           "[our_" NAME "]\nactivate = 1\npkcs11-module-path = ";

static int configure(OSSL_LIB_CTX *library, const char *module)
{
    CONF *conf = NCONF_new_ex(library, NULL);
    BIO *text = BIO_new(BIO_s_mem());
    long line;
    int ok = conf && text && BIO_puts(text, head) > 0 && BIO_puts(text, module) > 0 && BIO_puts(text, "\n") > 0 &&
             NCONF_load_bio(conf, text, &line) == 1 && CONF_modules_load(conf, NULL, 0) == 1 &&
             OSSL_PROVIDER_available(library, NAME);

    BIO_free(text);
    NCONF_free(conf);
    return ok;
}

static OSSL_LIB_CTX *make_library(const char *module)
{
    OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();

    if (library && configure(library, module))
        return library;
    OSSL_LIB_CTX_free(library);
    return NULL;
}

static void *provider_open(const char *module)
{
    context_t *context = OPENSSL_zalloc(sizeof(*context) + 2 * strlen(module) + 1);
    char *to = context ? context->module : NULL;

    if (!context)
        return NULL;
    for (const char *p = module; *p; p++) {
        if (!isalnum((unsigned char)*p) && *p != '/')
            *to++ = '\\';
        *to++ = *p;
    }
    context->library = make_library(context->module);
    if (context->library)
        return context;
    OPENSSL_free(context);
    return NULL;
}

static EVP_PKEY *provider_load(void *data, const char *uri, const char *pin)
{
    context_t *context = data;
    EVP_PKEY *key = NULL;
    OSSL_STORE_CTX *store;

    if (!context->library && !(context->library = make_library(context->module)))
        return NULL;
    store = OSSL_STORE_open_ex(uri, context->library, PREFER, pki_token_ui(), (void *)pin, NULL, NULL, NULL);
    if (!store)
        return NULL;
    OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY);
    while (!key && !OSSL_STORE_eof(store)) {
        OSSL_STORE_INFO *info = OSSL_STORE_load(store);

        if (!info)
            break;
        if (OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY)
            key = OSSL_STORE_INFO_get1_PKEY(info);
        OSSL_STORE_INFO_free(info);
    }
    OSSL_STORE_close(store);
    return key;
}

/* The module is the provider's, and ends with it */
static int provider_reset(void *data)
{
    context_t *context = data;

    OSSL_LIB_CTX_free(context->library);
    context->library = NULL;
    return 1;
}

static OSSL_LIB_CTX *provider_library(void *data)
{
    return ((context_t *)data)->library;
}

const pki_token_driver_t pki_token_provider = {"provider", provider_open, provider_load, provider_reset,
                                               provider_library};

/* ---- the PIN */

static int answer(UI *ui, UI_STRING *string)
{
    const char *pin = UI_get0_user_data(ui);

    if (UI_get_string_type(string) != UIT_PROMPT)
        return 1;
    return pin ? UI_set_result(ui, string, pin) == 0 : 0;
}

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static UI_METHOD *method;

static void make_method(void)
{
    method = UI_create_method("PIN from the configuration");
    if (method)
        UI_method_set_reader(method, answer);
}

/* Without one OpenSSL would ask on the terminal of whoever started httpd. It is kept as long as the process. */
UI_METHOD *pki_token_ui(void)
{
    return CRYPTO_THREAD_run_once(&once, make_method) ? method : NULL;
}
