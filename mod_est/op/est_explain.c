/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_explain.h"
#include "est_auth.h"
#include "est_body.h"
#include "est_entity.h"
#include "est_issue.h"
#include "est_route.h"
#include "est_serve.h"
#include "pki/pki_time.h"
#include "policy/policy_names.h"

#include <apr_strings.h>
#include <apr_tables.h>
#include <string.h>

/* Stands for letters that are made by chance (POLICY_RANDOM of them) */
#define SOME_LETTERS "????????????????????????"

_Static_assert(sizeof(SOME_LETTERS) == POLICY_RANDOM + 1, "SOME_LETTERS is out of date");

typedef struct {
    est_req_t req; /* the first member: read_body() has the request alone */
    const est_explain_ask_t *ask;
    est_service_t service; /* with a guard of our own */
    est_explanation_t *out;
    apr_array_header_t *findings; /* of est_finding_t */
    int decided;                  /* the client hears of no later finding */
    est_slice_t binding;          /* that the challengePassword claims to be the connection's */
    int cert_assumed;             /* the certificate was taken for one of the alias's CA, which is not known */
    apr_pool_t *pool;
} explain_t;

/* ---- what is found */

static est_finding_t *add(explain_t *x, const char *rule, policy_verdict_t verdict, const char *wanted, const char *got)
{
    est_finding_t *finding = apr_array_push(x->findings);

    *finding = (est_finding_t){.rule = rule, .verdict = verdict, .wanted = wanted, .got = got};
    return finding;
}

/* A rule that an error says has failed */
static void add_failed(explain_t *x, const char *rule, const char *wanted, const est_err_t *err)
{
    est_finding_t *finding = add(x, rule, POLICY_FAIL, wanted, est_err_text(err));

    finding->err = err;
    if (x->decided)
        return;
    x->decided = finding->counts = 1;
    x->out->err = err;
    x->out->pending = 0;
    x->out->text = est_serve_error_text(&x->req, err, x->pool);
}

static int add_result(explain_t *x, const char *rule, const char *wanted, const char *got, const est_err_t *err)
{
    if (err)
        add_failed(x, rule, wanted, err);
    else
        add(x, rule, got ? POLICY_PASS : POLICY_NOT_APPLICABLE, wanted, got);
    return err == NULL;
}

/* Of these nothing follows about the request */
static int is_trouble(const est_err_t *err)
{
    return err && (err->code == EST_E_store_unavailable || err->code == EST_E_store_failed ||
                   err->code == EST_E_policy_unavailable || err->code == EST_E_internal);
}

#define TRY_TROUBLE(err)                                                                                               \
    do {                                                                                                               \
        if (is_trouble(err))                                                                                           \
            return (err);                                                                                              \
    } while (0)

/* ---- the request */

static est_err_t *read_body(est_slice_t *out, est_req_t *req)
{
    *out = ((const explain_t *)(const void *)req)->ask->body;
    return NULL;
}

/* The value that the request claims: whether it is that of the connection cannot be known, whether it can be one can */
static est_slice_t claimed_binding(const est_req_t *req)
{
    return ((const explain_t *)(const void *)req)->binding;
}

static est_err_t *assume_good(int *good, const char *secret, const char *hash, const est_req_t *req)
{
    (void)secret;
    (void)req;
    *good = hash != NULL;
    return NULL;
}

static est_err_t *no_failures(const est_req_t *req, const char *who)
{
    (void)req;
    (void)who;
    return NULL;
}

static void forget_failure(const est_req_t *req, const char *who)
{
    (void)req;
    (void)who;
}

static void start(explain_t *x)
{
    static const est_guard_t guard = {
        .verify = assume_good, .check_failures = no_failures, .add_failure = forget_failure};
    const est_explain_ask_t *ask = x->ask;

    x->service.guard = &guard;
    x->findings = apr_array_make(x->pool, 48, sizeof(est_finding_t));
    x->req.pool = x->pool;
    x->req.now = ask->now;
    x->req.id = "00000000000000000000000000000000";
    x->req.method = EST_METHOD_POST;
    x->req.content_type = "application/pkcs10";
    x->req.network = ask->network;
    x->req.address = ask->address;
    x->req.leaf = ask->leaf;
    x->req.chain = ask->chain;
    x->req.read_body = read_body;
}

