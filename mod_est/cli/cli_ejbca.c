/*
 * Copyright 2026 The mod_est authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli_ejbca.h"

#include "cli_properties.h"

#include <apr_strings.h>
#include <string.h>
#include <strings.h>

/* What is known of an alias while its keys are mapped */
typedef struct {
    cli_ejbca_alias_t *out;
    apr_hash_t *values; /* key -> const char * */
    const cli_ejbca_maps_t *maps;
    const char *key;
    apr_pool_t *pool;
} mapping_t;

/* --- what the mapping functions use */

/* The value of a key, its default where the file has none */
static const char *value_of(const mapping_t *m, const char *key);

/* Is the alias of mode client? EJBCA takes anything else for ra */
static int is_client(const mapping_t *m)
{
    return !strcasecmp(value_of(m, "operationmode"), "client");
}

static int is_true(const char *value)
{
    return !strcasecmp(value, "true");
}

static int is_boolean(const char *value)
{
    return is_true(value) || !strcasecmp(value, "false");
}

/* The row of this key. setting and remark may be NULL */
static void report(mapping_t *m, cli_ejbca_verdict_t verdict, const char *setting, const char *remark)
{
    int secret = !strcmp(m->key, "reqpassword");
    const char *value = value_of(m, m->key);

    APR_ARRAY_PUSH(m->out->rows, cli_ejbca_row_t) =
        (cli_ejbca_row_t){m->out->name, m->key, secret && *value ? "(not shown)" : value, verdict, setting, remark};
}

/* The column gets value, and the row says so */
static void carry(mapping_t *m, const char **column, const char *name, const char *value, const char *remark)
{
    *column = value;
    report(m, CLI_EJBCA_CARRIED, apr_pstrcat(m->pool, name, " = ", value, NULL), remark);
}

static void decide(mapping_t *m, const char *remark)
{
    report(m, CLI_EJBCA_DECISION, NULL, remark);
}

/* Not looked at in this mode: 1, and the row is there */
static int unused_in(mapping_t *m, int client)
{
    if (is_client(m) != client)
        return 0;
    report(m, CLI_EJBCA_UNUSED, NULL, client ? "of no effect in mode client" : "of no effect in mode ra");
    return 1;
}

/* EJBCA's names of attributes that are not OpenSSL's short names. Its SN is the serial number */
static const char *attribute_of(const char *name)
{
    static const char *const names[][2] = {{"SN", "serialNumber"},
                                           {"SERIALNUMBER", "serialNumber"},
                                           {"SURNAME", "SN"},
                                           {"GIVENNAME", "GN"},
                                           {"E", "emailAddress"},
                                           {"EMAILADDRESS", "emailAddress"},
                                           {"EMAIL", "emailAddress"},
                                           {"T", "title"},
                                           {"TITLE", "title"},
                                           {"DNQUALIFIER", "dnQualifier"},
                                           {"DNQ", "dnQualifier"},
                                           {"CN", "CN"},
                                           {"UID", "UID"},
                                           {"OU", "OU"},
                                           {"O", "O"},
                                           {"L", "L"},
                                           {"ST", "ST"},
                                           {"DC", "DC"},
                                           {"C", "C"},
                                           {"INITIALS", "initials"},
                                           {"PSEUDONYM", "pseudonym"},
                                           {"NAME", "name"},
                                           {"DESCRIPTION", "description"},
                                           {"STREET", "street"},
                                           {"STREETADDRESS", "street"},
                                           {"POSTALCODE", "postalCode"},
                                           {"TELEPHONENUMBER", "telephoneNumber"},
                                           {"BUSINESSCATEGORY", "businessCategory"},
                                           {"ORGANIZATIONIDENTIFIER", "organizationIdentifier"},
                                           {"UNSTRUCTUREDNAME", "unstructuredName"},
                                           {"UNSTRUCTUREDADDRESS", "unstructuredAddress"}};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (!strcasecmp(names[i][0], name))
            return names[i][1];
    return NULL;
}

