/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* The engine pkcs11 of libp11, for OpenSSL 3.0 where nobody has a provider for it. Engines are deprecated there, and
 * gone in later ones. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "pki_token_driver.h"

#ifndef OPENSSL_NO_ENGINE

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/engine.h>
#include <openssl/err.h>

#define PREFIX "ENGINESDIR: \""

/* Of the library, in buf; OPENSSL_ENGINES as for libcrypto's own search */
static int find_library(char *buf, size_t size)
{
    const char *directory = secure_getenv("OPENSSL_ENGINES"), *info = OPENSSL_info(OPENSSL_INFO_ENGINES_DIR);
    int n = snprintf(buf, size, "%s/pkcs11.so", directory ? directory : info ? info : "");

    return n > 0 && (size_t)n < size;
}

static int set(ENGINE *engine, const char *command, const char *value)
{
    return ENGINE_ctrl_cmd_string(engine, command, value, 0) == 1;
}

/* Not from libcrypto's list: that one may be mod_ssl's (SSLCryptoDevice), with another module. It is never unloaded,
 * since OpenSSL keeps pointers into it. */
static ENGINE *load_library(void)
{
    char library[1024];
    ENGINE *engine;

    ENGINE_load_dynamic();
    engine = ENGINE_by_id("dynamic");
    if (engine && find_library(library, sizeof(library)) && set(engine, "SO_PATH", library) &&
        set(engine, "ID", "pkcs11") && set(engine, "LIST_ADD", "0") && set(engine, "LOAD", NULL))
        return engine;
    ENGINE_free(engine);
    return NULL;
}

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static ENGINE *original;

static void load_original(void)
{
    original = load_library();
}

/* An engine has one module, and the library can be bound to no second one: so each is a copy of one that is never used
 * itself. Its library keeps what belongs to an engine with that engine. */
static ENGINE *make_copy(void)
{
    ENGINE *engine = ENGINE_new();

    if (engine && ENGINE_set_id(engine, ENGINE_get_id(original)) &&
        ENGINE_set_name(engine, ENGINE_get_name(original)) &&
        ENGINE_set_init_function(engine, ENGINE_get_init_function(original)) &&
        ENGINE_set_finish_function(engine, ENGINE_get_finish_function(original)) &&
        ENGINE_set_destroy_function(engine, ENGINE_get_destroy_function(original)) &&
        ENGINE_set_ctrl_function(engine, ENGINE_get_ctrl_function(original)) &&
        ENGINE_set_cmd_defns(engine, ENGINE_get_cmd_defns(original)) &&
        ENGINE_set_load_privkey_function(engine, ENGINE_get_load_privkey_function(original)) &&
        ENGINE_set_RSA(engine, ENGINE_get_RSA(original)) && ENGINE_set_EC(engine, ENGINE_get_EC(original)) &&
        ENGINE_set_pkey_meths(engine, ENGINE_get_pkey_meths(original)))
        return engine;
    ENGINE_free(engine);
    return NULL;
}

static void *engine_open(const char *module)
{
    ENGINE *engine;

    if (!CRYPTO_THREAD_run_once(&once, load_original) || !original || !(engine = make_copy()))
        return NULL;
    if (set(engine, "QUIET", NULL) && set(engine, "MODULE_PATH", module) && ENGINE_init(engine) == 1)
        return engine;
    ENGINE_free(engine);
    return NULL;
}

/* The PIN is set before each: it is kept for the next token else, whose PIN it is not */
static EVP_PKEY *engine_load(void *context, const char *uri, const char *pin)
{
    ENGINE *engine = context;

    if (pin && !set(engine, "PIN", pin))
        return NULL;
    return ENGINE_load_private_key(engine, uri, pki_token_ui(), NULL);
}

/* ENGINE_finish() would not do: the engine has a list of the keys it has loaded, and each of them holds the engine. Our
 * own ENGINE_init() keeps it from being ended a second time when it frees them. */
static int engine_reset(void *context)
{
    ENGINE *engine = context;
    ENGINE_GEN_INT_FUNC_PTR finish = ENGINE_get_finish_function(engine), init = ENGINE_get_init_function(engine);

    return (!finish || finish(engine) == 1) && (!init || init(engine) == 1);
}

#else

static void *engine_open(const char *module)
{
    (void)module;
    return NULL;
}

static EVP_PKEY *engine_load(void *context, const char *uri, const char *pin)
{
    (void)context;
    (void)uri;
    (void)pin;
    return NULL;
}

static int engine_reset(void *context)
{
    (void)context;
    return 0;
}

#endif

static OSSL_LIB_CTX *engine_library(void *context)
{
    (void)context;
    return NULL;
}

const pki_token_driver_t pki_token_engine = {"engine", engine_open, engine_load, engine_reset, engine_library};
