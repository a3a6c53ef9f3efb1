/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "x509_test.h"

#include "ca/ca_certs.h"
#include "pki/pki_certs.h"

#include <openssl/err.h>

#define YEAR (365 * TEST_DAY)
#define MAX_SET 6

/* ---- certificates by name */

enum { MAX_KNOWN = 24 };
static struct {
    const char *name;
    X509 *cert;
    EVP_PKEY *key;
} known[MAX_KNOWN];
static int n_known;

static int find(const char *name)
{
    for (int i = 0; i < n_known; i++)
        if (!strcmp(known[i].name, name))
            return i;
    fail_msg("no certificate is called %s", name);
    return -1;
}

/* key_of NULL: a new one; issuer NULL: itself. It ends after so many years. */
static void add_with(const char *name, const char *subject, const char *key_of, const char *issuer, int years,
                     const char *const *exts)
{
    EVP_PKEY *key = key_of ? known[find(key_of)].key : make_key("P-256");
    cert_spec_t spec = {.subject = subject, .key = key, .until = TEST_NOW + years * YEAR};

    assert_true(n_known < MAX_KNOWN);
    if (issuer) {
        spec.issuer = known[find(issuer)].cert;
        spec.issuer_key = known[find(issuer)].key;
    }
    for (int i = 0; exts[i]; i++)
        spec.exts[i] = exts[i];
    known[n_known].name = name;
    known[n_known].key = key;
    known[n_known++].cert = make_cert(&spec);
}

static void add(const char *name, const char *subject, const char *key_of, const char *issuer, int years)
{
    static const char *const exts[] = {"basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign",
                                       "subjectKeyIdentifier=hash", NULL};

    add_with(name, subject, key_of, issuer, years, exts);
}

static void make_known(void)
{
    static const char *const device[] = {"keyUsage=digitalSignature", NULL}, *const none[] = {NULL},
                             *const no_signer[] = {"basicConstraints=critical,CA:TRUE", "keyUsage=cRLSign", NULL};

    n_known = 0;
    add("root", "CN=Root", NULL, NULL, 10);
    add("issuing", "CN=Issuing", NULL, "root", 5);
    add("middle", "CN=Middle", NULL, "root", 8);
    add("below-middle", "CN=Below", NULL, "middle", 4);
    /* the root's key is changed (RFC 4210 4.4) */
    add("new-root", "CN=Root", NULL, NULL, 20);
    add("new-with-old", "CN=Root", "new-root", "root", 9);
    add("old-with-new", "CN=Root", "root", "new-root", 8);
    add("issuing-by-new", "CN=Issuing", "issuing", "new-root", 6);
    /* that of the issuing CA */
    add("issuing-2", "CN=Issuing", NULL, "root", 7);
    add("issuing-2-link", "CN=Issuing", "issuing-2", "issuing", 3);
    /* another root follows */
    add("g2", "CN=Root G2", NULL, NULL, 20);
    add("g2-by-root", "CN=Root G2", "g2", "root", 9);
    add("root-by-g2", "CN=Root", "root", "g2", 8);
    add("old", "CN=Old Root", NULL, NULL, 1);
    add("alone-before", "CN=Issuing", NULL, NULL, 2); /* it was a root of its own */
    add("other", "CN=Other", NULL, "root", 6);
    add_with("device", "CN=Device", NULL, "issuing", 1, device);
    add_with("server", "CN=ca.example", NULL, NULL, 1, device);
    add_with("plain", "CN=Plain", NULL, "root", 1, none);
    add_with("no-signer", "CN=No Signer", NULL, "root", 5, no_signer);
    known[n_known].name = "v1-root";
    known[n_known].key = known[0].key;
    known[n_known].cert = make_ca("CN=Root", known[0].key, NULL, NULL);
    while (X509_get_ext_count(known[n_known].cert))
        X509_EXTENSION_free(X509_delete_ext(known[n_known].cert, 0));
    X509_set_version(known[n_known].cert, X509_VERSION_1);
    assert_true(X509_sign(known[n_known].cert, known[0].key, EVP_sha256()) > 0);
    n_known++;
}

static int parse(int *out, const char *names)
{
    char *last, *copy = apr_pstrdup(pool, names);
    int n = 0;

    for (char *name = apr_strtok(copy, " ", &last); name; name = apr_strtok(NULL, " ", &last)) {
        assert_true(n < MAX_SET);
        out[n++] = find(name);
    }
    return n;
}

static const char *name_of_cert(const X509 *cert)
{
    for (int i = 0; i < n_known; i++)
        if (!X509_cmp(known[i].cert, cert))
            return known[i].name;
    return "?";
}

static const char *names_of(X509 *const *certs, int n)
{
    const char *names = "";

    for (int i = 0; i < n; i++)
        names = apr_pstrcat(pool, names, i ? " " : "", name_of_cert(certs[i]), NULL);
    return names;
}