/* "UID;SN;CN" -> "UID,serialNumber,CN"; NULL when one of them is no attribute */
static const char *attribute_list(const char *value, apr_pool_t *pool)
{
    char *state;
    const char *list = NULL;

    for (const char *word = apr_strtok(apr_pstrdup(pool, value), "; ,", &state); word;
         word = apr_strtok(NULL, "; ,", &state)) {
        const char *attribute = attribute_of(word);

        if (!attribute)
            return NULL;
        list = list ? apr_pstrcat(pool, list, ",", attribute, NULL) : attribute;
    }
    return list;
}

/* --- a function for each key */

static void map_mode(mapping_t *m)
{
    const char *value = value_of(m, m->key);

    if (!strcasecmp(value, "ra") || !strcasecmp(value, "client"))
        carry(m, &m->out->mode, "mode", is_client(m) ? "client" : "ra", NULL);
    else
        decide(m, "is neither ra nor client (versions of EJBCA have different defaults): set alias.mode");
}

static void map_by_id(mapping_t *m, apr_hash_t *map, const char **column, const char *name, const char *remark)
{
    const char *value = value_of(m, m->key);
    const char *ours = apr_hash_get(map, value, APR_HASH_KEY_STRING);

    if (ours)
        carry(m, column, name, ours, NULL);
    else
        decide(m, remark);
}

static void map_ca(mapping_t *m)
{
    map_by_id(m, m->maps->cas, &m->out->ca, "ca", "which <EstCA> of httpd is it? --ca-map ID=NAME, or set alias.ca");
}

static void map_profile(mapping_t *m)
{
    map_by_id(m, m->maps->profiles, &m->out->profile, "profile",
              is_client(m) ? "in EJBCA each end entity has its own, here the alias has one: --profile-map ID=NAME"
                           : "which certificate_profile is it? --profile-map ID=NAME, or set alias.profile_id");
}

static void map_group(mapping_t *m)
{
    map_by_id(m, m->maps->groups, &m->out->group, "group",
              "names that it allows are rules of the profile and names of the group: --group-map ID=NAME, or set "
              "alias.group_id");
}

/* Mode ra: certificate, password, or both */
static void map_requirecert(mapping_t *m)
{
    const char *value = value_of(m, m->key), *auth;
    int password = *value_of(m, "reqpassword") != '\0';

    if (unused_in(m, 1))
        return;
    if (!is_boolean(value)) {
        decide(m, "is neither true nor false: set alias.auth_enroll");
        return;
    }
    auth = is_true(value) ? (password ? "basic-and-cert" : "cert") : password ? "basic" : NULL;
    if (!auth)
        decide(m, "EJBCA would take requests from anybody, mod_est never does: set alias.auth_enroll");
    else
        carry(m, &m->out->auth_enroll, "auth_enroll", auth,
              is_true(value) ? "administrators' certificates: an anchor of kind ra, and estctl client add --certificate"
                             : NULL);
}

/* The pair is a registered client here; the password goes with the name */
static void map_user(mapping_t *m)
{
    const char *user = value_of(m, "requsername"), *password = value_of(m, "reqpassword");

    if (unused_in(m, 1))
        return;
    m->out->client_row = m->out->rows->nelts;
    if (!*user && !*password)
        report(m, CLI_EJBCA_CARRIED, NULL, "no password is asked for");
    else if (!*user || !*password)
        decide(m, "user name and password are not both there: estctl client add");
    else if (!strncmp(password, "encv", 4))
        decide(m, "EJBCA has encrypted the password: estctl client add makes another one");
    else if (!m->maps->register_clients)
        decide(m, apr_psprintf(m->pool,
                               "--register-clients makes it a client, so does estctl client add %s --names '*'", user));
    else {
        m->out->user = user;
        m->out->password = password;
        report(m, CLI_EJBCA_CARRIED, apr_pstrcat(m->pool, "client ", user, NULL), "registered with names *");
    }
}

static void map_password(mapping_t *m)
{
    if (unused_in(m, 1))
        return;
    if (m->out->user)
        report(m, CLI_EJBCA_CARRIED, apr_pstrcat(m->pool, "client ", m->out->user, NULL), "kept as a hash");
    else if (*value_of(m, m->key))
        decide(m, "see requsername");
    else
        report(m, CLI_EJBCA_CARRIED, NULL, "no password is asked for");
}

