/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* Rules on the public key. */

#include "policy_rules.h"

#include <string.h>

est_err_t *policy_rules_key(policy_judge_t *j)
{
    for (int i = 0; i < j->profile->n_keys; i++)
        if (pki_key_rule_allows(&j->profile->keys[i], j->req->csr->key))
            return NULL;
    return EST_FAIL(j->pool, key_not_allowed, "%s, profile \"%s\" wants %s", j->req->csr->key->label, j->profile->name,
                    j->profile->keys_text);
}

/* Whoever has the key of a CA or of a TLS server here needs no certificate for it, and whoever gets one could take the
 * other's place (C-16) */
est_err_t *policy_rules_key_reserved(policy_judge_t *j)
{
    est_slice_t spki = j->req->csr->key->spki;
    unsigned char *hash = j->grant->spki_hash;

    j->not_applicable = !j->req->ca; /* an explanation that does not know it */
    if (j->req->ca && est_slice_equal(spki, j->req->ca->certs[0]->spki))
        return EST_FAIL(j->pool, key_reserved, "the key is the CA's own");
    pki_sha256(hash, spki);
    for (int i = 0; i < j->req->n_reserved_keys; i++)
        if (!memcmp(hash, j->req->reserved_keys[i], PKI_SHA256_SIZE))
            return EST_FAIL(j->pool, key_reserved, "the key is that of a CA or a TLS server of this httpd");
    return NULL;
}

est_err_t *policy_rules_key_quality(policy_judge_t *j)
{
    return pki_key_check_quality(j->req->csr->key, j->pool);
}

/* RE-05: the same key renews, another one replaces */
est_err_t *policy_rules_same_key(policy_judge_t *j)
{
    const pki_cert_t *cert = j->req->identity->cert;
    policy_same_key_t wanted = j->req->alias->same_key;
    int same;

    if (j->req->op != POLICY_OP_REENROLL || !cert || wanted == POLICY_SAME_KEY_ALLOW) {
        j->not_applicable = 1;
        return NULL;
    }
    same = est_slice_equal(j->req->csr->key->spki, cert->spki);
    if (same && wanted == POLICY_SAME_KEY_FORBID)
        return EST_FAIL(j->pool, key_reuse, "a renewal needs a new key here");
    if (!same && wanted == POLICY_SAME_KEY_REQUIRE)
        return EST_FAIL(j->pool, key_reuse, "a renewal keeps its key here");
    return NULL;
}

const policy_key_usage_t *policy_rules_usage(const policy_judge_t *j)
{
    return j->profile->key_usage_at < 0 ? NULL : &j->profile->key_usage[j->req->csr->key->type];
}

/* Does the request bring a keyUsage that takes the place of the profile's? */
static int brings_usage(const policy_judge_t *j)
{
    for (int i = 0; j->profile->n_request_exts && i < j->req->csr->n_exts; i++) {
        const policy_request_ext_t *rule = policy_profile_request_ext(j->profile, j->req->csr->exts[i].oid);

        if (rule && rule->at == j->profile->key_usage_at &&
            (rule->action == POLICY_EXT_COPY || rule->action == POLICY_EXT_REQUIRE))
            return 1;
    }
    return 0;
}

/* CP-10: a key is never said to be for what it cannot do */
est_err_t *policy_rules_key_usage(policy_judge_t *j)
{
    const policy_key_usage_t *usage = policy_rules_usage(j);

    if (!usage || brings_usage(j)) {
        j->not_applicable = 1;
        return NULL;
    }
    if (!usage->bits)
        return EST_FAIL(j->pool, key_not_allowed, "%s; profile \"%s\" gives no purpose that it can serve without %s",
                        j->req->csr->key->label, j->profile->name, usage->left_out);
    if (usage->left_out)
        policy_names_add_dropped(&j->grant->dropped, "keyUsage", usage->left_out, j->pool);
    return NULL;
}