/* ---- the alias */

static est_err_t *find_alias(explain_t *x)
{
    const char *path = apr_pstrcat(x->pool, "/", x->ask->alias, "/", x->ask->operation, NULL);
    est_err_t *err = est_route(&x->req, &x->service, path, NULL, 0);

    TRY_TROUBLE(err);
    x->out->alias = x->req.alias;
    add_result(x, "alias", "an alias of that name, which is enabled",
               err ? NULL : apr_psprintf(x->pool, "alias \"%s\"", x->req.alias->name), err);
    return NULL;
}

/* ---- who asks */

/* A name in Basic is that of an end entity first, if there is a code for it here, and of a client else
 * (est_password.c) */
static est_err_t *log_in(explain_t *x, const char *user)
{
    est_req_t *req = &x->req;
    policy_entity_t *entity = NULL;

    req->cred.has_authorization = 1;
    req->cred.user = user;
    if (req->alias->mode == POLICY_MODE_CLIENT && req->alias->code_source == POLICY_CODE_BASIC)
        EST_TRY(x->service.store->vt->entity_get(x->service.store, &entity, req->alias->id, user, x->pool));
    if (entity && entity->code_hash)
        req->cred.entity = entity;
    else
        EST_TRY(store_cache_client(x->service.cache, &req->cred.client, user, x->pool));
    return NULL;
}

/* The code of --entity: as a password, or in the request, where est_entity_authenticate() finds it, or would have */
static est_err_t *bring_code(explain_t *x)
{
    est_req_t *req = &x->req;
    const char *name = x->ask->entity;
    policy_entity_t *entity;

    if (req->alias->mode != POLICY_MODE_CLIENT)
        return EST_FAIL(x->pool, config, "alias \"%s\" is of mode ra, where end entities have no codes",
                        req->alias->name);
    EST_TRY(x->service.store->vt->entity_get(x->service.store, &entity, req->alias->id, name, x->pool));
    if (!entity || !entity->code_hash) {
        const char *what = entity ? "has no code for this alias" : "is not registered";

        add_failed(x, "code", "an enrolment code of this end entity for this alias",
                   req->alias->code_source == POLICY_CODE_BASIC /* as a password, it is a wrong one */
                       ? EST_FAIL(x->pool, authentication_required, "end entity \"%s\" %s", name, what)
                       : EST_FAIL(x->pool, code_refused, "end entity \"%s\" %s", name, what));
        return NULL;
    }
    req->cred.entity = entity;
    if (req->alias->code_source == POLICY_CODE_BASIC) {
        req->cred.has_authorization = 1;
        req->cred.user = entity->name;
    }
    return NULL;
}

static const char *wanted_access(const policy_alias_t *alias, policy_op_t op)
{
    static const char *const wanted[] = {[POLICY_AUTH_BASIC] = "a user and password",
                                         [POLICY_AUTH_CERT] = "a client certificate",
                                         [POLICY_AUTH_BASIC_OR_CERT] = "a user and password, or a client certificate",
                                         [POLICY_AUTH_BASIC_AND_CERT] =
                                             "a user and password, and a client certificate"};
    static const char *const coded[] = {[POLICY_AUTH_BASIC] = "a code in the request",
                                        [POLICY_AUTH_CERT] = "a client certificate",
                                        [POLICY_AUTH_BASIC_OR_CERT] = "a code in the request, or a client certificate",
                                        [POLICY_AUTH_BASIC_AND_CERT] =
                                            "a code in the request, and a client certificate"};
    policy_auth_t auth = op != POLICY_OP_REENROLL      ? alias->auth_enroll
                         : alias->reenroll_by_password ? POLICY_AUTH_BASIC_OR_CERT
                                                       : POLICY_AUTH_CERT;

    return policy_access_takes_code(alias, op) ? coded[auth] : wanted[auth];
}