static void map_same_key(mapping_t *m)
{
    const char *value = value_of(m, m->key);

    if (is_boolean(value))
        carry(m, &m->out->same_key, "same_key", is_true(value) ? "allow" : "forbid", NULL);
    else
        decide(m, "is neither true nor false: set alias.same_key");
}

static void map_scheme(mapping_t *m)
{
    const char *value = value_of(m, m->key), *parameters = value_of(m, "ra.namegenerationparameters");
    const char *list = attribute_list(parameters, m->pool), *scheme = NULL;

    if (unused_in(m, 1))
        return;
    if (!strcasecmp(value, "RANDOM"))
        scheme = "random";
    else if (!strcasecmp(value, "USERNAME"))
        scheme = "username";
    else if (list && (!strcasecmp(value, "DN") || !strcasecmp(value, "FIXED")))
        scheme = apr_pstrcat(m->pool, "dn:", list, NULL);
    else if (!strcasecmp(value, "FIXED") && *parameters)
        scheme = apr_pstrcat(m->pool, "fixed:", parameters, NULL);
    if (scheme)
        carry(m, &m->out->name_scheme, "name_scheme", scheme, NULL);
    else
        decide(m, "has attributes that mod_est does not know, or none: set alias.name_scheme");
}

static void map_parameters(mapping_t *m)
{
    const char *scheme = m->out->name_scheme;

    if (unused_in(m, 1))
        return;
    if (scheme && strchr(scheme, ':'))
        report(m, CLI_EJBCA_CARRIED, apr_pstrcat(m->pool, "name_scheme = ", scheme, NULL), NULL);
    else if (scheme)
        report(m, CLI_EJBCA_UNUSED, NULL, "of no effect with this scheme");
    else
        decide(m, "see ra.namegenerationscheme");
}

static void map_affix(mapping_t *m, const char **column, const char *name)
{
    if (!unused_in(m, 1))
        carry(m, column, name, value_of(m, m->key), NULL);
}

static void map_prefix(mapping_t *m)
{
    map_affix(m, &m->out->name_prefix, "name_prefix");
}

static void map_postfix(mapping_t *m)
{
    map_affix(m, &m->out->name_postfix, "name_postfix");
}

static void map_vendor(mapping_t *m)
{
    const char *value = value_of(m, m->key);

    if (!is_boolean(value)) {
        decide(m, "is neither true nor false: set alias.vendor");
    } else if (!is_true(value)) {
        carry(m, &m->out->vendor, "vendor", "off", NULL);
    } else if (is_client(m)) {
        m->out->auth_enroll = "cert";
        carry(m, &m->out->vendor, "vendor", "pattern", "auth_enroll = cert; vendor_patterns may say which devices");
    } else {
        decide(
            m,
            "with vendor certificates in mode ra a device gets its own names alone: set alias.vendor if that is meant");
    }
}

static void map_vendor_cas(mapping_t *m)
{
    if (unused_in(m, 0))
        return;
    if (*value_of(m, m->key))
        decide(m, "the certificates of these CAs are not in the export: add them to trust_anchor with kind vendor");
    else
        report(m, is_true(value_of(m, "vendorcertificatemode")) ? CLI_EJBCA_DECISION : CLI_EJBCA_CARRIED, NULL,
               "no vendor CA is named");
}

/* Mode client: where the code stands, which is what stands for a password */
static void map_module(mapping_t *m)
{
    const char *value = value_of(m, m->key), *source = NULL;

    if (unused_in(m, 0))
        return;
    if (is_true(value_of(m, "vendorcertificatemode"))) {
        report(m, CLI_EJBCA_UNUSED, NULL, "of no effect with vendor certificates");
        return;
    }
    if (!strcasecmp(value, "HttpBasicAuth"))
        source = "basic";
    else if (!strcasecmp(value, "ChallengePwd"))
        source = "challenge-password";
    else if (!strcasecmp(value, "DnPartPwd") && attribute_of(value_of(m, "extractdnpartpwdcomponent")))
        source = apr_pstrcat(m->pool, "dn:", attribute_of(value_of(m, "extractdnpartpwdcomponent")), NULL);
    if (!source) {
        decide(m, "does not say where the code is: set alias.code_source");
        return;
    }
    m->out->auth_enroll = "basic";
    carry(m, &m->out->code_source, "code_source", source,
          "auth_enroll = basic; codes are not in the export: estctl entity import");
}

