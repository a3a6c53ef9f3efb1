/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "ca_cmp_session.h"

#include "ca_cmp_state.h"
#include "ca_cmp_template.h"
#include "ca_cmp_trust.h"
#include "ca_remote.h"
#include "pki/pki_ossl.h"

#include <apr_strings.h>
#include <openssl/cmp.h>
#include <openssl/err.h>
#include <string.h>

#define MAX_REASONS 4
#define STATUS_STRING_MAX 500   /* octets */
#define ANSWER_MAX (128 * 1024) /* octets of a PKIMessage */
#define CERT_CONF 24            /* of PKIBody */
#define UNREADABLE "what is kept of the transaction cannot be read"

/*
 * OpenSSL keeps a transaction that waits in memory only, and has no way to make one from octets. So it is led through
 * the same transaction again: a new context with the old transactionID sends its messages, and those that had an answer
 * before get it again, from the state, and go nowhere. The answers are verified as when they first came.
 */
typedef struct {
    const ca_cmp_settings_t *settings;
    ca_cmp_wire_t *wire;
    const ca_request_t *request;
    apr_pool_t *pool;
    ca_cmp_state_t before; /* answers to give again */
    int n_again;           /* of these were given */
    ca_cmp_state_t now;    /* answers that OpenSSL has accepted */
    est_slice_t last;      /* the answer that it is looking at */
    int last_is_new;       /* which came over the wire */
    int n_sent;            /* messages that went out */
    int progress;          /* has an answer been accepted that was not in before? */
    ca_cmp_trust_t trust;
    est_err_t *broken;   /* why a message got no answer */
    est_err_t *wrong;    /* why the certificate is not accepted */
    ca_answer_t checked; /* the certificate that came */
    int is_unkept;       /* keep failed, and certConf was not sent */
    int has_confirmed;   /* certConf, with whatever we think of it, was answered */
    int is_lost;         /* the CA does not know the transaction as it is in before */
} session_t;

/* OpenSSL goes on, so it took the last answer: of those between the first and the last, nothing is needed any more */
static void keep(session_t *s)
{
    ca_cmp_state_t *now = &s->now;

    if (!s->last.n)
        return;
    if (now->n < CA_CMP_STATE_ANSWERS)
        now->n++;
    now->answers[now->n - 1] = s->last;
    s->progress |= s->last_is_new;
    s->last.n = 0;
}

static OSSL_CMP_MSG *parse(est_slice_t der)
{
    const unsigned char *p = der.p;
    OSSL_CMP_MSG *message = d2i_OSSL_CMP_MSG(NULL, &p, (long)der.n);

    if (message && p != der.p + der.n) {
        OSSL_CMP_MSG_free(message);
        return NULL;
    }
    return message;
}

/* In pool; n == 0 when OpenSSL cannot write it */
static est_slice_t encode(const OSSL_CMP_MSG *message, apr_pool_t *pool)
{
    unsigned char *octets = NULL;
    int n = i2d_OSSL_CMP_MSG(message, &octets);
    est_slice_t der = {0};

    if (n > 0)
        der = est_slice_dup(est_slice(octets, (apr_size_t)n), pool);
    OPENSSL_free(octets);
    return der;
}

/* The next answer of before. It answers a message with another nonce than the one that OpenSSL has just made. */
static OSSL_CMP_MSG *answer_again(session_t *s, OSSL_CMP_CTX *ctx)
{
    OSSL_CMP_MSG *answer = parse(s->before.answers[s->n_again]);
    const ASN1_OCTET_STRING *nonce = answer ? OSSL_CMP_HDR_get0_recipNonce(OSSL_CMP_MSG_get0_header(answer)) : NULL;

    s->n_again++;
    if (nonce && OSSL_CMP_CTX_set1_senderNonce(ctx, nonce))
        return answer;
    OSSL_CMP_MSG_free(answer);
    return NULL;
}

static OSSL_CMP_MSG *answer_from_wire(session_t *s, const OSSL_CMP_MSG *message)
{
    est_slice_t out = encode(message, s->pool), in;
    OSSL_CMP_MSG *answer;

    if (!out.n)
        return NULL;
    s->broken = s->wire->send(s->wire, &in, out, s->pool);
    if (s->broken)
        return NULL;
    s->n_sent++;
    /* What is not protected (extraCerts) costs time to look through, and a message may be kept as the order's state */
    if (in.n > ANSWER_MAX) {
        s->broken = EST_FAIL(s->pool, ca_answer, "the answer has %d octets; wanted: at most %d", (int)in.n, ANSWER_MAX);
        return NULL;
    }
    answer = parse(in);
    if (!answer)
        s->broken = EST_FAIL(s->pool, ca_answer, "the answer is no PKIMessage: %s", pki_ossl_reason(s->pool));
    return answer;
}

