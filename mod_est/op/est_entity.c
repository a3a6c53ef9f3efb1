/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "est_entity.h"
#include "est_auth.h"
#include "pki/pki_reqcode.h"

#include <string.h>

/* ---- names */

static const char *value_in(const pki_name_t *subject, const char *attribute)
{
    int nid = pki_name_attr_nid(attribute);

    for (int i = 0; i < subject->n_attrs; i++)
        if (subject->attrs[i].nid == nid)
            return subject->attrs[i].value;
    return NULL;
}

/* Value of the attribute that names entities, in a request or a vendor's certificate; NULL when it has none */
static const char *name_in(const policy_alias_t *alias, const pki_name_t *subject)
{
    if (!alias->entity_attribute)
        return subject->n_attrs ? subject->text : NULL;
    return value_in(subject, alias->entity_attribute);
}

/* A device that has its serial number in hardwareModuleName alone is named by that */
static const char *name_in_certificate(const policy_alias_t *alias, const pki_cert_t *cert)
{
    const char *name = name_in(alias, cert->subject);

    if (!name && alias->entity_attribute && !strcmp(alias->entity_attribute, "serialNumber"))
        name = cert->hardware_serial;
    return name;
}

static const char *attribute_text(const policy_alias_t *alias)
{
    return alias->entity_attribute ? alias->entity_attribute : "subject";
}

/* ---- codes */

static est_err_t *take_code(const char **code, const pki_csr_t **csr, const est_req_t *req)
{
    static const pki_reqcode_place_t places[] = {[POLICY_CODE_CHALLENGE] = PKI_REQCODE_CHALLENGE,
                                                 [POLICY_CODE_OTP] = PKI_REQCODE_OTP,
                                                 [POLICY_CODE_DN] = PKI_REQCODE_SUBJECT};

    return pki_reqcode_take(code, csr, *csr, places[req->alias->code_source], req->alias->code_attribute, req->pool);
}

/* Fails with the one answer to all wrong codes. What follows is asked, and costs the same, whether there is such an
 * entity or not. */
static est_err_t *verify_code(est_req_t *req, est_service_t *service, const char *name, const char *code)
{
    const est_guard_t *guard = service->guard;
    policy_entity_t *entity;
    int good = 0;

    if (!guard)
        return EST_FAIL(req->pool, internal, "nothing verifies enrolment codes here");
    req->claimed = name;
    EST_TRY(guard->check_failures(req, name));
    EST_TRY(service->store->vt->entity_get(service->store, &entity, req->alias->id, name, req->pool));
    EST_TRY(guard->verify(&good, code, entity ? entity->code_hash : NULL, req));
    if (good && entity && entity->code_hash) {
        req->cred.entity = entity;
        return NULL;
    }
    guard->add_failure(req, name);
    return EST_FAIL(req->pool, code_refused, "end entity \"%s\"%s", name,
                    !entity              ? " is not registered"
                    : !entity->code_hash ? " has no code for this alias"
                                         : ": not its code");
}

static est_err_t *authenticate(const pki_csr_t **csr, est_req_t *req, est_service_t *service)
{
    policy_access_t access;
    est_err_t *why;
    const char *code, *name;

    EST_TRY(take_code(&code, csr, req));
    if (!code)
        return req->identity.code_to_come ? EST_FAIL(req->pool, code_refused, "there is none in the request") : NULL;
    if (!(name = name_in(req->alias, (*csr)->subject)))
        return EST_FAIL(req->pool, code_refused, "the request has no %s that names an end entity",
                        attribute_text(req->alias));
    EST_TRY(verify_code(req, service, name, code));
    EST_TRY(est_auth_require(&access, &why, req, service));
    return access == POLICY_ACCESS_NEED_USER ? EST_FAIL(req->pool, authentication_required, NULL) : why;
}

/* A device may put its code into each request. Where none is taken, the judgement would compare the subject with that
 * of the certificate, and write it with the code in it into logs and records. */
static est_err_t *refuse_stray_code(const pki_csr_t *csr, const est_req_t *req)
{
    const policy_alias_t *alias = req->alias;
    const pki_cert_t *cert = req->identity.cert;

    if (alias->mode != POLICY_MODE_CLIENT || alias->code_source != POLICY_CODE_DN ||
        req->op->op != POLICY_OP_REENROLL || !cert || !value_in(csr->subject, alias->code_attribute) ||
        value_in(cert->subject, alias->code_attribute))
        return NULL;
    return EST_FAIL(req->pool, names_differ,
                    "the request has %s, where enrolment codes stand, and the certificate none", alias->code_attribute);
}

est_err_t *est_entity_authenticate(const pki_csr_t **csr, est_req_t *req, est_service_t *service)
{
    est_err_t *err;

    if (!policy_access_takes_code(req->alias, req->op->op))
        return refuse_stray_code(*csr, req);
    err = authenticate(csr, req, service);
    if (err) /* nobody is authenticated, and hears no more than that */
        memset(&req->identity, 0, sizeof(req->identity));
    return err;
}

/* ---- entities that others name */

/* A renewal is of the entity that the certificate on record was issued to, which the database knows */
static int is_renewal(const est_req_t *req)
{
    return req->op->op == POLICY_OP_REENROLL && req->identity.cert;
}

est_err_t *est_entity_resolve(est_req_t *req, est_service_t *service, const pki_csr_t *csr)
{
    policy_identity_t *identity = &req->identity;
    policy_entity_t *entity;
    const char *name;

    if (req->alias->mode != POLICY_MODE_CLIENT || identity->entity)
        return NULL;
    /* The alias takes codes since a moment ago: this request has not been asked for one */
    if (identity->code_to_come)
        return EST_FAIL(req->pool, policy_changing, "enrolment codes are asked for now");
    if (is_renewal(req))
        return NULL;
    name = identity->kind == POLICY_IDENTITY_VENDOR ? name_in_certificate(req->alias, identity->cert)
                                                    : name_in(req->alias, csr->subject);
    if (!name)
        return EST_FAIL(req->pool, entity_unknown, "the %s has no %s that names one",
                        identity->kind == POLICY_IDENTITY_VENDOR ? "certificate" : "request",
                        attribute_text(req->alias));
    EST_TRY(service->store->vt->entity_get(service->store, &entity, req->alias->id, name, req->pool));
    /* One that an enrolment in RA mode has made is not registered */
    if (!entity || !entity->preregistered)
        return EST_FAIL(req->pool, entity_unknown, "\"%s\"", name);
    identity->entity = entity;
    return NULL;
}

const char *const *est_entity_vendor_names(int *n, const est_req_t *req)
{
    const policy_identity_t *identity = &req->identity;
    const char **names;

    *n = 0;
    if (!identity->cert || identity->cert_kind != POLICY_ANCHOR_VENDOR ||
        (identity->kind != POLICY_IDENTITY_VENDOR && req->alias->auth_enroll != POLICY_AUTH_BASIC_AND_CERT))
        return NULL;
    names = apr_palloc(req->pool, POLICY_ACCESS_DEVICE_NAMES * sizeof(*names));
    *n = policy_access_device_names(names, identity->cert, req->pool);
    return names;
}
