/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef POLICY_ACCESS_H
#define POLICY_ACCESS_H

/* Who may call an operation of an alias, before any certificate request is looked at. `Require est` asks here. */

#include "pki/pki_cert.h"
#include "policy_snapshot.h"

#include <apr_network_io.h>

typedef enum { POLICY_OP_CACERTS, POLICY_OP_CSRATTRS, POLICY_OP_ENROLL, POLICY_OP_REENROLL } policy_op_t;

/* A registered client: a row of est.client */
typedef struct {
    int id;
    apr_int64_t version;
    const char *user;
    const char *hash; /* bcrypt, or NULL: authenticated by another provider */
    const char *const *names;
    int n_names;
    const char *const *networks; /* CIDR; none = any */
    int n_networks;
    const int *groups;
    int n_groups;
    int enabled;
    apr_time_t valid_from, valid_until; /* 0 = unlimited */
} policy_client_t;

/* The columns of statement client_get as text, NULL where SQL says NULL */
typedef struct {
    const char *id, *version, *user_name, *password_hash, *names, *networks, *groups, *enabled, *valid_from,
        *valid_until;
} policy_client_row_t;

/* Fails with alias_broken when a column cannot be understood */
est_err_t *policy_client_make(policy_client_t **out, const policy_client_row_t *row, apr_pool_t *pool);
/* One flat octet string and back, for a cache */
est_slice_t policy_client_pack(const policy_client_row_t *row, apr_pool_t *pool);
est_err_t *policy_client_unpack(policy_client_t **out, est_slice_t packed, apr_pool_t *pool);

/* A registered end entity: a row of est.end_entity, with its enrolment code for one alias */
typedef struct {
    apr_int64_t id, version;
    const char *name;
    int suspended;
    int preregistered;
    const char *subject; /* as in the row: "CN=dev1,O=Example"; NULL = none */
    const char *const *san;
    int n_san;              /* "dns:a.example" */
    apr_time_t valid_until; /* 0 = unlimited */
    apr_int64_t code_id;    /* 0 = there is none */
    const char *code_hash;  /* bcrypt, or NULL */
} policy_entity_t;

/* ENTITY: known by its enrolment code. VENDOR: by the certificate its maker gave it. RA: a registration authority known
 * by its certificate. */
typedef enum {
    POLICY_IDENTITY_NONE,
    POLICY_IDENTITY_USER,
    POLICY_IDENTITY_CERTIFICATE,
    POLICY_IDENTITY_ENTITY,
    POLICY_IDENTITY_VENDOR,
    POLICY_IDENTITY_RA
} policy_identity_kind_t;

/* Who the request is judged as */
typedef struct {
    policy_identity_kind_t kind;
    const char *name;               /* user name, subject of the certificate, or name of the entity */
    const policy_client_t *client;  /* USER: the row; NULL for a user of another provider. RA: its row, or NULL */
    const pki_cert_t *cert;         /* the client certificate, also beside a user; NULL = none that counts */
    policy_anchor_kind_t cert_kind; /* of the anchor that cert is under */
    int code_to_come;               /* ENTITY, whose code is in the request: not verified before that is read */
    const policy_entity_t *entity;  /* client mode, once the request was read: whom the certificate is for */
} policy_identity_t;

/* What a request brought */
typedef struct {
    const pki_cert_t *cert;         /* verified under the alias's anchors; NULL = none, or of no anchor */
    policy_anchor_kind_t cert_kind; /* of the anchor */
    const char *cert_ignored; /* why one that was sent counts as none, for the log; NULL = there is nothing to say */
    est_err_t *cert_error;    /* a certificate of an anchor that is not good: refused whatever else was brought */
    int has_authorization;    /* an Authorization header is there */
    const char *user;         /* verified by a provider, or NULL */
    policy_client_t *client;  /* the user's row, or NULL when there is none */
    policy_client_t *ra;      /* the row of cert's owner, an RA under an anchor of that kind; NULL when there is none */
    const policy_entity_t *entity; /* client mode: user is its name, and the password was its code; NULL otherwise */
    apr_sockaddr_t *address;       /* of the client */
} policy_credentials_t;

typedef enum { POLICY_ACCESS_GRANTED, POLICY_ACCESS_NEED_USER, POLICY_ACCESS_DENIED } policy_access_t;

/* Does this operation of this alias take credentials at all? */
int policy_access_is_anonymous(const policy_alias_t *alias, policy_op_t op);
/* Can a user and password play a role? */
int policy_access_takes_user(const policy_alias_t *alias, policy_op_t op);

/* GRANTED fills identity; NEED_USER: a password could still help (httpd then asks for one); DENIED fills *why. */
policy_access_t policy_access(policy_identity_t *identity, est_err_t **why, const policy_alias_t *alias, policy_op_t op,
                              const policy_credentials_t *cred, apr_time_t now, apr_pool_t *pool);

#endif