/* What comes between the certificate and its confirmation: see ca_cmp_session(). A state that was read is on record. */
static int prepare_confirmation(session_t *s)
{
    if (s->wrong || !s->progress)
        return 1;
    s->broken = s->wire->keep(s->wire, ca_cmp_state_encode(&s->now, s->pool), s->pool);
    s->is_unkept = s->broken != NULL;
    return !s->is_unkept;
}

/* OSSL_CMP_transfer_cb_t */
static OSSL_CMP_MSG *transfer(OSSL_CMP_CTX *ctx, const OSSL_CMP_MSG *message)
{
    session_t *s = OSSL_CMP_CTX_get_transfer_cb_arg(ctx);
    OSSL_CMP_MSG *answer;
    int confirms = OSSL_CMP_MSG_get_bodytype(message) == CERT_CONF;

    keep(s);
    if (confirms && !prepare_confirmation(s))
        return NULL;
    s->last_is_new = s->n_again == s->before.n;
    answer = s->last_is_new ? answer_from_wire(s, message) : answer_again(s, ctx);
    if (answer)
        s->last = encode(answer, s->pool);
    s->has_confirmed = answer && confirms;
    return answer;
}

/* ASCII, and no more than is read: for whoever runs the CA */
static const char *status_string(const est_err_t *err, apr_pool_t *pool)
{
    char *text = apr_pstrndup(pool, est_err_text(err), STATUS_STRING_MAX);

    for (char *p = text; *p; p++)
        if (*p & 0x80)
            *p = '?';
    return text;
}

/* OSSL_CMP_certConf_cb_t. It is called whether or not the CA wants a confirmation: before it is sent */
static int confirm(OSSL_CMP_CTX *ctx, X509 *cert, int fail_info, const char **text)
{
    session_t *s = OSSL_CMP_CTX_get_certConf_cb_arg(ctx);
    est_slice_t der = {0};

    s->wrong = pki_cert_der(&der, cert, s->pool);
    if (s->wrong)
        s->wrong->code = EST_E_ca_wrong;
    else
        s->wrong = ca_remote_accept(&s->checked, NULL, der, s->settings->facts, s->request, s->pool);
    if (!s->wrong && fail_info)
        s->wrong = EST_FAIL(s->pool, ca_wrong, "%s", *text ? *text : "OpenSSL does not accept the certificate");
    if (!s->wrong)
        return 0;
    s->checked.der = der;
    *text = status_string(s->wrong, s->pool);
    return 1 << OSSL_CMP_PKIFAILUREINFO_incorrectData;
}

/* OSSL_CMP_log_cb_t. Without it, OpenSSL writes to stderr; what matters is in the error queue, too */
static int log_nothing(const char *component, const char *file, int line, OSSL_CMP_severity level, const char *text)
{
    (void)component;
    (void)file;
    (void)line;
    (void)level;
    (void)text;
    return 1;
}

#define COMMON_NAME_MAX 64

/* Who protects by a secret is named by its reference, as in senderKID (RFC 9483 3.1); nobody where it is too long for a
 * name (RFC 4210 5.1.1) */
static int set_sender(OSSL_CMP_CTX *ctx, est_slice_t reference)
{
    X509_NAME *name;
    int done;

    if (reference.n > COMMON_NAME_MAX)
        return 1;
    name = X509_NAME_new();
    done = name &&
           X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8, reference.p, (int)reference.n, -1, 0) &&
           OSSL_CMP_CTX_set1_subjectName(ctx, name);
    X509_NAME_free(name);
    return done;
}

static int set_protection(OSSL_CMP_CTX *ctx, session_t *s)
{
    const ca_cmp_settings_t *settings = s->settings;
    X509_STORE *trusted = ca_cmp_trust_store(&s->trust);

    if (!trusted || !OSSL_CMP_CTX_set0_trustedStore(ctx, trusted)) {
        X509_STORE_free(trusted);
        return 0;
    }
    if (settings->cert)
        return OSSL_CMP_CTX_set1_cert(ctx, settings->cert) && OSSL_CMP_CTX_set1_pkey(ctx, settings->key) &&
               (!settings->extra || OSSL_CMP_CTX_set1_extraCertsOut(ctx, settings->extra));
    /* HMAC with SHA-256 in the stead of SHA-1 (RFC 9481 6.1.1) */
    return set_sender(ctx, settings->reference) &&
           OSSL_CMP_CTX_set1_referenceValue(ctx, settings->reference.p, (int)settings->reference.n) &&
           OSSL_CMP_CTX_set1_secretValue(ctx, settings->secret.p, (int)settings->secret.n) &&
           OSSL_CMP_CTX_set_option(ctx, OSSL_CMP_OPT_MAC_ALGNID, NID_hmacWithSHA256);
}