static est_err_t *sort(ca_facts_t **out, const int *set, int n)
{
    STACK_OF(X509) *certs = sk_X509_new_null();
    est_err_t *err;

    for (int i = 0; i < n; i++)
        assert_true(sk_X509_push(certs, known[set[i]].cert));
    err = ca_certs_sort(out, certs, pool);
    sk_X509_free(certs);
    assert_int_equal(ERR_peek_error(), 0);
    return err;
}

/* ---- */

/* All certificates are those of facts, and the message has no others */
static void check_message(const ca_facts_t *facts, const char *label)
{
    STACK_OF(X509) *message;

    ASSERT_OK(pki_certs_read(&message, facts->cacerts, pool));
    if (sk_X509_num(message) != facts->n_certs || facts->issuer.n_certs != facts->n_certs)
        fail_msg("%s: %d in the message, %d in facts", label, sk_X509_num(message), facts->n_certs);
    for (int i = 0; i < facts->n_certs; i++) {
        est_slice_t der = facts->certs[i];
        int found = 0;

        for (int j = 0; j < facts->n_certs && !found; j++)
            found = est_slice_equal(cert_der(sk_X509_value(message, j)), der);
        assert_true(found);
        ASSERT_SLICE(facts->issuer.certs[i]->der, der);
    }
    for (int i = 0; i < facts->n_issuers; i++)
        ASSERT_SLICE(facts->certs[i], cert_der(facts->issuers[i]));
    assert_ptr_equal(facts->cert, facts->issuers[0]);
}

/* issuers: in their order; NULL: it is refused. left_out: how many are no CA's */
static void check_set(const char *label, const int *set, int n, const char *issuers, int left_out)
{
    ca_facts_t *facts;
    est_err_t *err = sort(&facts, set, n);

    if (!issuers) {
        ASSERT_ROW(err, EST_E_config, "certificates is that of a CA for end entities", label);
        return;
    }
    est_test_ok(err, label, __FILE__, __LINE__);
    if (strcmp(names_of(facts->issuers, facts->n_issuers), issuers) != 0)
        fail_msg("%s: issuers are %s; wanted: %s", label, names_of(facts->issuers, facts->n_issuers), issuers);
    if (facts->n_certs != n - left_out)
        fail_msg("%s: %d certificates; wanted: %d", label, facts->n_certs, n - left_out);
    check_message(facts, label);
}

/* In every order: what a SET OF has is not that of the chain */
static void permute(const char *label, int *set, int at, int n, const char *issuers, int left_out)
{
    if (at == n) {
        check_set(label, set, n, issuers, left_out);
        return;
    }
    for (int i = at; i < n; i++) {
        int first = set[at];

        set[at] = set[i];
        set[i] = first;
        permute(label, set, at + 1, n, issuers, left_out);
        set[i] = set[at];
        set[at] = first;
    }
}

static void test_who_signs(void **state)
{
    static const struct {
        const char *label, *set, *issuers;
        int left_out;
    } rows[] = {
        {"a root that issues itself", "root", "root", 0},
        {"issuing CA and root", "issuing root", "issuing", 0},
        {"issuing CA, its root is not there", "issuing", "issuing", 0},
        {"three steps", "below-middle middle root", "below-middle", 0},
        {"two issuing CAs of one name", "issuing issuing-2 root", "issuing-2 issuing", 0},
        {"two issuing CAs", "issuing other root", "other issuing", 0},
        {"rollover of a root", "root new-root", "new-root root", 0},
        {"with its cross certificates", "root new-root new-with-old old-with-new",
         "new-root root new-with-old old-with-new", 0},
        {"the old one is there as a cross certificate alone", "new-root old-with-new", "new-root old-with-new", 0},
        {"rollover above the issuing CA", "issuing root new-root new-with-old old-with-new", "issuing", 0},
        {"certified by both", "issuing issuing-by-new root new-root", "issuing-by-new issuing", 0},
        {"rollover of the issuing CA", "issuing issuing-2 issuing-2-link root", "issuing-2 issuing issuing-2-link", 0},
        {"by a link alone", "issuing issuing-2-link root", "issuing issuing-2-link", 0},
        {"a root of another name follows", "issuing root g2", "issuing", 0},
        {"which the old one has certified", "issuing root g2 g2-by-root", "issuing", 0},
        {"and the other way round", "issuing root g2 g2-by-root root-by-g2", "issuing", 0},
        {"two roots that issue and have certified each other", "root g2 g2-by-root root-by-g2",
         "g2 root g2-by-root root-by-g2", 0},
        {"an old root beside", "issuing root old", "issuing", 0},
        {"an old root beside one that issues", "root old", "root old", 0},
        {"an issuing CA that was a root of its own", "issuing alone-before root", "issuing alone-before", 0},
        {"a certificate of a device", "issuing root device", "issuing", 1},
        {"a server's, self-signed", "issuing root server", "issuing", 1},
        {"one without extensions", "issuing root plain", "issuing", 1},
        {"a root of version 1", "issuing v1-root", "issuing", 0},
        {"one that signs CRLs alone", "no-signer issuing root", "issuing", 1},
        {"a device's alone", "device", NULL, 1},
        {"nothing but others", "device server plain", NULL, 3},
        {"none that may sign", "no-signer", NULL, 1},
    };

    (void)state;
    make_known();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int set[MAX_SET], n = parse(set, rows[i].set);

        permute(rows[i].label, set, 0, n, rows[i].issuers, rows[i].left_out);
    }
}

