/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
/* Rules on the alias, the end entity and time. */

#include "pki/pki_time.h"
#include "policy_rules.h"

est_err_t *policy_rules_alias_active(policy_judge_t *j)
{
    const policy_alias_t *alias = j->req->alias;

    if (!alias->profile)
        return EST_FAIL(j->pool, alias_inactive, "alias \"%s\" has no profile", alias->name);
    if (!alias->profile_active)
        return EST_FAIL(j->pool, alias_inactive, "profile \"%s\" is switched off at alias \"%s\"", alias->profile->name,
                        alias->name);
    if (!alias->group || !alias->group_active)
        return EST_FAIL(j->pool, alias_inactive, "alias \"%s\" has no active group", alias->name);
    return NULL;
}

int policy_rules_wants_entity(const policy_judge_t *j)
{
    const policy_identity_t *identity = j->req->identity;

    return j->req->alias->mode == POLICY_MODE_CLIENT &&
           (j->req->op != POLICY_OP_REENROLL || !identity->cert || identity->kind == POLICY_IDENTITY_ENTITY);
}

est_err_t *policy_rules_entity(policy_judge_t *j)
{
    const policy_entity_t *entity = j->req->identity->entity;

    if (!policy_rules_wants_entity(j)) {
        j->not_applicable = 1;
        return NULL;
    }
    if (!entity)
        return EST_FAIL(j->pool, entity_unknown, NULL);
    EST_TRY(policy_entity_names(&j->entity, entity, j->pool));
    if (entity->suspended)
        return EST_FAIL(j->pool, entity_suspended, "\"%s\" is suspended", entity->name);
    if (entity->valid_until && j->req->now >= entity->valid_until)
        return EST_FAIL(j->pool, entity_suspended, "\"%s\" was registered until %s", entity->name,
                        pki_time_text(entity->valid_until, j->pool));
    return NULL;
}

est_err_t *policy_rules_renew_window(policy_judge_t *j)
{
    const pki_cert_t *cert = j->req->identity->cert;
    apr_time_t earliest;

    if (j->req->op != POLICY_OP_REENROLL || !cert || !j->req->alias->renew_window) {
        j->not_applicable = 1;
        return NULL;
    }
    earliest = cert->not_after - apr_time_from_sec(j->req->alias->renew_window);
    if (j->req->now >= earliest)
        return NULL;
    return EST_FAIL(j->pool, renewal_early, "the certificate ends %s and can be renewed from %s",
                    pki_time_text(cert->not_after, j->pool), pki_time_text(earliest, j->pool));
}

est_err_t *policy_rules_validity(policy_judge_t *j)
{
    const policy_request_t *req = j->req;
    const pki_cert_t *ca = req->ca ? req->ca->certs[0] : NULL;  /* an explanation may not know it */
    apr_time_t now = apr_time_from_sec(apr_time_sec(req->now)); /* certificates know whole seconds */
    apr_time_t start = now - apr_time_from_sec(j->profile->backdate);
    apr_time_t end = now + apr_time_from_sec(j->profile->validity);

    if (j->profile->latest_end && end > j->profile->latest_end)
        end = j->profile->latest_end;
    if (ca && end > ca->not_after && j->profile->beyond_ca == POLICY_BEYOND_CA_REFUSE)
        return EST_FAIL(j->pool, ca_ends, "the CA ends %s, the certificate would %s",
                        pki_time_text(ca->not_after, j->pool), pki_time_text(end, j->pool));
    if (ca && end > ca->not_after)
        end = ca->not_after;
    if (ca && start < ca->not_before)
        start = ca->not_before;
    if (end <= now || start >= end)
        return EST_FAIL(j->pool, ca_ends, "nothing is left of the validity: it would end %s",
                        pki_time_text(end, j->pool));
    j->grant->not_before = start;
    j->grant->not_after = end;
    return NULL;
}

est_err_t *policy_rules_entity_name(policy_judge_t *j)
{
    if (j->entity.name) {
        j->grant->entity = j->entity.name;
        return NULL;
    }
    if (j->grant->entity) /* a template names it, too */
        return NULL;
    return policy_entity_call(&j->grant->entity, j->req->alias, j->grant->subject, &j->grant->san, j->req->random,
                              j->pool);
}
