/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz.h"

#include "ca/ca_certs.h"
#include "ca/ca_cmp_session.h"
#include "ca/ca_cmp_state.h"
#include "der_mutator.h"
#include "pki/pki_der.h"
#include "pki/pki_load.h"
#include "pki/pki_ossl.h"

#include <apr_strings.h>
#include <openssl/cmp.h>
#include <openssl/err.h>

DER_MUTATOR(0, DER_MUTATOR_PLAIN)

/*
 * What the database has kept of a CMP transaction, and what becomes of it when it is gone on with: OpenSSL is given the
 * CA's answers again. The corpus comes from transactions of the request below with the CA below, which protected its
 * answers by the secret or signed them. So that a mutation gets further than to the protection, each input is tried a
 * second time with that written anew.
 */

#define SECRET "correct horse"

/* CN=CA, which ends in 2049 */
static const unsigned char ca_der[] =
    "\x30\x82\x01\x4c\x30\x81\xf2\xa0\x03\x02\x01\x02\x02\x02\x03\xe9\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02"
    "\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x0c\x02\x43\x41\x30\x1e\x17\x0d\x32\x30\x30\x31\x30\x31\x30\x30\x30"
    "\x30\x30\x30\x5a\x17\x0d\x34\x39\x30\x31\x30\x31\x30\x30\x30\x30\x30\x30\x5a\x30\x0d\x31\x0b\x30\x09\x06\x03\x55"
    "\x04\x03\x0c\x02\x43\x41\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01"
    "\x07\x03\x42\x00\x04\xc2\x04\x5a\x85\xef\x46\x72\xf9\xc2\xce\x89\x66\x88\x37\x6f\x50\x56\xc6\xc2\x23\xbc\x57\x66"
    "\x33\x1e\x18\x74\xd9\x16\x30\x56\x98\xde\x9a\xd6\xc4\x28\x74\x56\x7a\x7a\xbd\xf4\xe4\x07\x66\x4b\x97\x5e\x52\x44"
    "\xf1\x30\x84\x76\xda\x2b\x6d\x95\x98\x2d\xae\xf0\xdc\xa3\x42\x30\x40\x30\x0f\x06\x03\x55\x1d\x13\x01\x01\xff\x04"
    "\x05\x30\x03\x01\x01\xff\x30\x0e\x06\x03\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02\x01\x86\x30\x1d\x06\x03\x55\x1d"
    "\x0e\x04\x16\x04\x14\x5c\xaf\xe4\x6f\xa5\x71\x12\x6a\xfe\x6d\xc6\xe2\x0a\x84\x5f\xcb\x33\x20\xdc\xb9\x30\x0a\x06"
    "\x08\x2a\x86\x48\xce\x3d\x04\x03\x02\x03\x49\x00\x30\x46\x02\x21\x00\xe1\x43\x58\x45\x05\xd3\x6e\xfb\x42\xd2\x5d"
    "\xca\x96\xda\x93\xde\x46\xd8\x0e\x76\xbc\xf3\x73\xc1\x7e\xbb\xb7\xdd\xca\xbd\x06\x14\x02\x21\x00\x99\x42\x40\xa8"
    "\x42\x7b\xbd\x69\xb1\xce\x23\x41\x3f\x56\xf1\xc3\xe2\x01\x96\x9f\xb0\xba\xa8\xe2\xb3\xf2\xcc\xf3\x52\x58\x97\x3e";

/* The device's key, and its request */
static const unsigned char spki_der[] =
    "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04\x10"
    "\xac\xca\x26\xcc\xf3\x61\xf9\xee\x4f\x1a\xb5\xa7\x20\xcd\xee\xea\x8c\x65\xa2\xec\xd1\x94\xf8\xd6\x0f\x14\x23\x6e"
    "\xf0\xa1\x2f\x2d\x90\x2b\x9a\xd8\x2f\xcf\x74\xed\xb7\x04\xee\xf1\x87\x64\xa6\x03\x18\xe3\xef\x94\x90\x5a\x1c\x45"
    "\xa0\x97\x6c\x52\xdf\x5e\x28";
