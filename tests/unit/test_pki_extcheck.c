/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "x509_test.h"

#include "pki/pki_extcheck.h"

static est_slice_t extension(const char *text)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, NULL, NULL, NULL, NULL, 0);
    return ext_der(&ctx, text);
}

/* CP-09, CP-11, CP-12, CP-13, CP-24: one extension, or two of which the second is judged beside the first */
static void test_what_rfc_5280_forbids(void **state)
{
    static const struct {
        const char *first, *second, *flaw;
    } rows[] = {
        {"keyUsage=critical,digitalSignature", NULL, NULL},
        {"keyUsage=decipherOnly,keyAgreement", NULL, NULL},
        {"keyUsage=DER:03020080", NULL, "bits behind the last"},
        {"keyUsage=DER:030100", NULL, "no key usage"},
        {"keyUsage=DER:03020700", NULL, "bits behind the last"},
        {"keyUsage=DER:0500", NULL, "no key usage"},
        {"extendedKeyUsage=clientAuth,serverAuth", NULL, NULL},
        {"extendedKeyUsage=clientAuth,serverAuth,clientAuth", NULL, "twice"},
        {"extendedKeyUsage=DER:3000", NULL, "empty"},
        {"extendedKeyUsage=critical,clientAuth", NULL, NULL},
        {"extendedKeyUsage=anyExtendedKeyUsage", NULL, NULL},
        {"extendedKeyUsage=critical,clientAuth,anyExtendedKeyUsage", NULL, "anyExtendedKeyUsage"},
        {"basicConstraints=critical,CA:FALSE", NULL, NULL},
        {"basicConstraints=DER:3003010100", NULL, "more than CA:FALSE"},
        {"basicConstraints=CA:FALSE,pathlen:0", NULL, "more than CA:FALSE"},
        {"certificatePolicies=DER:300c300406022a03300406022a04", NULL, NULL},
        {"certificatePolicies=DER:300c300406022a03300406022a03", NULL, "twice"},
        {"crlDistributionPoints=URI:http://a.example/", NULL, NULL},
        {"crlDistributionPoints=critical,URI:http://a.example/", NULL, "critical"},
        {"authorityInfoAccess=OCSP;URI:http://a.example/", NULL, NULL},
        {"authorityInfoAccess=critical,OCSP;URI:http://a.example/", NULL, "critical"},
        {"1.2.3.4=critical,DER:0500", NULL, NULL},
        {"keyUsage=digitalSignature", "extendedKeyUsage=clientAuth,codeSigning,1.2.3", NULL},
        {"keyUsage=keyEncipherment", "extendedKeyUsage=serverAuth,emailProtection", NULL},
        {"keyUsage=keyEncipherment", "extendedKeyUsage=serverAuth,clientAuth", "clientAuth needs"},
        {"extendedKeyUsage=codeSigning", "keyUsage=keyAgreement", "codeSigning needs"},
        {"extendedKeyUsage=1.2.3", "keyUsage=keyAgreement", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const est_slice_t exts[] = {extension(rows[i].first),
                                    rows[i].second ? extension(rows[i].second) : est_slice(NULL, 0)};
        const char *flaw = pki_extcheck_flaw(exts, rows[i].second ? 2 : 1);

        if ((flaw != NULL) != (rows[i].flaw != NULL) || (flaw && !strstr(flaw, rows[i].flaw)))
            fail_msg("%s, %s: %s", rows[i].first, rows[i].second ? rows[i].second : "-", flaw ? flaw : "no flaw");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_what_rfc_5280_forbids),
    };
    return EST_TEST_RUN(tests);
}
