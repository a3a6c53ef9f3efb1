/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_cmp_settings.h"

#include "ca_certs.h"
#include "ca_settings.h"
#include "pki/pki_load.h"
#include "pki/pki_ossl.h"

#include <apr_strings.h>
#include <openssl/cmp.h>
#include <openssl/err.h>

static est_err_t *read_request(int *out, const ca_config_t *config, apr_pool_t *pool)
{
    static const struct {
        const char *name;
        int request;
    } known[] = {{"p10cr", OSSL_CMP_P10CR}, {"ir", OSSL_CMP_IR}, {"cr", OSSL_CMP_CR}};
    const char *name = config->cmp_request ? config->cmp_request : known[0].name;

    for (apr_size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (!strcmp(known[i].name, name)) {
            *out = known[i].request;
            return NULL;
        }
    return EST_FAIL(pool, config, "EstCACmpRequest \"%s\": there is no such request (known: p10cr, ir, cr)", name);
}

/* Is it the first of two words? NULL: first */
static est_err_t *read_choice(int *is_first, const char *directive, const char *value, const char *const words[2],
                              apr_pool_t *pool)
{
    *is_first = !value || !strcmp(value, words[0]);
    if (!*is_first && strcmp(value, words[1]) != 0)
        return EST_FAIL(pool, config, "%s is %s or %s, not \"%s\"", directive, words[0], words[1], value);
    return NULL;
}

static est_err_t *read_messages(ca_cmp_settings_t *settings, const ca_config_t *config, apr_pool_t *pool)
{
    static const char *const renewals[] = {"kur", "same"}, *const confirmations[] = {"implicit", "explicit"};
    int is_p10cr, is_implicit;

    EST_TRY(read_request(&settings->request, config, pool));
    is_p10cr = settings->request == OSSL_CMP_P10CR;
    EST_TRY(read_choice(&settings->updates, "EstCACmpRenewal", config->cmp_renewal, renewals, pool));
    if (is_p10cr && config->cmp_renewal && settings->updates)
        return EST_FAIL(pool, config,
                        "EstCACmpRenewal kur needs EstCACmpRequest ir or cr (here it is p10cr, the default)");
    settings->updates &= !is_p10cr;
    EST_TRY(read_choice(&is_implicit, "EstCACmpConfirm", config->cmp_confirm, confirmations, pool));
    settings->confirms = !is_implicit;
    return NULL;
}

/* The text up to one of ends, without its backslashes; *in moves to the end */
static char *take_part(const char **in, const char *ends, apr_pool_t *pool)
{
    char *part = apr_palloc(pool, strlen(*in) + 1), *w = part;

    for (; **in && !strchr(ends, **in); (*in)++) {
        if (**in == '\\' && (*in)[1])
            (*in)++;
        *w++ = **in;
    }
    *w = '\0';
    return part;
}

/* As openssl's commands take a name: "/C=DE/O=Example/CN=CA", "+" joins the attributes of an RDN, "\" is before a
 * character that is meant as it is */
static est_err_t *parse_name(X509_NAME **out, const char *text, apr_pool_t *pool)
{
    X509_NAME *name = X509_NAME_new();
    const char *at = text;
    int same_rdn = 0;

    if (!name)
        return EST_FAIL(pool, internal, "out of memory");
    *out = pki_ossl_own_name(name, pool);
    if (*at++ != '/')
        return EST_FAIL(pool, config, "EstCACmpRecipient \"%s\" does not begin with \"/\"", text);
    while (*at) {
        const char *type = take_part(&at, "=", pool), *value;

        if (!*at)
            return EST_FAIL(pool, config, "EstCACmpRecipient \"%s\": \"=\" is missing after \"%s\"", text, type);
        at++;
        value = take_part(&at, "/+", pool);
        if (!X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8, (const unsigned char *)value, -1, -1,
                                        same_rdn ? -1 : 0))
            return EST_FAIL(pool, config, "EstCACmpRecipient \"%s\": %s=%s: %s", text, type, value,
                            pki_ossl_reason(pool));
        same_rdn = *at == '+';
        if (*at)
            at++;
    }
    if (!X509_NAME_entry_count(name))
        return EST_FAIL(pool, config, "EstCACmpRecipient \"%s\" has no attributes", text);
    /* Encodes it now, as OpenSSL else would when it is first used, by several threads perhaps */
    if (i2d_X509_NAME(name, NULL) < 0)
        return EST_FAIL(pool, config, "EstCACmpRecipient \"%s\": %s", text, pki_ossl_reason(pool));
    return NULL;
}