static const unsigned char csr_der[] =
    "\x30\x81\xcb\x30\x73\x02\x01\x00\x30\x11\x31\x0f\x30\x0d\x06\x03\x55\x04\x03\x0c\x06\x64\x65\x76\x69\x63\x65\x30"
    "\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04\x10\xac"
    "\xca\x26\xcc\xf3\x61\xf9\xee\x4f\x1a\xb5\xa7\x20\xcd\xee\xea\x8c\x65\xa2\xec\xd1\x94\xf8\xd6\x0f\x14\x23\x6e\xf0"
    "\xa1\x2f\x2d\x90\x2b\x9a\xd8\x2f\xcf\x74\xed\xb7\x04\xee\xf1\x87\x64\xa6\x03\x18\xe3\xef\x94\x90\x5a\x1c\x45\xa0"
    "\x97\x6c\x52\xdf\x5e\x28\xa0\x00\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02\x03\x48\x00\x30\x45\x02\x21\x00"
    "\xef\xf3\x7d\xc5\x21\x88\xfc\x21\xce\xcf\xb2\xf4\xad\x94\x8e\x0e\xda\xf1\xd5\xd1\x52\x97\x05\xf7\xb6\x31\x7a\xb0"
    "\xf1\x7b\x1a\x36\x02\x20\x06\xd7\x16\x24\x55\xd8\x65\x94\xfa\x19\x2d\xeb\x41\xf4\x37\xf0\x46\xe9\xaf\x77\xc7\x6d"
    "\xb9\xde\x01\x3d\x43\x6b\xa5\x28\x01\x44";

static est_slice_t slice_of(const unsigned char *octets, apr_size_t size)
{
    return est_slice(octets, size - 1);
}

/* ---- the side that goes on */

static struct {
    ca_cmp_settings_t settings;
    ca_request_t request;
    pki_tbs_t tbs;
} given;

static void prepare(void)
{
    apr_pool_t *pool = fuzz_pool(); /* as long as the process */
    STACK_OF(X509) *certs = pki_ossl_own_certs(sk_X509_new_null(), pool);
    X509_NAME *subject;
    X509 *ca, *pushed;
    ca_facts_t *facts;
    unsigned char *octets = NULL;
    int n;

    FUZZ_ASSERT(!pki_load_der(&ca, slice_of(ca_der, sizeof(ca_der)), pool));
    pushed = X509_dup(ca); /* the stack owns what is in it */
    FUZZ_ASSERT(pushed && sk_X509_push(certs, pushed));
    FUZZ_ASSERT(!ca_certs_sort(&facts, certs, pool));
    subject = X509_get_subject_name(ca);
    n = i2d_X509_NAME(subject, &octets);
    FUZZ_ASSERT(n > 0);
    given.tbs.subject = est_slice_dup(est_slice(octets, (apr_size_t)n), pool);
    given.tbs.spki = slice_of(spki_der, sizeof(spki_der));
    OPENSSL_free(octets);
    given.settings = (ca_cmp_settings_t){.request = OSSL_CMP_IR,
                                         .confirms = 1,
                                         .recipient = subject,
                                         .reference = est_slice_of("ra-1"),
                                         .secret = est_slice_of(SECRET),
                                         .facts = facts,
                                         .trusted = certs};
    given.request = (ca_request_t){
        .tbs = &given.tbs, .facts = facts, .csr = slice_of(csr_der, sizeof(csr_der)), .holder = ca /* for kur */};
}

typedef struct {
    ca_cmp_wire_t wire;
    int n_sent;
} wire_t;

/* The CA has gone */
static est_err_t *send_nowhere(ca_cmp_wire_t *wire, est_slice_t *answer, est_slice_t message, apr_pool_t *pool)
{
    (void)answer;
    FUZZ_ASSERT(message.n);
    ((wire_t *)wire)->n_sent++;
    return EST_FAIL(pool, ca_timeout, "nobody is there");
}

static est_err_t *keep(ca_cmp_wire_t *wire, est_slice_t state, apr_pool_t *pool)
{
    ca_cmp_state_t parts;

    (void)wire;
    (void)pool;
    FUZZ_ASSERT(ca_cmp_state_decode(&parts, state));
    return NULL;
}

static void unconfirmed(ca_cmp_wire_t *wire, est_slice_t der, const char *why, apr_pool_t *pool)
{
    (void)wire;
    (void)pool;
    FUZZ_ASSERT(der.n && *why);
}

static void lost(ca_cmp_wire_t *wire, est_slice_t der, apr_pool_t *pool)
{
    (void)wire;
    (void)pool;
    FUZZ_ASSERT(der.n);
}

static int may_be(const est_err_t *err)
{
    return err->code == EST_E_ca_answer || err->code == EST_E_ca_refused || err->code == EST_E_ca_unavailable ||
           err->code == EST_E_ca_timeout || err->code == EST_E_ca_wrong;
}

static void check_certificate(est_slice_t der, apr_pool_t *pool)
{
    X509 *cert;

    FUZZ_ASSERT(!pki_load_der(&cert, der, pool));
    FUZZ_ASSERT(X509_verify(cert, X509_get0_pubkey(given.settings.facts->cert)) == 1);
    FUZZ_ASSERT(est_slice_equal(pki_cert_spki(der), given.tbs.spki));
}

/* Whatever is in the state: a failure with its reason, or a certificate of the CA for the key, or a state that can be gone
 * on with in its turn; and in each case something that OpenSSL has believed, or nothing was sent */
