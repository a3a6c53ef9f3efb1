/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_settings.h"

#include "pki/pki_load.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>
#include <openssl/err.h>

#define LEASE_MARGIN 5 /* seconds that an exchange, or a signature, may last after its time was over */

/* ---- which driver knows what */

enum { LOCAL = 1, EST = 2, CMP = 4 };

/* But for numbers: those have defaults, which nobody has set. */
static const struct {
    const char *directive;
    apr_size_t offset;
    unsigned drivers;
} members[] = {
#define MEMBER(directive, member, drivers)                                                                             \
    {                                                                                                                  \
        directive, offsetof(ca_config_t, member), drivers                                                              \
    }
    MEMBER("EstCAKey", key, LOCAL),
    MEMBER("EstCAKeyPassphrase", passphrase, LOCAL),
    MEMBER("EstCAKeyModule", key_module, LOCAL),
    MEMBER("EstCAUpstream", upstreams, EST | CMP),
    MEMBER("EstCATrust", trust, EST | CMP),
    MEMBER("EstCAClientCertificate", client_certificate, EST | CMP),
    MEMBER("EstCAClientKey", client_key, EST | CMP),
    MEMBER("EstCAClientKeyPassphrase", client_passphrase, EST | CMP),
    MEMBER("EstCAUser", user, EST | CMP),
    MEMBER("EstCAPassword", password, EST | CMP),
    MEMBER("EstCAProxy", proxy, EST | CMP),
    MEMBER("EstCACacheFile", cache, EST),
    MEMBER("EstCAExtensions", extensions, EST | CMP),
    MEMBER("EstCACmpRequest", cmp_request, CMP),
    MEMBER("EstCACmpRenewal", cmp_renewal, CMP),
    MEMBER("EstCACmpConfirm", cmp_confirm, CMP),
    MEMBER("EstCACmpRecipient", cmp_recipient, CMP),
    MEMBER("EstCACmpCertificate", cmp_certificate, CMP),
    MEMBER("EstCACmpKey", cmp_key, CMP),
    MEMBER("EstCACmpKeyPassphrase", cmp_passphrase, CMP),
    MEMBER("EstCACmpReference", cmp_reference, CMP),
    MEMBER("EstCACmpSecret", cmp_secret, CMP),
    MEMBER("EstCACmpTrust", cmp_trust, CMP),
#undef MEMBER
};

static const char *names_of(unsigned drivers)
{
    return drivers == LOCAL ? "local" : drivers == EST ? "est" : drivers == CMP ? "cmp" : "est or cmp";
}

est_err_t *ca_settings_check(const ca_config_t *config, const char *driver, apr_pool_t *pool)
{
    unsigned own = !strcmp(driver, "local") ? LOCAL : !strcmp(driver, "est") ? EST : CMP;

    for (apr_size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        const void *value = *(const void *const *)((const char *)config + members[i].offset);

        if (value && !(members[i].drivers & own))
            return EST_FAIL(pool, config, "%s makes no sense with EstCADriver %s: it is for %s", members[i].directive,
                            driver, names_of(members[i].drivers));
    }
    return NULL;
}

/* ---- numbers */

est_err_t *ca_settings_rules(ca_gate_rules_t *rules, const ca_config_t *config, apr_pool_t *pool)
{
    const struct {
        const char *directive;
        int value, most;
    } rows[] = {
        {"EstCATimeout", config->timeout, 120},
        {"EstCAConcurrency", config->concurrency, CA_GATE_MAX},
        {"EstCAFailures", config->failures, 100},
        {"EstCACooldown", config->cooldown, CA_GATE_MAX_COOLDOWN},
    };

    for (apr_size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].value < 1 || rows[i].value > rows[i].most)
            return EST_FAIL(pool, config, "%s is a number from 1 to %d, not %d", rows[i].directive, rows[i].most,
                            rows[i].value);
    rules->places = config->concurrency;
    rules->failures = config->failures;
    rules->cooldown = apr_time_from_sec(config->cooldown);
    rules->lease = apr_time_from_sec(config->timeout + LEASE_MARGIN);
    return NULL;
}

int ca_settings_port_is_valid(const apr_uri_t *uri)
{
    char *end;
    long port;

    if (!uri->port_str)
        return 1;
    port = strtol(uri->port_str, &end, 10);
    return *uri->port_str && !*end && port > 0 && port <= 65535;
}

/* ---- keys in files */

est_err_t *ca_settings_key(EVP_PKEY **out, const char **warning, const ca_key_file_t *file, const char *block,
                           apr_pool_t *pool)
{
    const char *passphrase = NULL;
    est_err_t *err;
    int loose = 0;

    if (file->passphrase)
        EST_TRY(pki_load_passphrase(&passphrase, file->passphrase, pool));
    err = pki_load_key(out, file->path, passphrase, &loose, pool);
    if (err && err->code == EST_E_config && !passphrase)
        return EST_FAIL(pool, config, "%s %s is encrypted: say with %s where its passphrase is", file->directive,
                        file->path, file->passphrase_directive);
    EST_TRY(err);
    if (X509_check_private_key(file->cert, *out) != 1) {
        ERR_clear_error();
        return EST_FAIL(pool, config, "%s %s does not fit %s %s", file->directive, file->path, file->cert_directive,
                        file->cert_path);
    }
    if (loose)
        *warning = apr_psprintf(pool, "%s %s of <EstCA %s> can be read by others than its owner: chmod 600 it",
                                file->directive, file->path, block);
    return NULL;
}
