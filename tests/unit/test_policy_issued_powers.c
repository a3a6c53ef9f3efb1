/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* What a certificate can be used for */
#include "issued_test.h"

static void test_powers_of_cas(void **state)
{
    static const row_t rows[] = {
        {"CA", "CA:TRUE, which no end entity is given", .cert = {"basicConstraints=critical,CA:TRUE"}},
        {"CA, not critical", "CA:TRUE, which", .cert = {"basicConstraints=CA:TRUE"}},
        {"CA of a path", "CA:TRUE, which", .cert = {"basicConstraints=critical,CA:TRUE,pathlen:0"}},
        {"CA that EstCAExtensions has", "CA:TRUE, which", .cert = {"basicConstraints=CA:TRUE"}, .extra = {"2.5.29.19"}},
        {"path without CA", "basicConstraints holds more", .cert = {"basicConstraints=DER:3003020100"}},
        {"no constraints", NULL, .cert = {"basicConstraints="}},
        {"no CA, written out", NULL, .cert = {"basicConstraints=critical,DER:3003010100"}},
        {"no CA, not critical", NULL, .cert = {"basicConstraints=CA:FALSE"}},
        {"no CA where nothing is said", NULL, .grant = {"basicConstraints="}},
        {"keyCertSign", "keyCertSign, which", .cert = {"keyUsage=critical,digitalSignature,keyCertSign"}},
        {"keyCertSign where nothing is said", "keyCertSign, which", .cert = {"keyUsage=keyCertSign"},
         .grant = {"keyUsage="}},
        {"cRLSign", "cRLSign, which", .cert = {"keyUsage=critical,digitalSignature,cRLSign"}},
        {"cRLSign where nothing is said", "cRLSign, which", .cert = {"keyUsage=digitalSignature,cRLSign"},
         .grant = {"keyUsage="}},
        {"name constraints", "nameConstraints, which", .cert = {"nameConstraints=permitted;DNS:example"}},
        {"name constraints that EstCAExtensions has", "nameConstraints, which",
         .cert = {"nameConstraints=permitted;DNS:example"}, .extra = {"2.5.29.30"}},
        {"policy mappings", "policyMappings, which", .cert = {"policyMappings=1.2.3.4:1.2.3.5"}},
        {"policy constraints", "policyConstraints, which", .cert = {"policyConstraints=requireExplicitPolicy:0"}},
        {"inhibitAnyPolicy", "inhibitAnyPolicy, which", .cert = {"inhibitAnyPolicy=0"}},
        {"precertificate", "ct_precert_poison, which", .cert = {"ct_precert_poison=critical,DER:0500"}},
        {"Netscape's CA", "nsCertType of a CA, which", .cert = {"nsCertType=client,sslCA"},
         .extra = {"2.16.840.1.113730.1.1"}},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_key_usage(void **state)
{
    static const row_t rows[] = {
        {"fewer", NULL, .cert = {"keyUsage=critical,digitalSignature"}},
        {"not critical", NULL, .cert = {"keyUsage=digitalSignature,keyEncipherment"}},
        {"more", "key usage nonRepudiation was not granted; granted: digitalSignature keyEncipherment",
         .cert = {"keyUsage=critical,digitalSignature,nonRepudiation"}},
        {"another", "key usage dataEncipherment keyAgreement was not granted",
         .cert = {"keyUsage=dataEncipherment,keyAgreement"}},
        {"the ninth", "key usage decipherOnly was not granted", .cert = {"keyUsage=digitalSignature,decipherOnly"}},
        {"a tenth", "key usage (unknown bits) was not granted", .cert = {"keyUsage=DER:0303068040"}},
        {"missing", "no keyUsage, which is every usage; granted: digitalSignature", .cert = {"keyUsage="}},
        {"empty", "malformed", .cert = {"keyUsage=DER:030100"}},
        {"no bits", "malformed", .cert = {"keyUsage=DER:03020700"}, .grant = {"keyUsage="}},
        {"not a BIT STRING", "extension keyUsage is malformed", .cert = {"keyUsage=DER:0500"}},
        {"longer than there are usages", "keyUsage is malformed, or empty", .cert = {"keyUsage=DER:030407800080"}},
        {"longer, and with keyCertSign", "keyUsage is malformed, or empty", .cert = {"keyUsage=DER:030407840080"},
         .grant = {"keyUsage="}},
        {"missing where none is granted", NULL, .cert = {"keyUsage="}, .grant = {"keyUsage="}},
        {"any where none is granted", NULL, .cert = {"keyUsage=nonRepudiation,keyAgreement,decipherOnly"},
         .grant = {"keyUsage="}},
        {"narrowed", NULL, .cert = {"keyUsage=keyAgreement,encipherOnly"},
         .grant = {"keyUsage=keyAgreement,encipherOnly"}},
        {"no more narrowed", "keyAgreement without encipherOnly; granted: keyAgreement encipherOnly",
         .cert = {"keyUsage=keyAgreement"}, .grant = {"keyUsage=keyAgreement,encipherOnly"}},
        {"nothing to narrow", NULL, .cert = {"keyUsage=digitalSignature"},
         .grant = {"keyUsage=digitalSignature,keyAgreement,decipherOnly"}},
        {"that EstCAExtensions has", "key usage nonRepudiation was not granted",
         .cert = {"keyUsage=critical,digitalSignature,nonRepudiation"}, .extra = {"2.5.29.15"}},
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void test_purposes(void **state)
{
    static const row_t rows[] = {
        {"fewer", NULL, .cert = {"extendedKeyUsage=clientAuth"}},
        {"critical", NULL, .cert = {"extendedKeyUsage=critical,serverAuth,clientAuth"}},
        {"more", "purpose 1.3.6.1.5.5.7.3.3 (extendedKeyUsage) was not granted; granted: TLS Web Client",
         .cert = {"extendedKeyUsage=clientAuth,codeSigning"}},
        {"any", "purpose 2.5.29.37.0", .cert = {"extendedKeyUsage=clientAuth,anyExtendedKeyUsage"}},
        {"one of a RA", "purpose 1.3.6.1.5.5.7.3.28", .cert = {"extendedKeyUsage=clientAuth,1.3.6.1.5.5.7.3.28"}},
        {"one that nobody knows", "purpose 1.2.3.4.99", .cert = {"extendedKeyUsage=clientAuth,1.2.3.4.99"}},
        {"missing", "no extendedKeyUsage, which is every purpose; granted: TLS Web Client",
         .cert = {"extendedKeyUsage="}},
        {"empty", "extendedKeyUsage", .cert = {"extendedKeyUsage=DER:3000"}},
        {"no list", "extendedKeyUsage", .cert = {"extendedKeyUsage=DER:0500"}},
        {"number that is not minimal", "extension extendedKeyUsage is malformed",
         .cert = {"extendedKeyUsage=DER:300b06092b8006010505070302"}, .grant = {"extendedKeyUsage="}},
        {"missing where none is granted", NULL, .cert = {"extendedKeyUsage="}, .grant = {"extendedKeyUsage="}},
        {"one where none is granted", NULL, .cert = {"extendedKeyUsage=codeSigning,1.2.3.4.99"},
         .grant = {"extendedKeyUsage="}},
        {"a RA where none is granted",
         "purpose 1.3.6.1.5.5.7.3.28 (extendedKeyUsage) was not granted; granted: any but",
         .cert = {"extendedKeyUsage=clientAuth,1.3.6.1.5.5.7.3.28"}, .grant = {"extendedKeyUsage="}},
        {"any where none is granted", "purpose 2.5.29.37.0", .cert = {"extendedKeyUsage=anyExtendedKeyUsage"},
         .grant = {"extendedKeyUsage="}},
        {"OCSP where none is granted", "purpose 1.3.6.1.5.5.7.3.9", .cert = {"extendedKeyUsage=OCSPSigning"},
         .grant = {"extendedKeyUsage="}},
        {"time where none is granted", "purpose 1.3.6.1.5.5.7.3.8", .cert = {"extendedKeyUsage=timeStamping"},
         .grant = {"extendedKeyUsage="}},
        {"asking for others where none is granted", "purpose 1.3.6.1.4.1.311.20.2.1",
         .cert = {"extendedKeyUsage=1.3.6.1.4.1.311.20.2.1"}, .grant = {"extendedKeyUsage="}},
        {"OCSP where it is granted", NULL, .cert = {"extendedKeyUsage=OCSPSigning"},
         .grant = {"extendedKeyUsage=OCSPSigning"}},
        {"any where any is granted", NULL, .cert = {"extendedKeyUsage=anyExtendedKeyUsage"},
         .grant = {"extendedKeyUsage=anyExtendedKeyUsage"}},
        {"one where any is granted", NULL, .cert = {"extendedKeyUsage=clientAuth"},
         .grant = {"extendedKeyUsage=anyExtendedKeyUsage"}},
        {"none where any is granted", NULL, .cert = {"extendedKeyUsage="},
         .grant = {"extendedKeyUsage=anyExtendedKeyUsage"}},
        {"a RA where any is granted", "purpose 1.3.6.1.5.5.7.3.28", .cert = {"extendedKeyUsage=1.3.6.1.5.5.7.3.28"},
         .grant = {"extendedKeyUsage=anyExtendedKeyUsage"}},
        {"a CA, even if it were granted", "id-kp-cmcCA, which no end entity",
         .cert = {"extendedKeyUsage=1.3.6.1.5.5.7.3.27"}, .grant = {"extendedKeyUsage=1.3.6.1.5.5.7.3.27"}},
        {"that EstCAExtensions has", "purpose 1.3.6.1.5.5.7.3.3", .cert = {"extendedKeyUsage=clientAuth,codeSigning"},
         .extra = {"2.5.29.37"}},
    };

    (void)state;
    CHECK_ROWS(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_powers_of_cas),
        EST_TEST(test_key_usage),
        EST_TEST(test_purposes),
    };

    return EST_TEST_RUN(tests);
}