static void map_username(mapping_t *m)
{
    const char *value = value_of(m, m->key), *attribute = !strcasecmp(value, "DN") ? "DN" : attribute_of(value);

    if (unused_in(m, 0))
        return;
    if (attribute)
        carry(m, &m->out->entity_from, "entity_from", attribute, NULL);
    else
        decide(m, "is no attribute that mod_est knows: set alias.entity_from");
}

static void map_code_part(mapping_t *m)
{
    const char *source = m->out->code_source;

    if (unused_in(m, 0))
        return;
    if (source && !strncmp(source, "dn:", 3))
        report(m, CLI_EJBCA_CARRIED, apr_pstrcat(m->pool, "code_source = ", source, NULL), NULL);
    else if (!strcasecmp(value_of(m, "authenticationmodule"), "DnPartPwd"))
        decide(m, "is no attribute that mod_est knows: set alias.code_source");
    else
        report(m, CLI_EJBCA_UNUSED, NULL, "of no effect with this authenticationmodule");
}

static void map_change_subject(mapping_t *m)
{
    const char *value = value_of(m, m->key);

    if (is_boolean(value))
        carry(m, &m->out->change_subject, "change_subject", is_true(value) ? "true" : "false", NULL);
    else
        decide(m, "is neither true nor false: set alias.change_subject");
}

static void map_proxy(mapping_t *m)
{
    if (is_true(value_of(m, m->key)))
        report(m, CLI_EJBCA_NONE, NULL,
               "there are no proxy CAs: let them be registration authorities (estctl client add --names '*')");
    else
        report(m, CLI_EJBCA_CARRIED, NULL, "proxy CAs are not served");
}

static void map_keygen(mapping_t *m)
{
    if (is_true(value_of(m, m->key)))
        report(m, CLI_EJBCA_NONE, NULL, "this version makes no keys for others: clients make their own");
    else
        report(m, CLI_EJBCA_CARRIED, NULL, "serverkeygen is not served");
}

/* --- the table of keys, in the order in which one may depend on another */

static const struct {
    const char *name, *initially; /* EJBCA's default */
    const char *old_name;         /* in older exports, or NULL */
    void (*map)(mapping_t *m);
} keys[] = {{"operationmode", "", NULL, map_mode},
            {"defaultca", "", NULL, map_ca},
            {"certprofile", "1", NULL, map_profile},
            {"eeprofile", "1", NULL, map_group},
            {"requirecert", "true", NULL, map_requirecert},
            {"requsername", "", NULL, map_user},
            {"reqpassword", "", NULL, map_password},
            {"allowupdatewithsamekey", "true", NULL, map_same_key},
            {"ra.namegenerationscheme", "RANDOM", NULL, map_scheme},
            {"ra.namegenerationparameters", "CN", NULL, map_parameters},
            {"ra.namegenerationprefix", "", NULL, map_prefix},
            {"ra.namegenerationpostfix", "", NULL, map_postfix},
            {"vendorcertificatemode", "false", NULL, map_vendor},
            {"vendorcaids", "", "vendorca", map_vendor_cas},
            {"authenticationmodule", "", NULL, map_module},
            {"extractusernamecomponent", "DN", NULL, map_username},
            {"extractdnpartpwdcomponent", "DN", NULL, map_code_part},
            {"allowchangesubjectname", "false", "changesubjectname", map_change_subject},
            {"supportproxyca", "false", NULL, map_proxy},
            {"severkeygenenabled", "false", NULL, map_keygen}};
#define N_KEYS (sizeof(keys) / sizeof(*keys))

static const char *value_of(const mapping_t *m, const char *key)
{
    const char *value = apr_hash_get(m->values, key, APR_HASH_KEY_STRING);

    for (size_t i = 0; !value && i < N_KEYS; i++)
        if (!strcmp(keys[i].name, key))
            value = keys[i].initially;
    return value ? value : "";
}

/* --- the export */

/* Does name end with "." and key? How many octets are in front of that, else 0 */
static size_t in_front_of(const char *name, const char *key)
{
    size_t n = strlen(name), k = key ? strlen(key) : 0;

    return key && n > k + 1 && name[n - k - 1] == '.' && !strcmp(name + n - k, key) ? n - k - 1 : 0;
}

