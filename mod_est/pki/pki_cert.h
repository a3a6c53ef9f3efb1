/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PKI_CERT_H
#define PKI_CERT_H

/* Certificates: facts of a given one, the building of a new one, and the certs-only message that carries it. */

#include "pki_digest.h"
#include "pki_key.h"
#include "pki_name.h"
#include "pki_san.h"
#include "pki_sigalg.h"

#include <apr_time.h>

/* extendedKeyUsage of a certificate, as bits; a certificate without that extension has none of them */
enum {
    PKI_CERT_CLIENT_AUTH = 1, /* id-kp-clientAuth */
    PKI_CERT_SERVER_AUTH = 2, /* id-kp-serverAuth */
    PKI_CERT_CMC_RA = 4,      /* id-kp-cmcRA (RFC 6402 2.10) */
    PKI_CERT_ANY_PURPOSE = 8, /* anyExtendedKeyUsage */
    PKI_CERT_OTHER_PURPOSE = 16
};

/* What the judgement needs of a certificate somebody presented */
typedef struct {
    est_slice_t der;
    unsigned char fingerprint[PKI_SHA256_SIZE]; /* of der */
    est_slice_t serial;                         /* contents of the INTEGER */
    est_slice_t issuer;                         /* Name, DER */
    est_slice_t spki;                           /* DER, as it stands */
    pki_name_t *subject;
    pki_sans_t san;
    apr_time_t not_before, not_after;
    unsigned purposes;           /* PKI_CERT_... */
    const char *serial_number;   /* first serialNumber attribute of the subject; NULL = none */
    const char *hardware_type;   /* of hardwareModuleName (RFC 4108 5): hwType as dotted OID; NULL = there is none */
    const char *hardware_serial; /* hwSerialNum in lower-case hex; NULL = none */
} pki_cert_t;

/* Facts of cert; everything in pool, nothing borrowed from cert. Its names need not be such as we would issue; where
 * pki_name_decode and pki_san_decode cannot read them, or its extendedKeyUsage or hardwareModuleName is malformed, it
 * fails with certificate_refused. */
est_err_t *pki_cert_facts(pki_cert_t **out, X509 *cert, apr_pool_t *pool);

/* A CA as those see it who judge what it would sign */
typedef struct {
    const pki_cert_t *const *certs; /* its own first, then all others of its chain: names and keys for nobody else */
    int n_certs;
    est_slice_t aki; /* AuthorityKeyIdentifier extension of what it signs */
} pki_issuer_t;

/* DER, in pool; certificate_refused when OpenSSL cannot write it */
est_err_t *pki_cert_der(est_slice_t *out, X509 *cert, apr_pool_t *pool);
/* Is cert signed by the key of ca, which it names as its issuer? */
int pki_cert_is_issued_by(X509 *cert, X509 *ca);
/* basicConstraints cA, and keyCertSign where there is a keyUsage: RFC 5280 4.2.1.3 restricts nothing without one */
int pki_cert_is_ca(X509 *cert);
/* AuthorityKeyIdentifier of what ca signs, a whole Extension, DER: keyIdentifier [0] is the CA's SKI, or what that
 * would be where its certificate has none. Fails with config. */
est_err_t *pki_cert_aki(est_slice_t *aki, X509 *ca, apr_pool_t *pool);
/* Subject for a message, in the form of RFC 2253, of a certificate that need not pass the rules of pki_name; in pool */
const char *pki_cert_subject_text(X509 *cert, apr_pool_t *pool);

/* Contents of the serial number's INTEGER, borrowed from der, of a certificate that we made; n == 0 when der is none */
est_slice_t pki_cert_serial(est_slice_t der);
/* SubjectPublicKeyInfo as it stands, borrowed from der; n == 0 when der is no certificate */
est_slice_t pki_cert_spki(est_slice_t der);
/* Lower-case hex of the serial number's contents, as est.certificate has it, of a certificate that we made; "" when der
 * is none */
const char *pki_cert_serial_text(est_slice_t der, apr_pool_t *pool);

/* A key that signs certificates, with what every certificate of it has in common. Immutable, shared by threads. */
typedef struct pki_signer_t pki_signer_t;

/* The CA's certificate must hold the public half of key and be allowed to sign certificates (pki_cert_is_ca): config.
 * RSA, EC P-256/384/521, Ed25519 and Ed448 keys. key is borrowed and must outlive pool. */
est_err_t *pki_signer_make(pki_signer_t **out, X509 *ca, EVP_PKEY *key, apr_pool_t *pool);

/* Signs octets with a key that is elsewhere, such as in a token; md NULL: the algorithm has its own. Thread-safe. Its
 * errors are those of pki_cert_sign. */
typedef est_err_t *pki_sign_t(est_slice_t *signature, est_slice_t octets, const EVP_MD *md, void *data,
                              apr_pool_t *pool);

/* The same with a key that is not at hand, and is not compared with the certificate here */
est_err_t *pki_signer_make_for(pki_signer_t **out, X509 *ca, pki_sign_t *sign, void *data, apr_pool_t *pool);

/* What goes into a new certificate; version 3 always */
typedef struct {
    unsigned char serial[20];         /* big-endian, positive, at most 159 bits; leading zeros are dropped */
    apr_time_t not_before, not_after; /* whole seconds are used */
    est_slice_t subject;              /* Name, DER */
    est_slice_t spki;                 /* SubjectPublicKeyInfo, DER */
    const est_slice_t *exts;          /* each a whole Extension, DER, in the order in which they shall stand */
    int n_exts;
    pki_digest_t digest; /* DEFAULT: SHA-256 for RSA and P-256, SHA-384 for P-384, SHA-512 for P-521 */
} pki_tbs_t;

/* Builds and signs; *der in pool. UTCTime until 2049, GeneralizedTime from 2050 (RFC 5280 4.1.2.5). Issuer is byte for
 * byte the CA's subject. Fails with ca_failed, and as the signer's own pki_sign_t. Thread-safe. */
est_err_t *pki_cert_sign(est_slice_t *der, const pki_tbs_t *tbs, const pki_signer_t *signer, apr_pool_t *pool);

/* The digest that ca signs with where this one is asked for, as column digest of a profile names it; NULL: none of its
 * own (Ed25519, Ed448), or DEFAULT and ca is NULL */
const char *pki_cert_digest_text(X509 *ca, pki_digest_t digest);

/* Degenerate SignedData (RFC 5272 4.1 Simple PKI Response): certs as DER, written as the SET OF that DER orders */
est_slice_t pki_certs_only(const est_slice_t *certs, int n_certs, apr_pool_t *pool);

#endif
