/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CMP_TEST_H
#define CMP_TEST_H

/* A CMP CA for tests: OpenSSL's server, at the other end of a wire that is a function call. */

#include "x509_test.h"

#include "ca/ca_cmp_session.h"
#include "ca/ca_cmp_settings.h"
#include "pki/pki_ext.h"

#include <openssl/cmp.h>
#include <openssl/err.h>

#define CMP_TEST_MAX 16
#define CMP_TEST_POLLREQ 25 /* of PKIBody */
#define CMP_TEST_CERTCONF 24

typedef struct {
    ca_cmp_wire_t wire;
    OSSL_CMP_SRV_CTX *server;
    const char *dir;
    EVP_PKEY *key; /* of the CA */
    X509 *cert;
    EVP_PKEY *device; /* whose certificate it is to be */
    /* what it does */
    int n_polls;           /* answers that it is not there yet */
    int check_after;       /* seconds, in these */
    int status;            /* PKIStatus, of what it refuses */
    int fail_info;         /* bits */
    int break_at;          /* message that is not answered: 1 is the first */
    est_err_code_t broken; /* and what is said of it */
    int break_after;       /* 1: the CA gets it, and only the answer is lost */
    int spoil_at;          /* answer in which one octet is another */
    int swell_at;          /* answer that is far too long */
    int cut_at;            /* answer without its last octet */
    int refuses_confirmations;
    est_err_t *keep_error; /* what ca_cmp_wire_t.keep fails with; NULL: it does not */
    /* what it saw */
    int n_messages, bodies[CMP_TEST_MAX];
    est_slice_t csr, template, tmpl_subject;
    int n_exts, n_key_identifiers;
    int has_old;
    int n_issued, n_confirmed, n_rejected;
    char rejection[OSSL_CMP_PKISI_BUFLEN]; /* what was said of the last certificate that was rejected */
    int n_kept, messages_when_kept;
    est_slice_t kept, lost; /* what the wire was told last */
    /* its own */
    OSSL_CMP_MSG *request;
    int n_polled;
} cmp_test_t;

static inline est_slice_t cmp_test_slice(unsigned char *octets, int n)
{
    est_slice_t copy;

    assert_true(n > 0);
    copy = est_slice_dup(est_slice(octets, (apr_size_t)n), pool);
    OPENSSL_free(octets);
    return copy;
}

static inline void cmp_test_see(cmp_test_t *ca, const OSSL_CRMF_MSG *crm, const X509_REQ *csr)
{
    unsigned char *octets = NULL;
    OSSL_CRMF_CERTTEMPLATE *template;
    X509_EXTENSIONS *exts;

    if (csr) {
        ca->csr = cmp_test_slice(octets, i2d_X509_REQ(csr, &octets));
        return;
    }
    template = OSSL_CRMF_MSG_get0_tmpl(crm);
    ca->template = cmp_test_slice(octets, i2d_OSSL_CRMF_CERTTEMPLATE(template, &octets));
    octets = NULL;
    ca->tmpl_subject = cmp_test_slice(octets, i2d_X509_NAME(OSSL_CRMF_CERTTEMPLATE_get0_subject(template), &octets));
    exts = OSSL_CRMF_CERTTEMPLATE_get0_extensions(template);
    ca->n_exts = sk_X509_EXTENSION_num(exts);
    ca->n_key_identifiers = (X509v3_get_ext_by_NID(exts, NID_subject_key_identifier, -1) >= 0) +
                            (X509v3_get_ext_by_NID(exts, NID_authority_key_identifier, -1) >= 0);
    ca->has_old = OSSL_CRMF_MSG_get0_regCtrl_oldCertID(crm) != NULL;
}