static int set_csr(OSSL_CMP_CTX *ctx, est_slice_t der)
{
    const unsigned char *p = der.p;
    X509_REQ *csr = d2i_X509_REQ(NULL, &p, (long)der.n);
    int done = csr && OSSL_CMP_CTX_set1_p10CSR(ctx, csr);

    X509_REQ_free(csr);
    return done;
}

static int set_key(OSSL_CMP_CTX *ctx, est_slice_t spki)
{
    const unsigned char *p = spki.p;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)spki.n);

    if (key && OSSL_CMP_CTX_set0_newPkey(ctx, 0, key))
        return 1;
    EVP_PKEY_free(key);
    return 0;
}

static int set_transaction(OSSL_CMP_CTX *ctx, const ca_cmp_state_t *before)
{
    OSSL_CMP_MSG *first = parse(before->answers[0]);
    const ASN1_OCTET_STRING *id = first ? OSSL_CMP_HDR_get0_transactionID(OSSL_CMP_MSG_get0_header(first)) : NULL;
    int done = id && OSSL_CMP_CTX_set1_transactionID(ctx, id);

    OSSL_CMP_MSG_free(first);
    return done;
}

static int set_all(OSSL_CMP_CTX *ctx, session_t *s)
{
    return OSSL_CMP_CTX_set_log_cb(ctx, log_nothing) && OSSL_CMP_CTX_set_log_verbosity(ctx, OSSL_CMP_LOG_ALERT) &&
           OSSL_CMP_CTX_set_transfer_cb(ctx, transfer) && OSSL_CMP_CTX_set_transfer_cb_arg(ctx, s) &&
           OSSL_CMP_CTX_set_certConf_cb(ctx, confirm) && OSSL_CMP_CTX_set_certConf_cb_arg(ctx, s) &&
           OSSL_CMP_CTX_set_option(ctx, OSSL_CMP_OPT_IMPLICIT_CONFIRM, !s->settings->confirms) &&
           OSSL_CMP_CTX_set_option(ctx, OSSL_CMP_OPT_POPO_METHOD, OSSL_CRMF_POPO_RAVERIFIED) &&
           OSSL_CMP_CTX_set_option(ctx, OSSL_CMP_OPT_IGNORE_KEYUSAGE, 1) && /* ca_cmp_trust.c looks at it */
           OSSL_CMP_CTX_set1_recipient(ctx, s->settings->recipient) && set_protection(ctx, s) &&
           (s->now.request == OSSL_CMP_P10CR ? set_csr(ctx, s->request->csr) : set_key(ctx, s->request->tbs->spki));
}

/* What the CA has said no in; the answer is protected by another secret than ours; there is more than that we do not
 * accept the certificate */
enum { IN_ERROR = 1, IN_RESPONSE = 2, OTHER_SECRET = 4, NOT_OURS = 8 };

/* OpenSSL's reasons, each once, and those of them that matter. Clears the queue */
static const char *take_reasons(int *matters, apr_pool_t *pool)
{
    const char *reasons[MAX_REASONS];
    const char *text = NULL;
    int n = 0;

    *matters = 0;
    for (unsigned long code = ERR_get_error(); code; code = ERR_get_error()) {
        const char *reason = ERR_reason_error_string(code);
        int known = !reason || n == MAX_REASONS;

        if (ERR_GET_LIB(code) == ERR_LIB_CMP && ERR_GET_REASON(code) == CMP_R_RECEIVED_ERROR)
            *matters |= IN_ERROR;
        if (ERR_GET_LIB(code) == ERR_LIB_CMP && ERR_GET_REASON(code) == CMP_R_REQUEST_REJECTED_BY_SERVER)
            *matters |= IN_RESPONSE;
        if (ERR_GET_LIB(code) == ERR_LIB_CMP && ERR_GET_REASON(code) == CMP_R_WRONG_PBM_VALUE)
            *matters |= OTHER_SECRET;
        if (ERR_GET_LIB(code) != ERR_LIB_CMP || ERR_GET_REASON(code) != CMP_R_CERTIFICATE_NOT_ACCEPTED)
            *matters |= NOT_OURS;
        for (int i = 0; i < n; i++)
            known |= reasons[i] == reason;
        if (known)
            continue;
        text = text ? apr_pstrcat(pool, text, ", ", reason, NULL) : apr_pstrdup(pool, reason);
        reasons[n++] = reason;
    }
    return text ? text : "no reason given";
}

