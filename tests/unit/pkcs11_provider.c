/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/*
 * A provider pkcs11 for tests, since Debian 12 has none: it takes its configuration, its URIs and its PIN as
 * pkcs11-provider does, but its "module" is a file, whose first line is the PIN. Keys follow as PEM, each after a line
 * with its label. The keys sign with OpenSSL's own algorithms.
 */
#include <stdio.h>
#include <string.h>

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>

#define CKR_PIN_INCORRECT 0xa0
#define CKR_TOKEN_NOT_PRESENT 0xe0

__attribute__((visibility("default"))) OSSL_provider_init_fn OSSL_provider_init;

typedef struct {
    OSSL_LIB_CTX *library;
    char module[1024];
} provider_t;

typedef struct {
    const provider_t *provider;
    char label[64]; /* "object" of the URI */
    int over;
} store_t;

/* ---- store */

static void *store_open(void *provctx, const char *uri)
{
    store_t *store = OPENSSL_zalloc(sizeof(*store));
    const char *object = strstr(uri, "object=");

    if (store && object)
        sscanf(object, "object=%63[^;]", store->label);
    if (store)
        store->provider = provctx;
    return store;
}

static const OSSL_PARAM *store_settable(void *provctx)
{
    static const OSSL_PARAM params[] = {OSSL_PARAM_int(OSSL_STORE_PARAM_EXPECT, NULL), OSSL_PARAM_END};

    (void)provctx;
    return params;
}

static int store_set(void *ctx, const OSSL_PARAM params[])
{
    (void)ctx;
    (void)params;
    return 1;
}

static int hand_over(EVP_PKEY *key, OSSL_CALLBACK *object, void *arg)
{
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    unsigned char *der = NULL;
    int n = i2d_PKCS8_PRIV_KEY_INFO(info, &der), type = OSSL_OBJECT_PKEY, ok = 0;
    OSSL_PARAM params[5];

    if (n > 0) {
        params[0] = OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &type);
        params[1] =
            OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, (char *)EVP_PKEY_get0_type_name(key), 0);
        params[2] = OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_STRUCTURE, "PrivateKeyInfo", 0);
        params[3] = OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_DATA, der, (size_t)n);
        params[4] = OSSL_PARAM_construct_end();
        ok = object(params, arg);
    }
    OPENSSL_free(der);
    PKCS8_PRIV_KEY_INFO_free(info);
    return ok;
}

static int is_pin(FILE *module, OSSL_PASSPHRASE_CALLBACK *ask, void *arg)
{
    char line[64] = "", pin[64] = "";
    size_t n = 0;

    return fgets(line, sizeof(line), module) && ask(pin, sizeof(pin) - 1, &n, NULL, arg) && n == strcspn(line, "\n") &&
           !strncmp(line, pin, n);
}

static int store_load(void *ctx, OSSL_CALLBACK *object, void *object_arg, OSSL_PASSPHRASE_CALLBACK *ask, void *arg)
{
    store_t *store = ctx;
    FILE *module = fopen(store->provider->module, "re");
    char label[64];
    int ok = 0;

    store->over = 1;
    if (!module) {
        ERR_raise(ERR_LIB_USER, CKR_TOKEN_NOT_PRESENT);
        return 0;
    }
    if (!is_pin(module, ask, arg)) {
        ERR_raise(ERR_LIB_USER, CKR_PIN_INCORRECT);
        fclose(module);
        return 0;
    }
    while (!ok && fscanf(module, "%63s\n", label) == 1) {
        EVP_PKEY *key = PEM_read_PrivateKey_ex(module, NULL, NULL, NULL, store->provider->library, NULL);

        if (!key)
            break;
        if (!strcmp(label, store->label))
            ok = hand_over(key, object, object_arg);
        EVP_PKEY_free(key);
    }
    fclose(module);
    return ok;
}

static int store_eof(void *ctx)
{
    return ((store_t *)ctx)->over;
}

static int store_close(void *ctx)
{
    OPENSSL_free(ctx);
    return 1;
}

static const OSSL_DISPATCH store_functions[] = {
    {OSSL_FUNC_STORE_OPEN, (void (*)(void))store_open},
    {OSSL_FUNC_STORE_SETTABLE_CTX_PARAMS, (void (*)(void))store_settable},
    {OSSL_FUNC_STORE_SET_CTX_PARAMS, (void (*)(void))store_set},
    {OSSL_FUNC_STORE_LOAD, (void (*)(void))store_load},
    {OSSL_FUNC_STORE_EOF, (void (*)(void))store_eof},
    {OSSL_FUNC_STORE_CLOSE, (void (*)(void))store_close},
    {0, NULL},
};

/* ---- provider */

static const OSSL_ALGORITHM *query(void *provctx, int operation, int *no_store)
{
    static const OSSL_ALGORITHM stores[] = {{"pkcs11", "provider=pkcs11", store_functions, NULL},
                                            {NULL, NULL, NULL, NULL}};

    (void)provctx;
    *no_store = 0;
    return operation == OSSL_OP_STORE ? stores : NULL;
}

static void teardown(void *provctx)
{
    provider_t *provider = provctx;

    OSSL_LIB_CTX_free(provider->library);
    OPENSSL_free(provider);
}

int OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in, const OSSL_DISPATCH **out,
                       void **provctx)
{
    static const OSSL_DISPATCH functions[] = {{OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))teardown},
                                              {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
                                              {0, NULL}};
    OSSL_FUNC_core_get_params_fn *get_params = NULL;
    char *module = NULL;
    OSSL_PARAM params[2] = {OSSL_PARAM_utf8_ptr("pkcs11-module-path", &module, 0), OSSL_PARAM_END};
    provider_t *provider = OPENSSL_zalloc(sizeof(*provider));

    for (const OSSL_DISPATCH *fn = in; fn->function_id; fn++)
        if (fn->function_id == OSSL_FUNC_CORE_GET_PARAMS)
            get_params = OSSL_FUNC_core_get_params(fn);
    if (!provider || !get_params || !get_params(handle, params) || !module ||
        strlen(module) >= sizeof(provider->module)) {
        OPENSSL_free(provider);
        return 0;
    }
    snprintf(provider->module, sizeof(provider->module), "%s", module);
    provider->library = OSSL_LIB_CTX_new();
    *provctx = provider;
    *out = functions;
    return 1;
}
