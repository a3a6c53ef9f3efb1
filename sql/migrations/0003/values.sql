-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Checks of values: attributes, templates, names of entities.

-- Subject attributes by OpenSSL's short name: those that profile_subject_rule can name
CREATE FUNCTION est.subject_attributes() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY['C', 'ST', 'L', 'O', 'OU', 'CN', 'serialNumber', 'emailAddress', 'UID', 'DC', 'SN', 'GN', 'initials',
             'title', 'generationQualifier', 'dnQualifier', 'pseudonym', 'name', 'description', 'street', 'postalCode',
             'postOfficeBox', 'telephoneNumber', 'houseIdentifier', 'businessCategory', 'organizationIdentifier',
             'jurisdictionC', 'jurisdictionST', 'jurisdictionL', 'unstructuredName', 'unstructuredAddress'];

CREATE FUNCTION est.is_attribute(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(value = ANY (est.subject_attributes()), false);

-- Text of a template: characters, \, \\ \$, and variables where there can be some. One that is not a blank comes first
CREATE FUNCTION est.template_regex(variables boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN format('(?:[^,\\$ ]|\\[,\\$]%1$s)(?:[^,\\$]|\\[,\\$]%1$s)*', CASE WHEN variables
    THEN format('|\$\{(?:entity|user|(?:csr|entity)\.(?:%s))\}', array_to_string(est.subject_attributes(), '|'))
    ELSE '' END);

-- CN=${csr.CN}, O=Example. As many attributes as a name may have: commas but for \,
CREATE FUNCTION est.is_subject(value text, variables boolean) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(length(value) <= 1000 AND NOT est.has_control(value)
    AND cardinality(string_to_array(replace(replace(value, '\\', ''), '\,', ''), ',')) <= 32
    AND value ~ format('^%1$s(?:,%1$s)*$',
    format(' *(?:%s) *= *%s', array_to_string(est.subject_attributes(), '|'), est.template_regex(variables))), false);

CREATE FUNCTION est.check_subject_template(what text, value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN value IS NULL OR est.check_that(est.is_subject(value, true), what, value,
    'ATTRIBUTE=text, up to 32 with commas, up to 1000 characters; attributes are those of profile_subject_rule, '
    'text may hold ${csr.ATTRIBUTE}, ${entity}, ${entity.ATTRIBUTE}, ${user}, and \, \\ \$');

CREATE FUNCTION est.check_subject(what text, value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN value IS NULL OR est.check_that(est.is_subject(value, false), what, value,
    'ATTRIBUTE=text, up to 32 with commas, up to 1000 characters; attributes are those of profile_subject_rule, '
    'text may hold \, \\ \$');

-- One name of a subjectAltName
CREATE FUNCTION est.check_name_template(what text, value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN value IS NULL OR est.check_that(
    octet_length(value) <= 1000 AND NOT est.has_control(value) AND value ~ ('^' || est.template_regex(true) || '$'),
    what, value, 'one name of up to 1000 bytes, which may hold ${csr.ATTRIBUTE}, ${entity}, ${entity.ATTRIBUTE}, '
    '${user}, and \, \\ \$');

CREATE FUNCTION est.is_address(value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, est, pg_temp AS $$
BEGIN
    -- Some read 010 as 8: inet_pton() takes no octet that begins with 0
    RETURN value !~ '/' AND NOT (value ~ '\.' AND value ~ '(^|[.:])0[0-9]+(\.|$)') AND value::inet IS NOT NULL;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN false;
END $$;

-- {dns:a.example,ip:10.0.0.1}
CREATE FUNCTION est.check_san(what text, names text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN names IS NULL OR est.check_that(
    cardinality(names) BETWEEN 1 AND 256 AND array_ndims(names) = 1
        AND (SELECT bool_and(coalesce(octet_length(n) <= 1024 AND NOT est.has_control(n)
                                      AND CASE WHEN n LIKE 'ip:%' THEN est.is_address(substr(n, 4))
                                               ELSE n ~ '^(dns|email|uri):[^ ]+$' END, false))
             FROM unnest(names) AS n),
    what, names::text, 'NULL (none), or 1 to 256 of dns:NAME, ip:ADDRESS, email:ADDRESS, uri:URI');

-- How an end entity is named in mode ra
CREATE FUNCTION est.check_name_scheme(what text, value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN value IS NULL OR est.check_that(CASE
        WHEN value LIKE 'dn:%' THEN (SELECT bool_and(est.is_attribute(a)) FROM unnest(est.comma_list(substr(value, 4))) AS a)
        WHEN value LIKE 'fixed:%' THEN length(value) BETWEEN 7 AND 106 AND NOT est.has_control(value)
        ELSE value IN ('username', 'random') END,
    what, value, 'dn:ATTRIBUTE (several with commas: the first that is present), username, random, '
    'fixed:TEXT (1 to 100 characters)');

CREATE FUNCTION est.check_name_affix(what text, value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN value IS NULL OR est.check_that(
    length(value) <= 100 AND NOT est.has_control(value) AND replace(value, '${RANDOM}', '') !~ '\$',
    what, value, 'up to 100 characters, no control characters, $ only in ${RANDOM}');

-- Requested extensions that a profile has a rule for
CREATE FUNCTION est.check_request_extension(what text, name text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN name IS NULL OR est.check_that(
    name IN ('keyUsage', 'extendedKeyUsage', 'tlsfeature')
        OR (est.is_dotted_oid(name) AND NOT est.is_reserved_extension(name)),
    what, name, 'keyUsage, extendedKeyUsage, tlsfeature, or the dotted OID of an extension that has no name here, that '
    'no CA power comes with and that the module does not write itself');

CREATE FUNCTION est.check_hash(what text, value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
-- The value is left out: a code that was put here by mistake would end in a log
RETURN value IS NULL OR est.check_that(value ~ '^\$2[ay]\$(0[4-9]|1[0-2])\$[./A-Za-z0-9]{53}$', what, '(not shown)',
    'a bcrypt hash $2a$ or $2y$ of cost 4 to 12, 60 characters');