/* Is one of the bits of PKIFailureInfo set? */
static int has_fail_info(const OSSL_CMP_CTX *ctx, int bits)
{
    int fail_info = OSSL_CMP_CTX_get_failInfoCode(ctx);

    return fail_info > 0 && (fail_info & bits) != 0;
}

/* The CA's status and words; reasons where there are none */
static const char *said(const OSSL_CMP_CTX *ctx, const char *reasons, apr_pool_t *pool)
{
    char text[OSSL_CMP_PKISI_BUFLEN];

    return OSSL_CMP_CTX_snprint_PKIStatus(ctx, text, sizeof(text)) ? apr_pstrdup(pool, text) : reasons;
}

/* What was answered with a no, where that is not the request for a certificate itself, or where a directive decides */
static const char *answered(const session_t *s)
{
    if (s->checked.der.n)
        return "its confirmation: ";
    return s->now.request == OSSL_CMP_KUR ? "the kur (EstCACmpRenewal): " : "";
}

/* The CA, or OpenSSL, ended the transaction. What the CA said is known only from messages that were verified. */
static est_err_t *ended(session_t *s, const OSSL_CMP_CTX *ctx)
{
    int matters;
    const char *reasons = take_reasons(&matters, s->pool), *text;
    int refused = matters & (IN_ERROR | IN_RESPONSE);

    if (!refused && s->trust.stranger)
        return EST_FAIL(s->pool, ca_answer, "%s\"%s\" has signed the answer, and must not sign for the CA: %s",
                        answered(s), s->trust.stranger, reasons);
    if (!refused && s->n_sent && matters & OTHER_SECRET)
        return EST_FAIL(s->pool, ca_answer, "%s%s: is EstCACmpSecret the secret that the CA has for EstCACmpReference?",
                        answered(s), reasons);
    if (!refused)
        return EST_FAIL(s->pool, ca_answer, "%s%s",
                        s->before.n && !s->n_sent ? "what is kept of the transaction: " : answered(s), reasons);
    s->is_lost =
        s->before.n && refused & IN_ERROR &&
        has_fail_info(ctx, 1 << OSSL_CMP_PKIFAILUREINFO_badRecipientNonce | 1 << OSSL_CMP_PKIFAILUREINFO_badRequest);
    text = said(ctx, reasons, s->pool);
    if (!s->now.n && has_fail_info(ctx, 1 << OSSL_CMP_PKIFAILUREINFO_systemUnavail))
        return EST_FAIL(s->pool, ca_unavailable, "%s", text);
    return EST_FAIL(s->pool, ca_refused, "%s%s", answered(s), text);
}

/* It had the confirmation of before, and only we did not know (RFC 4210 5.2.3) */
static int is_confirmed_already(const session_t *s, const OSSL_CMP_CTX *ctx)
{
    return s->before.n && s->checked.der.n && !s->broken &&
           has_fail_info(ctx, 1 << OSSL_CMP_PKIFAILUREINFO_certConfirmed);
}

/* The CA takes back what was rejected to it; of anything else somebody else has to see to that */
static est_err_t *wrong(const session_t *s, const OSSL_CMP_CTX *ctx)
{
    int matters;
    const char *reasons = take_reasons(&matters, s->pool), *why;

    if (s->broken)
        why = est_err_text(s->broken);
    else if (!s->has_confirmed)
        why = "the CA does without confirmation";
    else if (matters & NOT_OURS)
        why = matters & IN_ERROR ? said(ctx, reasons, s->pool) : reasons;
    else
        return s->wrong; /* acknowledged by pkiConf */
    /* Made anew, which defuses the CA's words */
    return est_err_make(s->pool, s->wrong->code, __FILE__, __LINE__, "%s; that the CA revokes it is not sure: %s",
                        est_err_text(s->wrong), why);
}

static void waits(ca_answer_t *answer, const session_t *s, int retry_after)
{
    answer->retry_after = retry_after;
    answer->state = ca_cmp_state_encode(&s->now, s->pool);
}

/* It has the request, and may have issued. To the client that is like any other waiting; whoever runs this has to know
 * that it is not the CA who wants it so */
static void put_off(ca_answer_t *answer, const session_t *s, const est_err_t *why)
{
    waits(answer, s, why->retry_after);
    if (s->checked.der.n && !s->is_unkept)
        s->wire->unconfirmed(s->wire, s->checked.der, est_err_text(why), s->pool);
}