static const char *describe_identity(const explain_t *x)
{
    static const char *const kinds[] = {"nobody",
                                        "user",
                                        "holder of certificate",
                                        "end entity, by its code,",
                                        "device, by its maker's certificate,",
                                        "registration authority"};
    const policy_identity_t *identity = &x->req.identity;
    const policy_client_t *client = identity->client;
    const char *names = NULL;

    if (identity->code_to_come)
        return "an end entity, whose code is in the request";
    for (int i = 0; client && i < client->n_names; i++)
        names = apr_pstrcat(x->pool, names ? names : "", names ? ", " : "; may ask for ", client->names[i], NULL);
    return apr_psprintf(x->pool, "%s \"%s\"%s", kinds[identity->kind], identity->name ? identity->name : "",
                        names ? names : "");
}

static const char *describe_certificate(const explain_t *x)
{
    static const char *const kinds[] = {"the alias's CA or an anchor of kind holder", "an anchor of kind vendor",
                                        "an anchor of kind ra"};
    const policy_credentials_t *cred = &x->req.cred;

    return apr_psprintf(x->pool, "\"%s\", until %s, under %s", cred->cert->subject->text,
                        pki_time_text(cred->cert->not_after, x->pool), kinds[cred->cert_kind]);
}

static void add_certificate(explain_t *x)
{
    const char *wanted = "a certificate of the alias's CA or one of its anchors, good now and for TLS clients";
    const policy_credentials_t *cred = &x->req.cred;

    if (!x->req.leaf)
        add(x, "certificate", POLICY_NOT_APPLICABLE, NULL, "none is given");
    else if (cred->cert_error) /* what the client hears of it, access says */
        add(x, "certificate", POLICY_FAIL, wanted, est_err_text(cred->cert_error))->err = cred->cert_error;
    else if (cred->cert_ignored)
        add(x, "certificate", POLICY_NOT_APPLICABLE, wanted, cred->cert_ignored);
    else if (x->cert_assumed)
        add(x, "certificate", POLICY_NOT_APPLICABLE, wanted,
            apr_psprintf(x->pool,
                         "not verified, since the CA's certificate is not given: \"%s\" is taken for one of its",
                         cred->cert->subject->text));
    else if (cred->cert)
        add(x, "certificate", POLICY_PASS, wanted, describe_certificate(x));
}

/* Without the CA its certificates cannot be told from those of strangers */
static est_err_t *assume_certificate(explain_t *x)
{
    policy_credentials_t *cred = &x->req.cred;
    pki_cert_t *cert;

    if (x->service.n_cas || !cred->cert_ignored || pki_cert_facts(&cert, x->req.leaf, x->pool))
        return NULL;
    x->cert_assumed = 1;
    cred->cert_ignored = NULL;
    cred->cert = cert;
    cred->cert_kind = POLICY_ANCHOR_HOLDER;
    cred->cert_is_ours = 1;
    return policy_access_is_ra(x->req.alias, x->req.op->op, cred)
               ? store_cache_client_by_certificate(x->service.cache, &cred->ra, cert, x->pool)
               : NULL;
}

static est_err_t *require(policy_access_t *access, est_err_t **why, explain_t *x)
{
    EST_TRY(est_auth_require(access, why, &x->req, &x->service));
    EST_TRY(assume_certificate(x));
    return x->cert_assumed ? est_auth_require(access, why, &x->req, &x->service) : NULL;
}

static est_err_t *check_access(explain_t *x)
{
    const char *wanted = wanted_access(x->req.alias, x->req.op->op);
    policy_access_t access = POLICY_ACCESS_DENIED;
    est_err_t *why = NULL, *err;

    if (x->ask->user)
        EST_TRY(log_in(x, x->ask->user));
    if (x->ask->entity)
        EST_TRY(bring_code(x));
    err = require(&access, &why, x);
    TRY_TROUBLE(err);
    if (!err && access == POLICY_ACCESS_NEED_USER)
        err = x->req.cred.cert_ignored ? EST_FAIL(x->pool, authentication_required, "%s", x->req.cred.cert_ignored)
                                       : EST_FAIL(x->pool, authentication_required, NULL);
    add_certificate(x);
    add_result(x, "access", wanted, describe_identity(x), err ? err : why);
    return NULL;
}