static void test_once_is_enough(void **state)
{
    int set[MAX_SET], n;
    ca_facts_t *facts;

    (void)state;
    make_known();
    n = parse(set, "root issuing root issuing issuing");
    ASSERT_OK(sort(&facts, set, n));
    assert_int_equal(facts->n_issuers, 1);
    assert_int_equal(facts->n_certs, 2);
    check_message(facts, "twice");
}

/* What is judged with, and what the certificates that are issued refer to, belongs to the first */
static void test_facts_of_the_first(void **state)
{
    int set[MAX_SET], n;
    ca_facts_t *facts;
    est_slice_t aki;

    (void)state;
    make_known();
    n = parse(set, "root old-with-new new-with-old new-root");
    ASSERT_OK(sort(&facts, set, n));
    assert_string_equal(name_of_cert(facts->cert), "new-root");
    assert_int_equal(facts->issuer.certs[0]->not_after, apr_time_from_sec(apr_time_sec(TEST_NOW + 20 * YEAR)));
    ASSERT_OK(pki_cert_aki(&aki, known[find("new-root")].cert, pool));
    ASSERT_SLICE(facts->issuer.aki, aki);
}

/* RFC 7030 4.1.3 */
static void test_the_way_to_a_root(void **state)
{
    static const struct {
        const char *set, *gap;
    } rows[] = {
        {"root", NULL},
        {"issuing root", NULL},
        {"below-middle middle root", NULL},
        {"issuing root new-root new-with-old old-with-new", NULL},
        {"issuing v1-root", NULL},
        {"issuing", "CN=Issuing"},
        {"below-middle root", "CN=Below"},
        {"below-middle middle", "CN=Middle"},
        {"issuing old", "CN=Issuing"},
        {"issuing old-with-new", "CN=Root"},
    };

    (void)state;
    make_known();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int set[MAX_SET], n = parse(set, rows[i].set);
        ca_facts_t *facts;
        const char *gap;

        ASSERT_OK(sort(&facts, set, n));
        gap = ca_certs_gap(facts, pool);
        if (!rows[i].gap != !gap || (gap && strcmp(gap, rows[i].gap) != 0))
            fail_msg("%s: gap at %s", rows[i].set, gap ? gap : "none");
        assert_int_equal(ERR_peek_error(), 0);
    }
}

static void test_nothing(void **state)
{
    ca_facts_t *facts;

    (void)state;
    ASSERT_FAILS(sort(&facts, NULL, 0), config, "none of 0 certificates");
}

/* Issuers that end at once: which is the first does not depend on the order in which they came */
static void test_equals(void **state)
{
    int set[MAX_SET], n;
    ca_facts_t *facts, *again;

    (void)state;
    make_known();
    add("twin", "CN=Twin", NULL, "root", 5); /* as long as "issuing" */
    n = parse(set, "issuing twin root");
    ASSERT_OK(sort(&facts, set, n));
    n = parse(set, "twin root issuing");
    ASSERT_OK(sort(&again, set, n));
    assert_int_equal(facts->n_issuers, 2);
    assert_string_equal(names_of(again->issuers, 2), names_of(facts->issuers, 2));
}

/* What a pool has made lives as long as the pool, whatever becomes of the stack */
static void test_certificates_are_kept(void **state)
{
    STACK_OF(X509) *certs = sk_X509_new_null();
    est_slice_t der;
    ca_facts_t *facts;

    (void)state;
    make_known();
    der = cert_der(known[find("issuing")].cert);
    for (int i = 0; i < 2; i++) {
        const unsigned char *p = cert_der(known[i].cert).p;

        assert_true(sk_X509_push(certs, d2i_X509(NULL, &p, (long)cert_der(known[i].cert).n)));
    }
    ASSERT_OK(ca_certs_sort(&facts, certs, pool));
    sk_X509_pop_free(certs, X509_free);
    ASSERT_SLICE(cert_der(facts->cert), der);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EST_TEST(test_who_signs),
        EST_TEST(test_once_is_enough),
        EST_TEST(test_facts_of_the_first),
        EST_TEST(test_equals),
        EST_TEST(test_certificates_are_kept),
        EST_TEST(test_the_way_to_a_root),
        EST_TEST(test_nothing),
    };

    return EST_TEST_RUN(tests);
}