/* What is no message of the CA's ends no order whose certificate may count */
static int is_to_be_confirmed(const session_t *s)
{
    return s->checked.der.n && (s->broken->code == EST_E_ca_answer || s->broken->code == EST_E_ca_refused);
}

/* result: of OSSL_CMP_try_certreq */
static est_err_t *conclude(ca_answer_t *answer, session_t *s, const OSSL_CMP_CTX *ctx, int result, int check_after)
{
    if (result == 1 || s->wrong || is_confirmed_already(s, ctx)) {
        answer->der = s->checked.der;
        return s->wrong ? wrong(s, ctx) : NULL;
    }
    if (result == -1) {
        keep(s);
        waits(answer, s, check_after);
        return NULL;
    }
    if (!s->broken && s->now.n && has_fail_info(ctx, 1 << OSSL_CMP_PKIFAILUREINFO_systemUnavail)) {
        put_off(answer, s, EST_FAIL(s->pool, ca_unavailable, "%s", said(ctx, "systemUnavail", s->pool)));
        return NULL;
    }
    if (!s->broken) {
        answer->der = s->checked.der; /* when it is the confirmation that was refused */
        return ended(s, ctx);
    }
    if (s->progress || is_to_be_confirmed(s)) {
        put_off(answer, s, s->broken);
        return NULL;
    }
    if (s->before.n)
        waits(answer, s, s->broken->retry_after);
    return s->broken;
}

/* Until something was sent: what was known before may have been that it waits */
static est_err_t *exchange(ca_answer_t *answer, session_t *s, OSSL_CMP_CTX *ctx, const OSSL_CRMF_MSG *message)
{
    int result, check_after = 0;

    if (!set_all(ctx, s))
        return EST_FAIL(s->pool, alias_broken, "cannot prepare the request for the CA: %s", pki_ossl_reason(s->pool));
    if (s->before.n && !set_transaction(ctx, &s->before))
        return EST_FAIL(s->pool, ca_answer, UNREADABLE);
    for (int turn = 0; turn <= CA_CMP_STATE_ANSWERS; turn++) {
        result = OSSL_CMP_try_certreq(ctx, s->now.request, message, &check_after);
        if (result != -1 || s->n_sent)
            break;
    }
    return conclude(answer, s, ctx, result, check_after);
}

/* A CA updates its own certificates (RFC 9483 4.1.3), which it finds by its name and the serial number. What the holder
 * has may be of the CA that the alias had before. */
static int request_of(const ca_cmp_settings_t *settings, const ca_request_t *request)
{
    if (!settings->updates || !request->holder ||
        X509_NAME_cmp(X509_get_issuer_name(request->holder), X509_get_subject_name(settings->facts->cert)) != 0)
        return settings->request;
    return OSSL_CMP_KUR;
}

static est_err_t *transact(ca_answer_t *answer, session_t *s)
{
    X509 *holder = s->now.request == OSSL_CMP_KUR ? s->request->holder : NULL;
    OSSL_CMP_CTX *ctx;
    OSSL_CRMF_MSG *message = NULL;
    est_err_t *err;

    s->trust.settings = s->settings;
    s->trust.pool = s->pool;
    if (s->now.request != OSSL_CMP_P10CR)
        EST_TRY(ca_cmp_template(&message, s->request->tbs, holder, s->pool));
    ctx = OSSL_CMP_CTX_new(NULL, NULL);
    err = ctx ? exchange(answer, s, ctx, message) : EST_FAIL(s->pool, internal, "out of memory");
    OSSL_CMP_CTX_free(ctx);
    OSSL_CRMF_MSG_free(message);
    ERR_clear_error();
    return err;
}

est_err_t *ca_cmp_session(ca_answer_t *answer, est_slice_t state, const ca_cmp_settings_t *settings,
                          ca_cmp_wire_t *wire, const ca_request_t *request, apr_pool_t *pool)
{
    session_t anew = {.settings = settings, .wire = wire, .request = request, .pool = pool};
    session_t s = anew;
    est_err_t *err;

    anew.now.request = s.now.request = request_of(settings, request);
    if (state.n) {
        if (!ca_cmp_state_decode(&s.before, state))
            return EST_FAIL(pool, ca_answer, UNREADABLE);
        s.now.request = s.before.request;
    }
    err = transact(answer, &s);
    if (!s.is_lost)
        return err;
    /* An answer was lost, and with it the nonce that the CA wants to see, or the CA has forgotten: it has ended the
     * transaction, and nothing is left but another one */
    if (s.checked.der.n)
        wire->lost(wire, s.checked.der, pool);
    memset(answer, 0, sizeof(*answer));
    return transact(answer, &anew);
}