/* ---- what was sent */

static const char *describe_request(const explain_t *x, const pki_csr_t *csr)
{
    return apr_psprintf(x->pool, "%s, subject \"%s\", subjectAltName %s", csr->key->label, csr->subject->text,
                        policy_names_text(&csr->san, x->pool));
}

/* NULL: there is nothing that could be judged */
static const pki_csr_t *read_request(explain_t *x)
{
    est_slice_t der = {0};
    pki_csr_t *csr = NULL;
    est_err_t *err = est_body_read(&der, &x->req);

    if (!err)
        err = pki_csr_decode(&csr, der, x->pool);
    if (!add_result(x, "request", "a PKCS#10 certificate request", err ? NULL : describe_request(x, csr), err))
        return NULL;
    add_result(x, "possession", "the request is signed by the key that it has", "its signature verifies",
               pki_csr_verify(csr, x->pool));
    return csr;
}

static est_err_t *check_code(const pki_csr_t **csr, explain_t *x)
{
    int takes_code = policy_access_takes_code(x->req.alias, x->req.op->op);
    est_err_t *err;

    if (!takes_code || x->req.identity.kind == POLICY_IDENTITY_NONE) {
        add(x, "code", POLICY_NOT_APPLICABLE, NULL, x->req.cred.entity ? "taken to be right, as the password" : NULL);
        return NULL;
    }
    err = est_entity_authenticate(csr, &x->req, &x->service);
    TRY_TROUBLE(err);
    add_result(x, "code", "an enrolment code of the end entity that the request names, for this alias",
               x->req.cred.entity
                   ? apr_psprintf(x->pool, "end entity \"%s\"; the code is taken to be right", x->req.cred.entity->name)
                   : NULL,
               err);
    return NULL;
}

static void check_binding(explain_t *x, const pki_csr_t *csr)
{
    static const char *const wanted[] = {"the challengePassword, if there is one, is the TLS connection's",
                                         "a challengePassword that is the TLS connection's", "no challengePassword"};
    const char *what = wanted[x->req.alias->binding];
    est_err_t *err;

    if (csr->challenge && est_base64_decode(&x->binding, est_slice_of(csr->challenge), x->pool))
        x->binding = est_slice("", 1); /* of any connection, but not this one */
    x->req.binding = claimed_binding;
    err = est_issue_check_binding(&x->req, csr);
    if (err)
        add_failed(x, "binding", what, err);
    else
        add(x, "binding", POLICY_NOT_APPLICABLE, what,
            csr->challenge ? "there is one; it depends on the connection, and is taken to be right" : "there is none");
}

static est_err_t *find_entity(explain_t *x, const pki_csr_t *csr)
{
    est_err_t *err = est_entity_resolve(&x->req, &x->service, csr);
    const policy_entity_t *entity = x->req.identity.entity;

    TRY_TROUBLE(err);
    add_result(x, "named_entity", "the end entity that is named is registered in the alias's group",
               entity ? apr_psprintf(x->pool, "end entity \"%s\"", entity->name) : NULL, err);
    return NULL;
}

static void find_ca(const ca_facts_t **facts, explain_t *x)
{
    const policy_alias_t *alias = x->req.alias;
    est_err_t *err = NULL;
    ca_t *ca;

    if (x->service.n_cas || !alias->ca)
        err = est_auth_ca(&ca, facts, alias, &x->service, x->pool);
    if (!err && !*facts)
        add(x, "ca", POLICY_NOT_APPLICABLE, "a CA that signs",
            apr_psprintf(x->pool, "the certificate of CA \"%s\" is not given: some rules cannot be asked", alias->ca));
    else
        add_result(x, "ca", "a CA that signs",
                   err ? NULL : apr_psprintf(x->pool, "\"%s\"", (*facts)->issuer.certs[0]->subject->text), err);
    x->out->ca = *facts;
}