/* Without "config.est." or "est." in front, when something is left */
static const char *without_prefix(const char *name)
{
    static const char *const prefixes[] = {"config.est.", "est."};

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
        if (!strncmp(name, prefixes[i], strlen(prefixes[i])) && name[strlen(prefixes[i])])
            return name + strlen(prefixes[i]);
    return name;
}

/* alias and key of a property's name. *key is NULL when it is none of the table; then *alias is the first part */
static void split(const char **alias, const char **key, const char *name, apr_pool_t *pool)
{
    const char *rest = without_prefix(name);

    for (size_t i = 0; i < N_KEYS; i++) {
        size_t n = in_front_of(name, keys[i].name);

        n = n ? n : in_front_of(name, keys[i].old_name);
        if (n) {
            *key = keys[i].name;
            *alias = without_prefix(apr_pstrndup(pool, name, n));
            return;
        }
    }
    *key = NULL;
    *alias = apr_pstrndup(pool, rest, strcspn(rest, "."));
}

static mapping_t *mapping_of(apr_array_header_t *all, apr_hash_t *by_name, const char *alias,
                             const cli_ejbca_maps_t *maps, apr_pool_t *pool)
{
    mapping_t *m = apr_hash_get(by_name, alias, APR_HASH_KEY_STRING);

    if (m)
        return m;
    m = apr_pcalloc(pool, sizeof(*m));
    *m = (mapping_t){
        .out = apr_pcalloc(pool, sizeof(*m->out)), .values = apr_hash_make(pool), .maps = maps, .pool = pool};
    m->out->name = alias;
    m->out->rows = apr_array_make(pool, (int)N_KEYS, sizeof(cli_ejbca_row_t));
    apr_hash_set(by_name, alias, APR_HASH_KEY_STRING, m);
    APR_ARRAY_PUSH(all, mapping_t *) = m;
    return m;
}

/* Keys that nobody knows, of aliases that there are. Their values are left out: who knows what they hold */
static void report_unknown(apr_hash_t *by_name, const apr_array_header_t *properties, apr_pool_t *pool)
{
    for (int i = 0; i < properties->nelts; i++) {
        const char *name = APR_ARRAY_IDX(properties, i, cli_property_t).key, *alias, *key;
        mapping_t *m;

        split(&alias, &key, name, pool);
        if (!key && (m = apr_hash_get(by_name, alias, APR_HASH_KEY_STRING)))
            APR_ARRAY_PUSH(m->out->rows, cli_ejbca_row_t) =
                (cli_ejbca_row_t){alias, without_prefix(name) + strlen(alias), "(not shown)", CLI_EJBCA_NONE,
                                  NULL,  "is no key of an EST alias"};
    }
}

est_err_t *cli_ejbca_read(apr_array_header_t **out, const char *text, const cli_ejbca_maps_t *maps, apr_pool_t *pool)
{
    apr_array_header_t *properties, *all = apr_array_make(pool, 4, sizeof(mapping_t *));
    apr_hash_t *by_name = apr_hash_make(pool);

    EST_TRY(cli_properties_parse(&properties, text, pool));
    for (int i = 0; i < properties->nelts; i++) {
        const cli_property_t *property = &APR_ARRAY_IDX(properties, i, cli_property_t);
        const char *alias, *key;

        split(&alias, &key, property->key, pool);
        if (key)
            apr_hash_set(mapping_of(all, by_name, alias, maps, pool)->values, key, APR_HASH_KEY_STRING,
                         property->value);
    }
    if (!all->nelts)
        return EST_FAIL(pool, file, "no key of an EST alias is there, such as est.NAME.operationmode");
    *out = apr_array_make(pool, all->nelts, sizeof(cli_ejbca_alias_t *));
    for (int i = 0; i < all->nelts; i++) {
        mapping_t *m = APR_ARRAY_IDX(all, i, mapping_t *);

        for (size_t k = 0; k < N_KEYS; k++) {
            m->key = keys[k].name;
            keys[k].map(m);
        }
        APR_ARRAY_PUSH(*out, cli_ejbca_alias_t *) = m->out;
    }
    report_unknown(by_name, properties, pool);
    return NULL;
}
