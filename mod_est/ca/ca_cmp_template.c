/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_cmp_template.h"

#include "pki/pki_ossl.h"

#include <openssl/objects.h>

static int fill_in(OSSL_CRMF_MSG *message, const pki_tbs_t *tbs)
{
    const unsigned char *name_der = tbs->subject.p, *key_der = tbs->spki.p;
    X509_NAME *subject = d2i_X509_NAME(NULL, &name_der, (long)tbs->subject.n);
    EVP_PKEY *key = d2i_PUBKEY(NULL, &key_der, (long)tbs->spki.n);
    int done = subject && key &&
               OSSL_CRMF_CERTTEMPLATE_fill(OSSL_CRMF_MSG_get0_tmpl(message), key, subject, NULL, NULL) &&
               OSSL_CRMF_MSG_set_certReqId(message, 0);

    X509_NAME_free(subject);
    EVP_PKEY_free(key);
    return done;
}

static int is_key_identifier(X509_EXTENSION *ext)
{
    int nid = OBJ_obj2nid(X509_EXTENSION_get_object(ext));

    return nid == NID_subject_key_identifier || nid == NID_authority_key_identifier;
}

static int add_extensions(OSSL_CRMF_MSG *message, const pki_tbs_t *tbs)
{
    for (int i = 0; i < tbs->n_exts; i++) {
        const unsigned char *der = tbs->exts[i].p;
        X509_EXTENSION *ext = d2i_X509_EXTENSION(NULL, &der, (long)tbs->exts[i].n);

        if (ext && is_key_identifier(ext)) {
            X509_EXTENSION_free(ext);
        } else if (!ext || !OSSL_CRMF_MSG_push0_extension(message, ext)) {
            X509_EXTENSION_free(ext);
            return 0;
        }
    }
    return 1;
}

static int name_old(OSSL_CRMF_MSG *message, X509 *old)
{
    OSSL_CRMF_CERTID *id = OSSL_CRMF_CERTID_gen(X509_get_issuer_name(old), X509_get0_serialNumber(old));
    int done = id && OSSL_CRMF_MSG_set1_regCtrl_oldCertID(message, id);

    OSSL_CRMF_CERTID_free(id);
    return done;
}

est_err_t *ca_cmp_template(OSSL_CRMF_MSG **out, const pki_tbs_t *tbs, X509 *old, apr_pool_t *pool)
{
    OSSL_CRMF_MSG *message = OSSL_CRMF_MSG_new();

    if (!message || !fill_in(message, tbs) || !add_extensions(message, tbs) || (old && !name_old(message, old)) ||
        !OSSL_CRMF_MSG_create_popo(OSSL_CRMF_POPO_RAVERIFIED, message, NULL, NULL, NULL, NULL)) {
        OSSL_CRMF_MSG_free(message);
        return EST_FAIL(pool, alias_broken, "cannot write the request for the CA: %s", pki_ossl_reason(pool));
    }
    *out = message;
    return NULL;
}