/* ---- policy */

static const char *rule_text(const char *rule)
{
    for (int i = 0; policy_rule_name(i); i++)
        if (!strcmp(policy_rule_name(i), rule))
            return policy_rule_text(i);
    return NULL;
}

static const char *join(const char *const *texts, int n, apr_pool_t *pool)
{
    const char *all = NULL;

    for (int i = 0; i < n; i++)
        all = all ? apr_pstrcat(pool, all, ", ", texts[i], NULL) : texts[i];
    return all ? all : "(none)";
}

/* The rule's text, with what it says here where that is short */
static const char *wanted_by(const explain_t *x, const char *rule)
{
    const policy_alias_t *alias = x->req.alias;
    const policy_client_t *client = x->req.identity.client;
    const char *text = rule_text(rule), *more = NULL;

    if (!strcmp(rule, "key") && alias->profile)
        more = alias->profile->keys_text;
    else if (!strcmp(rule, "group_names") && alias->group)
        more = join(alias->group->names, alias->group->n_names, x->pool);
    else if (!strcmp(rule, "own_names") && client)
        more = join(client->names, client->n_names, x->pool);
    return more ? apr_pstrcat(x->pool, text, ": ", more, NULL) : text;
}

/* What a rule that was passed has had before it; NULL = the grant says it all */
static const char *got_by(const explain_t *x, const char *rule, const pki_csr_t *csr, const policy_grant_t *grant)
{
    const pki_cert_t *cert = x->req.identity.cert;

    if (!strcmp(rule, "key"))
        return csr->key->label;
    if (!strcmp(rule, "renew_window") && cert)
        return apr_psprintf(x->pool, "it ends %s", pki_time_text(cert->not_after, x->pool));
    if (!grant)
        return NULL;
    if (!strcmp(rule, "subject"))
        return grant->subject->text;
    if (!strcmp(rule, "san"))
        return policy_names_text(&grant->san, x->pool);
    if (!strcmp(rule, "entity_name"))
        return grant->entity;
    if (!strcmp(rule, "validity"))
        return apr_psprintf(x->pool, "%s to %s", pki_time_text(grant->not_before, x->pool),
                            pki_time_text(grant->not_after, x->pool));
    return NULL;
}

static void check_policy(policy_grant_t **grant, explain_t *x, const pki_csr_t *csr, const ca_facts_t *ca)
{
    policy_request_t judged = {.alias = x->req.alias,
                               .op = x->req.op->op,
                               .identity = &x->req.identity,
                               .csr = csr,
                               .now = x->req.now,
                               .ca = ca ? &ca->issuer : NULL,
                               .reserved_keys = x->service.reserved_keys,
                               .n_reserved_keys = x->service.n_reserved_keys,
                               .random = SOME_LETTERS};
    int n;
    const policy_finding_t *found = policy_explain(grant, &n, &judged, x->pool);

    for (int i = 0; i < n; i++)
        if (found[i].err)
            add_failed(x, found[i].rule, wanted_by(x, found[i].rule), found[i].err);
        else
            add(x, found[i].rule, found[i].verdict, wanted_by(x, found[i].rule),
                found[i].verdict == POLICY_PASS ? got_by(x, found[i].rule, csr, *grant) : NULL);
}

/* ---- the database */

