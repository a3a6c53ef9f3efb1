/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* pki_bench [SECONDS]: what the steps of an enrolment with the module's own code cost, without httpd and database. A
 * line a step: its name and the median of microseconds of CPU time. EC P-256 throughout. */

#include "pki/pki_cert.h"
#include "pki/pki_csr.h"
#include "pki/pki_ext.h"

#include <apr_general.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define N_CSRS 64
#define SAMPLES_MAX 200000
#define DAY APR_TIME_C(86400000000)

enum { BASE64, DECODE, VERIFY, SIGN, ANSWER, RELEASE, N_STEPS };
static const char *const step_names[N_STEPS] = {"base64", "decode", "verify", "sign", "answer", "release"};

static float *samples[N_STEPS];
static int n_samples;

__attribute__((noreturn)) static void die(const char *why)
{
    fprintf(stderr, "pki_bench: %s\n", why);
    exit(2);
}

static void need(const est_err_t *err)
{
    if (err)
        die(err->detail ? err->detail : est_err_row(err->code)->name);
}

static double cpu_microseconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int set_name(X509_NAME *name, const char *cn)
{
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
}

/* As a client sends it */
static est_slice_t make_csr(int i, apr_pool_t *pool)
{
    X509_REQ *req = X509_REQ_new();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    unsigned char *der = NULL;
    char cn[32];
    const char *text;
    apr_size_t n_text;
    int n;

    snprintf(cn, sizeof(cn), "device-%d", i);
    if (!req || !key || !X509_REQ_set_pubkey(req, key) || !set_name(X509_REQ_get_subject_name(req), cn) ||
        !X509_REQ_sign(req, key, EVP_sha256()) || (n = i2d_X509_REQ(req, &der)) <= 0)
        die("cannot make a request");
    text = est_base64_encode(est_slice(der, (apr_size_t)n), 64, &n_text, pool);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    X509_REQ_free(req);
    return est_slice(text, n_text);
}

static int add_extension(X509 *ca, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;
    int ok;

    X509V3_set_ctx(&ctx, ca, ca, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ok = extension && X509_add_ext(ca, extension, -1);
    X509_EXTENSION_free(extension);
    return ok;
}

/* Its certificate and key live as long as the process */
static pki_signer_t *make_signer(est_slice_t *aki, apr_pool_t *pool)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *ca = X509_new();
    pki_signer_t *signer;

    if (!key || !ca || !X509_set_version(ca, X509_VERSION_3) || !X509_set_pubkey(ca, key) ||
        !set_name(X509_get_subject_name(ca), "Benchmark CA") || !X509_set_issuer_name(ca, X509_get_subject_name(ca)) ||
        !X509_gmtime_adj(X509_getm_notBefore(ca), -86400) || !X509_gmtime_adj(X509_getm_notAfter(ca), 86400) ||
        !add_extension(ca, NID_basic_constraints, "critical,CA:TRUE") ||
        !add_extension(ca, NID_key_usage, "critical,keyCertSign") ||
        !add_extension(ca, NID_subject_key_identifier, "hash") || !X509_sign(ca, key, EVP_sha256()))
        die("cannot make a CA");
    need(pki_signer_make(&signer, ca, key, pool));
    need(pki_cert_aki(aki, ca, pool));
    return signer;
}

/* What a profile for TLS clients asks for: encoded once per profile, but for the SubjectKeyIdentifier */
static void make_extensions(est_slice_t exts[4], est_slice_t aki, apr_pool_t *pool)
{
    static const pki_ext_row_t usage = {"keyUsage", 1, "digitalSignature"},
                               purpose = {"extendedKeyUsage", 0, "clientAuth"};

    need(pki_ext_build(&exts[0], &usage, NULL, 0, pool));
    need(pki_ext_build(&exts[1], &purpose, NULL, 0, pool));
    exts[2] = aki;
}

static void run_once(est_slice_t body, const pki_signer_t *signer, est_slice_t exts[4], apr_pool_t *pool)
{
    double t[N_STEPS + 1];
    pki_tbs_t tbs = {.exts = exts, .n_exts = 4};
    est_slice_t der, cert;
    apr_size_t n;
    pki_csr_t *csr;

    t[BASE64] = cpu_microseconds();
    need(est_base64_decode(&der, body, pool));
    t[DECODE] = cpu_microseconds();
    need(pki_csr_decode(&csr, der, pool));
    t[VERIFY] = cpu_microseconds();
    need(pki_csr_verify(csr, pool));
    t[SIGN] = cpu_microseconds();
    if (RAND_bytes(tbs.serial, sizeof(tbs.serial)) != 1)
        die("no random numbers");
    tbs.serial[0] &= 0x7f;
    tbs.not_before = apr_time_now();
    tbs.not_after = tbs.not_before + 90 * DAY;
    tbs.subject = csr->subject->der;
    tbs.spki = csr->key->spki;
    exts[3] = pki_ext_ski(tbs.spki, pool);
    need(pki_cert_sign(&cert, &tbs, signer, pool));
    t[ANSWER] = cpu_microseconds();
    est_base64_encode(pki_certs_only(&cert, 1, pool), 64, &n, pool);
    t[RELEASE] = cpu_microseconds();
    apr_pool_clear(pool);
    t[N_STEPS] = cpu_microseconds();
    for (int i = 0; i < N_STEPS; i++)
        samples[i][n_samples] = (float)(t[i + 1] - t[i]);
    n_samples++;
}

static int compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 2;
    est_slice_t bodies[N_CSRS], exts[4], aki;
    apr_pool_t *pool, *request_pool;
    const pki_signer_t *signer;
    apr_time_t end;

    if (apr_initialize() != APR_SUCCESS || apr_pool_create(&pool, NULL) != APR_SUCCESS)
        die("no APR");
    apr_pool_create(&request_pool, pool);
    signer = make_signer(&aki, pool);
    make_extensions(exts, aki, pool);
    for (int i = 0; i < N_CSRS; i++)
        bodies[i] = make_csr(i, pool);
    for (int i = 0; i < N_STEPS; i++)
        if (!(samples[i] = malloc(SAMPLES_MAX * sizeof(*samples[i]))))
            die("out of memory");
    end = apr_time_now() + (apr_time_t)(seconds * 1e6);
    while (n_samples < SAMPLES_MAX && (n_samples < N_CSRS || apr_time_now() < end))
        run_once(bodies[n_samples % N_CSRS], signer, exts, request_pool);
    for (int i = 0; i < N_STEPS; i++) {
        qsort(samples[i], (size_t)n_samples, sizeof(*samples[i]), compare);
        printf("%s %.1f\n", step_names[i], (double)samples[i][n_samples / 2]);
    }
    return 0;
}
