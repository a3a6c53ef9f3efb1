/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fuzz.h"

#include "der_mutator.h"
#include "pki/pki_ext.h"
#include "pki/pki_load.h"
#include "policy/policy_issued.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

DER_MUTATOR(1, DER_MUTATOR_PLAIN)

/* Bits of the first octet: what is left out of the grant, and what the CA may add */
enum { NO_USAGE = 1, NO_PURPOSES = 2, EXTRA = 4 };

#define UNTIL 1801612800 /* 2027-02-03T00:00:00Z */
#define TOLERANCE 600

static const unsigned char spki[] = "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d"
                                    "\x03\x01\x07\x03\x42\x00\x04\xf9\xeb"
                                    "\xe4\x64\x14\x7c\xc1\x02\xd9\x23\x24\xd0\x99\xd9\x27\xc1\xa5\x0e\x42\xd5\x7a\x08"
                                    "\xa1\x16\xff\xec\x0a\x29\x81\x9d\x8c"
                                    "\x65\x70\xba\xf7\xd1\x28\x88\x90\x2a\x6a\x0c\x1d\x67\xad\xd1\x03\x12\x3c\x85\x9a"
                                    "\xb6\x9b\xf8\xe9\x43\x1c\x93\x84\x93"
                                    "\x0d\x4b\x7e\xee";

static policy_grant_t *make_grant(unsigned options, apr_pool_t *pool)
{
    static const pki_attr_t subject[] = {{.type = "C", .value = "DE", .rdn = 0},
                                         {.type = "O", .value = "Example", .rdn = 1},
                                         {.type = "CN", .value = "Dev 7", .rdn = 2}};
    static const pki_ext_row_t exts[] = {
        {"basicConstraints", 1, "CA:FALSE"},
        {"keyUsage", 1, "digitalSignature,keyAgreement,encipherOnly"},
        {"extendedKeyUsage", 0, "clientAuth,serverAuth"},
        {"tlsfeature", 0, "status_request"},
        {"1.2.3.4.5", 1, "ASN1:UTF8String:seven"},
    };
    policy_grant_t *grant = apr_pcalloc(pool, sizeof(*grant));
    pki_san_t *names = apr_pcalloc(pool, 2 * sizeof(*names));
    pki_name_t *name;

    FUZZ_ASSERT(!pki_name_encode(&name, subject, 3, pool));
    FUZZ_ASSERT(!pki_san_make(&names[0], PKI_SAN_DNS, "dev7.example", pool));
    FUZZ_ASSERT(!pki_san_make(&names[1], PKI_SAN_IP, "10.0.0.7", pool));
    grant->subject = name;
    grant->san.names = names;
    grant->san.n_names = 2;
    grant->not_after = apr_time_from_sec(UNTIL);
    for (unsigned i = 0; i < sizeof(exts) / sizeof(exts[0]); i++) {
        if ((i == 1 && (options & NO_USAGE)) || (i == 2 && (options & NO_PURPOSES)))
            continue;
        FUZZ_ASSERT(!pki_ext_build(&grant->exts[grant->n_exts++], &exts[i], NULL, 0, pool));
    }
    return grant;
}

/* What OpenSSL says of a certificate that was found to be within the grant */
static void check_accepted(const policy_grant_t *grant, est_slice_t der, unsigned options, apr_pool_t *pool)
{
    const unsigned never = KU_KEY_CERT_SIGN | KU_CRL_SIGN, usages = KU_DIGITAL_SIGNATURE | KU_KEY_AGREEMENT;
    const unsigned powers = XKU_OCSP_SIGN | XKU_TIMESTAMP | XKU_ANYEKU;
    const unsigned char *p = spki;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &p, sizeof(spki) - 1);
    X509 *cert;

    FUZZ_ASSERT(!pki_load_der(&cert, der, pool));
    uint32_t flags = X509_get_extension_flags(cert), usage = X509_get_key_usage(cert),
             purposes = X509_get_extended_key_usage(cert);
    time_t until = UNTIL + TOLERANCE;

    FUZZ_ASSERT(key && X509_get0_pubkey(cert) && EVP_PKEY_eq(X509_get0_pubkey(cert), key) == 1);
    FUZZ_ASSERT(X509_NAME_cmp(X509_get_subject_name(cert), grant->subject->x509) == 0);
    FUZZ_ASSERT(X509_cmp_time(X509_get0_notAfter(cert), &until) <= 0);
    FUZZ_ASSERT(X509_check_ca(cert) == 0 && !(flags & (EXFLAG_INVALID | EXFLAG_CA)));
    FUZZ_ASSERT(X509_check_host(cert, "dev7.example", 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1);
    FUZZ_ASSERT(X509_check_host(cert, "evil.example", 0, 0, NULL) != 1);
    /* without the extension OpenSSL says that every one is allowed */
    FUZZ_ASSERT(usage == UINT32_MAX ? (options & NO_USAGE) : !(usage & never));
    if (!(options & NO_USAGE)) {
        FUZZ_ASSERT(!(usage & ~(usages | KU_ENCIPHER_ONLY)));
        FUZZ_ASSERT(!(usage & KU_KEY_AGREEMENT) || (usage & KU_ENCIPHER_ONLY));
    }
    FUZZ_ASSERT(purposes == UINT32_MAX ? (options & NO_PURPOSES) : !(purposes & powers));
    if (!(options & NO_PURPOSES))
        FUZZ_ASSERT(!(purposes & ~(uint32_t)(XKU_SSL_CLIENT | XKU_SSL_SERVER)));
    ERR_clear_error();
    EVP_PKEY_free(key);
}

/* The first octet chooses the grant, the rest is what a CA has returned for it. Whatever that is, it is refused with a
 * reason, or OpenSSL, too, finds nothing in it that was not granted. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const extra[] = {"1.3.6.1.4.1.311.21.7", NULL};
    apr_pool_t *pool = fuzz_pool();
    unsigned options = size ? data[0] : 0;
    policy_grant_t *grant = make_grant(options, pool);
    est_slice_t der = est_slice(size ? data + 1 : data, size ? size - 1 : 0);
    est_err_t *err =
        policy_issued_check(grant, est_slice(spki, sizeof(spki) - 1), der, options & EXTRA ? extra : NULL, pool);

    FUZZ_ASSERT(ERR_peek_error() == 0);
    if (err)
        FUZZ_ASSERT(err->code == EST_E_ca_wrong && err->detail && *err->detail);
    else
        check_accepted(grant, der, options, pool);
    apr_pool_destroy(pool);
    return 0;
}