/* OSSL_CMP_SRV_cert_request_cb_t */
static inline OSSL_CMP_PKISI *cmp_test_request(OSSL_CMP_SRV_CTX *server, const OSSL_CMP_MSG *request, int id,
                                               const OSSL_CRMF_MSG *crm, const X509_REQ *csr, X509 **cert,
                                               STACK_OF(X509) **chain, STACK_OF(X509) **ca_certs)
{
    cmp_test_t *ca = OSSL_CMP_SRV_CTX_get0_custom_ctx(server);

    (void)id;
    (void)chain;
    (void)ca_certs;
    cmp_test_see(ca, crm, csr);
    if (ca->status)
        return OSSL_CMP_STATUSINFO_new(ca->status, ca->fail_info, "not today");
    if (ca->n_polls && !ca->n_polled) {
        OSSL_CMP_MSG_free(ca->request);
        ca->request = OSSL_CMP_MSG_dup(request);
        return OSSL_CMP_STATUSINFO_new(OSSL_CMP_PKISTATUS_waiting, 0, NULL);
    }
    *cert =
        make_cert(&(cert_spec_t){.subject = "CN=device", .key = ca->device, .issuer = ca->cert, .issuer_key = ca->key});
    X509_up_ref(*cert);
    ca->n_issued++;
    return OSSL_CMP_STATUSINFO_new(OSSL_CMP_PKISTATUS_accepted, 0, NULL);
}

/* OSSL_CMP_SRV_pollReq_cb_t */
static inline int cmp_test_poll(OSSL_CMP_SRV_CTX *server, const OSSL_CMP_MSG *message, int id, OSSL_CMP_MSG **request,
                                int64_t *check_after)
{
    cmp_test_t *ca = OSSL_CMP_SRV_CTX_get0_custom_ctx(server);

    (void)message;
    (void)id;
    *request = NULL;
    *check_after = ca->check_after;
    if (++ca->n_polled <= ca->n_polls)
        return 1;
    *check_after = 0;
    *request = ca->request;
    ca->request = NULL;
    return 1;
}

/* OSSL_CMP_SRV_certConf_cb_t */
static inline int cmp_test_confirm(OSSL_CMP_SRV_CTX *server, const OSSL_CMP_MSG *message, int id,
                                   const ASN1_OCTET_STRING *hash, const OSSL_CMP_PKISI *status)
{
    cmp_test_t *ca = OSSL_CMP_SRV_CTX_get0_custom_ctx(server);
    char text[OSSL_CMP_PKISI_BUFLEN];

    (void)message;
    (void)id;
    (void)hash;
    if (ca->refuses_confirmations)
        return 0;
    if (status && OSSL_CMP_snprint_PKIStatusInfo(status, text, sizeof(text)) && strstr(text, "rejection")) {
        ca->n_rejected++;
        apr_cpystrn(ca->rejection, text, sizeof(ca->rejection));
    } else {
        ca->n_confirmed++;
    }
    return 1;
}

static inline void cmp_test_error(OSSL_CMP_SRV_CTX *server, const OSSL_CMP_MSG *message, const OSSL_CMP_PKISI *status,
                                  const ASN1_INTEGER *code, const OSSL_CMP_PKIFREETEXT *details)
{
    (void)server;
    (void)message;
    (void)status;
    (void)code;
    (void)details;
}

static inline int cmp_test_quiet(const char *component, const char *file, int line, OSSL_CMP_severity level,
                                 const char *words)
{
    (void)component;
    (void)file;
    (void)line;
    (void)level;
    (void)words;
    return 1;
}

/* ca_cmp_wire_t.send */
static inline est_err_t *cmp_test_send(ca_cmp_wire_t *wire, est_slice_t *out, est_slice_t in, apr_pool_t *to)
{
    cmp_test_t *ca = (cmp_test_t *)wire;
    const unsigned char *p = in.p;
    unsigned char *octets = NULL;
    OSSL_CMP_MSG *message, *answer;

    assert_true(ca->n_messages < CMP_TEST_MAX);
    message = d2i_OSSL_CMP_MSG(NULL, &p, (long)in.n);
    assert_non_null(message);
    ca->bodies[ca->n_messages++] = OSSL_CMP_MSG_get_bodytype(message);
    if (ca->n_messages == ca->break_at && !ca->break_after) {
        OSSL_CMP_MSG_free(message);
        return est_err_make(to, ca->broken, __FILE__, __LINE__, "the wire broke");
    }
    answer = OSSL_CMP_SRV_process_request(ca->server, message);
    OSSL_CMP_MSG_free(message);
    assert_non_null(answer);
    *out = cmp_test_slice(octets, i2d_OSSL_CMP_MSG(answer, &octets));
    OSSL_CMP_MSG_free(answer);
    ERR_clear_error();
    if (ca->n_messages == ca->break_at)
        return est_err_make(to, ca->broken, __FILE__, __LINE__, "the wire broke");
    if (ca->n_messages == ca->spoil_at)
        ((unsigned char *)out->p)[out->n - 1] ^= 1; /* the last octet of the protection, or of extraCerts */
    if (ca->n_messages == ca->cut_at)
        out->n--;
    if (ca->n_messages == ca->swell_at)
        *out = est_slice(apr_pcalloc(to, 128 * 1024 + 1), 128 * 1024 + 1);
    return NULL;
}