/* The first certificate of the file is the signer's own, the others are above it */
static est_err_t *read_signer(ca_cmp_settings_t *settings, const char **warning, const ca_config_t *config,
                              apr_pool_t *pool)
{
    ca_key_file_t file = {.directive = "EstCACmpKey",
                          .path = config->cmp_key,
                          .passphrase_directive = "EstCACmpKeyPassphrase",
                          .passphrase = config->cmp_passphrase,
                          .cert_directive = "EstCACmpCertificate",
                          .cert_path = config->cmp_certificate,
                          .cert = NULL};

    if (!config->cmp_certificate)
        return EST_FAIL(pool, config, "EstCACmpKey needs EstCACmpCertificate");
    if (!config->cmp_key)
        return EST_FAIL(pool, config, "EstCACmpCertificate needs EstCACmpKey");
    EST_TRY(pki_load_certs(&settings->extra, config->cmp_certificate, pool));
    settings->cert = sk_X509_value(settings->extra, 0);
    file.cert = settings->cert;
    EST_TRY(ca_settings_key(&settings->key, warning, &file, config->name, pool));
    /* OpenSSL 3.0 always names a digest when it signs a PKIMessage, and keys of EdDSA take none */
    if (!EVP_PKEY_is_a(settings->key, "RSA") && !EVP_PKEY_is_a(settings->key, "EC"))
        return EST_FAIL(pool, config, "EstCACmpKey %s: RSA and EC keys sign CMP messages, others do not",
                        config->cmp_key);
    if (X509_cmp_current_time(X509_get0_notAfter(settings->cert)) < 0)
        *warning = apr_psprintf(pool, "EstCACmpCertificate of <EstCA %s> has ended: the CA will refuse its messages",
                                config->name);
    return NULL;
}

static est_err_t *read_secret(ca_cmp_settings_t *settings, const ca_config_t *config, apr_pool_t *pool)
{
    const char *secret;

    if (!config->cmp_reference)
        return EST_FAIL(pool, config, "EstCACmpSecret needs EstCACmpReference");
    if (!config->cmp_secret)
        return EST_FAIL(pool, config, "EstCACmpReference needs EstCACmpSecret");
    if (!*config->cmp_reference)
        return EST_FAIL(pool, config, "EstCACmpReference is empty");
    EST_TRY(pki_load_passphrase(&secret, config->cmp_secret, pool));
    settings->reference = est_slice_of(apr_pstrdup(pool, config->cmp_reference));
    settings->secret = est_slice_of(secret);
    return NULL;
}

static est_err_t *read_protection(ca_cmp_settings_t *settings, const char **warning, const ca_config_t *config,
                                  apr_pool_t *pool)
{
    int by_signature = config->cmp_certificate || config->cmp_key,
        by_secret = config->cmp_reference || config->cmp_secret;

    if (by_signature && by_secret)
        return EST_FAIL(pool, config,
                        "EstCACmpCertificate and EstCACmpKey, or EstCACmpReference and EstCACmpSecret: not both");
    if (config->cmp_passphrase && !by_signature)
        return EST_FAIL(pool, config, "EstCACmpKeyPassphrase needs EstCACmpKey");
    if (by_signature)
        return read_signer(settings, warning, config, pool);
    if (by_secret)
        return read_secret(settings, config, pool);
    return EST_FAIL(pool, config,
                    "EstCACmpCertificate and EstCACmpKey, or EstCACmpReference and EstCACmpSecret, are missing");
}

/* The CA's own certificates, when nothing else is said */
static est_err_t *read_trust(ca_cmp_settings_t *settings, const ca_config_t *config, apr_pool_t *pool)
{
    const ca_facts_t *facts = settings->facts;
    STACK_OF(X509) *own;

    if (config->cmp_trust)
        return pki_load_certs(&settings->trusted, config->cmp_trust, pool);
    own = sk_X509_new_null();
    if (!own)
        return EST_FAIL(pool, internal, "out of memory");
    settings->trusted = pki_ossl_own_certs(own, pool);
    for (int i = 0; i < facts->n_certs; i++) {
        const unsigned char *der = facts->certs[i].p;
        X509 *cert = d2i_X509(NULL, &der, (long)facts->certs[i].n);

        if (!cert || !sk_X509_push(own, cert)) {
            X509_free(cert);
            return EST_FAIL(pool, internal, "out of memory");
        }
    }
    return NULL;
}

est_err_t *ca_cmp_settings_read(ca_cmp_settings_t **out, const char **warning, const ca_config_t *config,
                                apr_pool_t *pool)
{
    ca_cmp_settings_t *settings = apr_pcalloc(pool, sizeof(*settings));
    const char *gap;
    ca_facts_t *facts;

    EST_TRY(ca_settings_check(config, "cmp", pool));
    if (!config->certificate)
        return EST_FAIL(pool, config, "EstCACertificate is missing");
    EST_TRY(ca_certs_load(&facts, config, 0, pool));
    settings->facts = facts;
    gap = ca_certs_gap(facts, pool);
    if (gap)
        *warning = apr_psprintf(pool, CA_CERTS_GAP, "EstCAChain", config->name, gap);
    EST_TRY(read_messages(settings, config, pool));
    if (config->cmp_recipient)
        EST_TRY(parse_name(&settings->recipient, config->cmp_recipient, pool));
    else
        settings->recipient = X509_get_subject_name(facts->cert);
    EST_TRY(read_protection(settings, warning, config, pool));
    EST_TRY(read_trust(settings, config, pool));
    *out = settings;
    return NULL;
}