static void go_on(est_slice_t state, int is_state, apr_pool_t *pool)
{
    wire_t wire = {{send_nowhere, keep, unconfirmed, lost}, 0};
    ca_answer_t answer = {0};
    ca_cmp_state_t parts;
    est_err_t *err = ca_cmp_session(&answer, state, &given.settings, &wire.wire, &given.request, pool);

    FUZZ_ASSERT(ERR_peek_error() == 0);
    if (err)
        FUZZ_ASSERT(may_be(err) && err->detail && *err->detail);
    else
        FUZZ_ASSERT((answer.der.n == 0) != (answer.state.n == 0));
    if (!is_state)
        FUZZ_ASSERT(err && err->code == EST_E_ca_answer && !wire.n_sent && !answer.state.n);
    if (answer.state.n)
        FUZZ_ASSERT(ca_cmp_state_decode(&parts, answer.state));
    if (!err && answer.der.n)
        check_certificate(answer.der, pool);
}

/* ---- protection */

/* Of a header: the parameters of its protection, NULL when that is none by a secret. The caller frees them. */
static OSSL_CRMF_PBMPARAMETER *parameters_of(est_slice_t header)
{
    static const unsigned char pbm[] = "\x06\x09\x2a\x86\x48\x86\xf6\x7d\x07\x42\x0d";
    pki_der_t field, algorithm, oid;
    const unsigned char *p;
    OSSL_CRMF_PBMPARAMETER *parameters;

    while (pki_der_next(&header, &field))
        if (field.tag == PKI_DER_CONTEXT_CONSTRUCTED(1)) {
            if (!pki_der_take(&field.body, PKI_DER_SEQUENCE, &algorithm) || !pki_der_next(&algorithm.body, &oid) ||
                !est_slice_equal(oid.whole, slice_of(pbm, sizeof(pbm))))
                return NULL;
            p = algorithm.body.p;
            parameters = d2i_OSSL_CRMF_PBMPARAMETER(NULL, &p, (long)algorithm.body.n);
            ERR_clear_error();
            return parameters;
        }
    return NULL;
}

/* The answer with the value that its protection must have; as it is where that cannot be */
static est_slice_t protect(est_slice_t answer, apr_pool_t *pool)
{
    pki_der_t message, header, body, protection;
    est_slice_t whole = answer, all;
    pki_der_out_t *out = pki_der_out_make(answer.n + 64, pool);
    apr_size_t mark = pki_der_mark(out);
    unsigned char *value = NULL;
    size_t n;
    OSSL_CRMF_PBMPARAMETER *parameters;
    int done;

    if (!pki_der_take(&answer, PKI_DER_SEQUENCE, &message) || !pki_der_take(&message.body, PKI_DER_SEQUENCE, &header) ||
        !pki_der_next(&message.body, &body) ||
        !pki_der_take(&message.body, PKI_DER_CONTEXT_CONSTRUCTED(0), &protection) ||
        !(parameters = parameters_of(header.body)))
        return whole;
    pki_der_put(out, body.whole);
    pki_der_put(out, header.whole);
    pki_der_wrap(out, PKI_DER_SEQUENCE, mark);
    all = est_slice_dup(pki_der_result(out), pool);
    done = OSSL_CRMF_pbm_new(NULL, NULL, parameters, all.p, all.n, (const unsigned char *)SECRET, strlen(SECRET),
                             &value, &n);
    OSSL_CRMF_PBMPARAMETER_free(parameters);
    ERR_clear_error();
    if (!done)
        return whole;
    out = pki_der_out_make(answer.n + 64, pool);
    pki_der_put(out, message.body); /* what follows */
    mark = pki_der_mark(out);
    pki_der_put_bits(out, est_slice(value, n));
    OPENSSL_free(value);
    pki_der_wrap(out, PKI_DER_CONTEXT_CONSTRUCTED(0), mark);
    pki_der_put(out, body.whole);
    pki_der_put(out, header.whole);
    pki_der_wrap(out, PKI_DER_SEQUENCE, 0);
    return est_slice_dup(pki_der_result(out), pool);
}

/* What is read is what was written */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *pool = fuzz_pool();
    est_slice_t state = est_slice(data, size);
    ca_cmp_state_t parts;
    int is_state = ca_cmp_state_decode(&parts, state);

    if (!given.request.tbs)
        prepare();
    if (size) /* none is no state that is read */
        go_on(state, is_state, pool);
    if (is_state) {
        FUZZ_ASSERT(parts.n > 0 && parts.n <= CA_CMP_STATE_ANSWERS);
        FUZZ_ASSERT(est_slice_equal(ca_cmp_state_encode(&parts, pool), state));
        for (int i = 0; i < parts.n; i++)
            parts.answers[i] = protect(parts.answers[i], pool);
        go_on(ca_cmp_state_encode(&parts, pool), 1, pool);
    }
    apr_pool_destroy(pool);
    return 0;
}