/* ca_cmp_wire_t.keep */
static inline est_err_t *cmp_test_keep(ca_cmp_wire_t *wire, est_slice_t state, apr_pool_t *to)
{
    cmp_test_t *ca = (cmp_test_t *)wire;

    assert_non_null(to);
    ca->n_kept++;
    ca->messages_when_kept = ca->n_messages;
    ca->kept = est_slice_dup(state, pool);
    return ca->keep_error;
}

/* ca_cmp_wire_t.lost */
static inline void cmp_test_lost(ca_cmp_wire_t *wire, est_slice_t der, apr_pool_t *to)
{
    cmp_test_t *ca = (cmp_test_t *)wire;

    assert_non_null(to);
    ca->lost = est_slice_dup(der, pool);
}

static inline apr_status_t cmp_test_free(void *data)
{
    cmp_test_t *ca = data;

    OSSL_CMP_MSG_free(ca->request);
    OSSL_CMP_SRV_CTX_free(ca->server);
    return APR_SUCCESS;
}

static inline OSSL_CMP_CTX *cmp_test_ctx(const cmp_test_t *ca)
{
    return OSSL_CMP_SRV_CTX_get0_cmp_ctx(ca->server);
}

/* Signs its answers with key, whose certificate is cert */
static inline void cmp_test_signs(cmp_test_t *ca, X509 *cert, EVP_PKEY *key)
{
    assert_true(OSSL_CMP_CTX_set1_cert(cmp_test_ctx(ca), cert));
    assert_true(OSSL_CMP_CTX_set1_pkey(cmp_test_ctx(ca), key));
}

#define CMP_TEST_CA_EXTS                                                                                               \
    {                                                                                                                  \
        "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature",                 \
            "subjectKeyIdentifier=hash"                                                                                \
    }

static inline cmp_test_t *cmp_test_make(void)
{
    cmp_test_t *ca = apr_pcalloc(pool, sizeof(*ca));
    X509_STORE *trusted = X509_STORE_new();

    ca->wire = (ca_cmp_wire_t){cmp_test_send, cmp_test_keep, cmp_test_lost};
    ca->dir = temp_dir();
    ca->key = make_key("P-256");
    ca->device = make_key("P-256");
    ca->cert = make_cert(&(cert_spec_t){.subject = "CN=CA", .key = ca->key, .exts = CMP_TEST_CA_EXTS});
    ca->check_after = 7;
    ca->server = OSSL_CMP_SRV_CTX_new(NULL, NULL);
    assert_non_null(ca->server);
    apr_pool_cleanup_register(pool, ca, cmp_test_free, apr_pool_cleanup_null);
    assert_true(OSSL_CMP_SRV_CTX_init(ca->server, ca, cmp_test_request, NULL, NULL, cmp_test_error, cmp_test_confirm,
                                      cmp_test_poll));
    assert_true(OSSL_CMP_CTX_set_log_cb(cmp_test_ctx(ca), cmp_test_quiet));
    assert_true(OSSL_CMP_SRV_CTX_set_accept_raverified(ca->server, 1));
    assert_true(X509_STORE_add_cert(trusted, ca->cert));
    assert_true(OSSL_CMP_CTX_set0_trustedStore(cmp_test_ctx(ca), trusted));
    cmp_test_signs(ca, ca->cert, ca->key);
    return ca;
}

static inline const char *text_file(const char *dir, const char *name, const char *words)
{
    const char *path;
    FILE *file = temp_file(&path, dir, name);

    fputs(words, file);
    fclose(file);
    return path;
}