/* As est_issue() hears of it; whose a name or key is is not for the client (sql/migrations/0004/judge.sql) */
static const est_err_t *error_of(const explain_t *x, const store_finding_t *row)
{
    static const char *const plain[] = {"certificate_revoked", "certificate_unknown", "key_blocked", "approval_denied",
                                        "too_many_orders"};
    int taken = !strcmp(row->rule, "name_taken") || !strcmp(row->rule, "key_taken"), is_plain = 0;
    const char *got = taken ? NULL : row->got;
    store_outcome_t outcome = {.kind = STORE_REFUSED, .rule = row->rule, .retry_after = row->retry_after};

    for (apr_size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        is_plain |= !strcmp(row->rule, plain[i]);
    outcome.detail = is_plain ? got
                              : apr_pstrcat(x->pool, got ? got : "", got ? "; " : "",
                                            "wanted: ", row->wanted ? row->wanted : "", NULL);
    return est_issue_refusal(&outcome, x->pool);
}

/* The request would wait for people, or for the CA that has its order */
static void add_waiting(explain_t *x, const store_finding_t *row)
{
    est_finding_t *finding = add(x, row->rule, POLICY_FAIL, row->wanted, row->got);

    if (x->decided || x->out->pending)
        return;
    finding->counts = 1;
    x->out->pending = row->retry_after;
    x->decided = !strcmp(row->rule, "order");
}

static void add_row(explain_t *x, const store_finding_t *row)
{
    policy_verdict_t verdict = !strcmp(row->verdict, "pass")   ? POLICY_PASS
                               : !strcmp(row->verdict, "fail") ? POLICY_FAIL
                                                               : POLICY_NOT_APPLICABLE;

    if (verdict == POLICY_FAIL && (!strcmp(row->rule, "approval") || !strcmp(row->rule, "order"))) {
        add_waiting(x, row);
        return;
    }
    if (verdict == POLICY_FAIL) {
        add_failed(x, row->rule, row->wanted, error_of(x, row));
        APR_ARRAY_IDX(x->findings, x->findings->nelts - 1, est_finding_t).got = row->got;
        return;
    }
    add(x, row->rule, verdict, row->wanted, row->got);
    if (verdict == POLICY_PASS && !strcmp(row->rule, "replay") && !x->decided) {
        x->decided = 1;
        x->out->replay = row->got;
    }
}

static est_err_t *check_database(explain_t *x, const pki_csr_t *csr, policy_grant_t *grant)
{
    store_t *store = x->service.store;
    const store_issue_t *issue;
    store_finding_t *rows;
    int n;

    if (!grant || x->req.identity.kind == POLICY_IDENTITY_NONE) {
        add(x, "database", POLICY_NOT_APPLICABLE, NULL,
            "its rules are asked of what policy would issue, and that is nothing");
        return NULL;
    }
    EST_TRY(est_issue_describe(&issue, &x->req, csr, grant));
    EST_TRY(store->vt->explain_request(store, &rows, &n, issue, x->pool));
    for (int i = 0; i < n; i++)
        add_row(x, &rows[i]);
    return NULL;
}

/* ---- all of it */

static est_err_t *judge(explain_t *x)
{
    const pki_csr_t *csr;
    policy_grant_t *grant;
    const ca_facts_t *ca = NULL;

    EST_TRY(find_alias(x));
    if (!x->req.alias)
        return NULL;
    EST_TRY(check_access(x));
    if (!add_result(x, "alias_broken", "rows of alias, profile, group and anchors that can be understood", "they are",
                    x->req.alias->broken ? EST_FAIL(x->pool, alias_broken, "%s", x->req.alias->broken) : NULL))
        return NULL;
    if (!(csr = read_request(x)))
        return NULL;
    EST_TRY(check_code(&csr, x));
    check_binding(x, csr);
    EST_TRY(find_entity(x, csr));
    find_ca(&ca, x);
    check_policy(&grant, x, csr, ca);
    EST_TRY(check_database(x, csr, grant));
    x->out->grant = x->out->err ? NULL : grant;
    return NULL;
}

est_err_t *est_explain(est_explanation_t *out, const est_explain_ask_t *ask, const est_service_t *service,
                       apr_pool_t *pool)
{
    explain_t *x = apr_pcalloc(pool, sizeof(*x));

    memset(out, 0, sizeof(*out));
    x->ask = ask;
    x->service = *service;
    x->out = out;
    x->pool = pool;
    start(x);
    EST_TRY(judge(x));
    out->findings = (const est_finding_t *)x->findings->elts;
    out->n = x->findings->nelts;
    out->identity = &x->req.identity;
    out->status = out->err       ? est_serve_status(x->req.alias, est_err_row(out->err->code)->status)
                  : out->pending ? 202
                                 : 200;
    return NULL;
}