/* <EstCA> with a signer that the CA has certified */
static inline ca_config_t cmp_test_config(const cmp_test_t *ca)
{
    const char *dir = temp_dir();
    EVP_PKEY *key = make_key("P-256");
    X509 *cert = make_cert(&(cert_spec_t){.subject = "CN=RA",
                                          .key = key,
                                          .issuer = ca->cert,
                                          .issuer_key = ca->key,
                                          .exts = {"keyUsage=digitalSignature", "extendedKeyUsage=cmcRA"}});

    return (ca_config_t){.name = "issuing",
                         .driver = "cmp",
                         .certificate = cert_file(dir, "ca.pem", 1, &ca->cert),
                         .cmp_certificate = cert_file(dir, "ra.pem", 1, &cert),
                         .cmp_key = key_file(dir, "ra.key", key),
                         .where = "est.conf:7"};
}

/* A shared secret in the stead of the signer, on both sides */
static inline void cmp_test_share(cmp_test_t *ca, ca_config_t *config, const char *secret)
{
    config->cmp_certificate = config->cmp_key = NULL;
    config->cmp_reference = "ra-1";
    config->cmp_secret = apr_pstrcat(pool, "file:", text_file(ca->dir, "secret", "correct horse"), NULL);
    assert_true(OSSL_CMP_CTX_set1_referenceValue(cmp_test_ctx(ca), (const unsigned char *)"ra-1", 4));
    assert_true(OSSL_CMP_CTX_set1_secretValue(cmp_test_ctx(ca), (const unsigned char *)secret, (int)strlen(secret)));
}

static inline ca_cmp_settings_t *cmp_test_settings(const ca_config_t *config)
{
    ca_cmp_settings_t *settings;
    const char *warning = NULL;

    est_test_ok(ca_cmp_settings_read(&settings, &warning, config, pool), "settings", __FILE__, __LINE__);
    return settings;
}

/* The device's request, and what policy made of it */
static inline ca_request_t *request_of(const cmp_test_t *ca, const ca_cmp_settings_t *settings)
{
    ca_request_t *request = apr_pcalloc(pool, sizeof(*request));
    pki_tbs_t *tbs = apr_pcalloc(pool, sizeof(*tbs));
    est_slice_t *exts = apr_pcalloc(pool, 3 * sizeof(*exts));
    unsigned char *octets = NULL;
    X509_NAME *name = X509_NAME_new();

    fill_name(name, "CN=granted");
    tbs->subject = cmp_test_slice(octets, i2d_X509_NAME(name, &octets));
    X509_NAME_free(name);
    tbs->spki = spki_of(ca->device);
    exts[0] = pki_ext_ski(tbs->spki, pool);
    exts[1] = settings->facts->issuer.aki;
    ASSERT_OK(pki_ext_build(&exts[2], &(pki_ext_row_t){"keyUsage", 1, "digitalSignature"}, NULL, 0, pool));
    tbs->exts = exts;
    tbs->n_exts = 3;
    request->tbs = tbs;
    request->facts = settings->facts;
    request->now = TEST_NOW;
    request->csr = make_csr(&(csr_spec_t){.subject = "CN=device", .key = ca->device});
    return request;
}

static inline est_err_t *run(ca_answer_t *answer, est_slice_t state, cmp_test_t *ca, const ca_config_t *config,
                             ca_request_t *request)
{
    ca_cmp_settings_t *settings = cmp_test_settings(config);
    est_err_t *err;

    *answer = (ca_answer_t){0};
    err = ca_cmp_session(answer, state, settings, &ca->wire, request ? request : request_of(ca, settings), pool);
    assert_int_equal(ERR_peek_error(), 0);
    return err;
}

static inline est_err_t *run_new(ca_answer_t *answer, cmp_test_t *ca, const ca_config_t *config)
{
    return run(answer, est_slice("", 0), ca, config, NULL);
}

static inline void assert_certificate(const ca_answer_t *answer, const cmp_test_t *ca)
{
    assert_int_equal(answer->state.n, 0);
    ASSERT_SLICE(spki_of(X509_get0_pubkey(parse_cert(answer->der))), spki_of(ca->device));
}

#endif
