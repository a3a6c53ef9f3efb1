-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Policy: groups, certificate profiles with their rules, aliases, trust anchors. The module keeps a copy of all of it
-- in memory.

-- Whose entities: limits of names that hold whatever a profile says
CREATE TABLE est.entity_group (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE CHECK (est.check_name('entity_group.name', name)),
    names       text[] NOT NULL DEFAULT '{**}' CHECK (est.check_patterns('entity_group.names', names)),
    description text CHECK (est.check_text('entity_group.description', description, 1000))
);

-- What a certificate may be
CREATE TABLE est.certificate_profile (
    id            int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL UNIQUE CHECK (est.check_name('certificate_profile.name', name)),
    validity      interval NOT NULL DEFAULT '365 days'
                  CHECK (est.check_interval('certificate_profile.validity', validity, '1 minute', '100 years')),
    backdate      interval NOT NULL DEFAULT '5 minutes'
                  CHECK (est.check_interval('certificate_profile.backdate', backdate, '0', '31 days')),
    latest_end    timestamptz CHECK (est.check_time('certificate_profile.latest_end', latest_end)),
    beyond_ca     text NOT NULL DEFAULT 'cap'
                  CHECK (est.check_one_of('certificate_profile.beyond_ca', beyond_ca, 'cap', 'refuse')),
    keys          text[] NOT NULL DEFAULT '{rsa:2048-8192,"ec:P-256,P-384,P-521"}'
                  CHECK (est.check_keys('certificate_profile.keys', keys)),
    digest        text NOT NULL DEFAULT 'default'
                  CHECK (est.check_one_of('certificate_profile.digest', digest, 'default', 'sha256', 'sha384',
                                          'sha512')),
    dns_wildcards boolean NOT NULL DEFAULT false,
    subject_other text NOT NULL DEFAULT 'refuse'
                  CHECK (est.check_one_of('certificate_profile.subject_other', subject_other, 'refuse', 'drop')),
    san_other     text NOT NULL DEFAULT 'refuse'
                  CHECK (est.check_one_of('certificate_profile.san_other', san_other, 'refuse', 'drop')),
    description   text CHECK (est.check_text('certificate_profile.description', description, 1000))
);

-- Attributes of the subject, by OpenSSL's short name. One without a row: subject_other of the profile
CREATE TABLE est.profile_subject_rule (
    id           int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    profile_id   int NOT NULL REFERENCES est.certificate_profile ON DELETE CASCADE,
    attribute    text NOT NULL CHECK (est.check_one_of('profile_subject_rule.attribute', attribute,
                     'C', 'ST', 'L', 'O', 'OU', 'CN', 'serialNumber', 'emailAddress', 'UID', 'DC', 'SN', 'GN',
                     'initials', 'title', 'generationQualifier', 'dnQualifier', 'pseudonym', 'name', 'description',
                     'street', 'postalCode', 'postOfficeBox', 'telephoneNumber', 'houseIdentifier',
                     'businessCategory', 'organizationIdentifier', 'jurisdictionC', 'jurisdictionST', 'jurisdictionL',
                     'unstructuredName', 'unstructuredAddress')),
    required     boolean NOT NULL DEFAULT false,
    pattern      text NOT NULL DEFAULT '**' CHECK (est.check_patterns('profile_subject_rule.pattern', ARRAY[pattern])),
    max_count    int NOT NULL DEFAULT 1 CHECK (est.check_between('profile_subject_rule.max_count', max_count, 1, 32)),
    on_violation text NOT NULL DEFAULT 'refuse'
                 CHECK (est.check_one_of('profile_subject_rule.on_violation', on_violation, 'refuse', 'drop')),
    UNIQUE (profile_id, attribute)
);

-- Types of subjectAltName, several rows a type for several patterns. A type without a row: san_other of the profile
CREATE TABLE est.profile_san_rule (
    id           int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    profile_id   int NOT NULL REFERENCES est.certificate_profile ON DELETE CASCADE,
    type         text NOT NULL CHECK (est.check_one_of('profile_san_rule.type', type, 'dns', 'ip', 'uri', 'email')),
    required     boolean NOT NULL DEFAULT false,
    pattern      text NOT NULL DEFAULT '**' CHECK (est.check_patterns('profile_san_rule.pattern', ARRAY[pattern])),
    max_count    int NOT NULL DEFAULT 1 CHECK (est.check_between('profile_san_rule.max_count', max_count, 1, 256)),
    on_violation text NOT NULL DEFAULT 'refuse'
                 CHECK (est.check_one_of('profile_san_rule.on_violation', on_violation, 'refuse', 'drop')),
    UNIQUE (profile_id, type, pattern),
    CHECK (type <> 'ip' OR est.check_that(pattern = '**' OR est.is_cidr(pattern), 'profile_san_rule.pattern', pattern,
           'for type ip a network such as 10.0.0.0/8 or 2001:db8::/32, or ** for any'))
);

-- A path label and all that holds for it. NULL profile or ca: not set yet, nothing is issued there
CREATE TABLE est.alias (
    id                int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name              text NOT NULL UNIQUE,
    enabled           boolean NOT NULL DEFAULT true,
    mode              text NOT NULL DEFAULT 'ra' CHECK (est.check_one_of('alias.mode', mode, 'ra')),
    profile_id        int REFERENCES est.certificate_profile ON DELETE RESTRICT,
    profile_active    boolean NOT NULL DEFAULT true,
    group_id          int NOT NULL DEFAULT 1 REFERENCES est.entity_group ON DELETE RESTRICT,
    group_active      boolean NOT NULL DEFAULT true,
    ca                text CHECK (est.check_that(ca IS NULL OR ca ~ '^[A-Za-z0-9_-]{1,64}$', 'alias.ca', ca,
                          'the name of an <EstCA>: 1 to 64 letters, digits, _ and -')),
    auth_enroll       text NOT NULL DEFAULT 'basic-or-cert'
                      CHECK (est.check_one_of('alias.auth_enroll', auth_enroll, 'basic', 'cert', 'basic-or-cert',
                                              'basic-and-cert')),
    auth_reenroll     text NOT NULL DEFAULT 'cert'
                      CHECK (est.check_one_of('alias.auth_reenroll', auth_reenroll, 'cert')),
    auth_cacerts      boolean NOT NULL DEFAULT false,
    binding           text NOT NULL DEFAULT 'if-present'
                      CHECK (est.check_one_of('alias.binding', binding, 'if-present', 'required', 'off')),
    idempotency       interval NOT NULL DEFAULT '10 minutes'
                      CHECK (est.check_interval('alias.idempotency', idempotency, '0', '1 day')),
    unknown_holder    text NOT NULL DEFAULT 'refuse'
                      CHECK (est.check_one_of('alias.unknown_holder', unknown_holder, 'refuse', 'accept')),
    other_users       text NOT NULL DEFAULT 'refuse'
                      CHECK (est.check_one_of('alias.other_users', other_users, 'refuse', 'group')),
    enroll_chain      boolean NOT NULL DEFAULT false,
    base64            text NOT NULL DEFAULT 'auto'
                      CHECK (est.check_one_of('alias.base64', base64, 'auto', 'line', 'wrap')),
    transfer_encoding boolean NOT NULL DEFAULT true,
    reason_text       boolean NOT NULL DEFAULT true,
    description       text CHECK (est.check_text('alias.description', description, 1000)),
    CHECK (est.check_that(name ~ '^[A-Za-z0-9_-]{1,64}$', 'alias.name', name, '1 to 64 letters, digits, _ and -')),
    -- RFC 7030 3.2.2: a label must not be an operation; also those of RFC 8295, RFC 9148 and RFC 8995. ca: keys
    -- est.ca.* of api_properties
    CHECK (est.check_that(lower(name) NOT IN (
               'cacerts', 'simpleenroll', 'simplereenroll', 'fullcmc', 'serverkeygen', 'csrattrs',
               'pal', 'eecerts', 'crls', 'symmetrickeys', 'firmware', 'tamp', 'return',
               'crts', 'sen', 'sren', 'skg', 'skc', 'att',
               'requestvoucher', 'voucher_status', 'requestauditlog', 'enrollstatus', 'ca'),
           'alias.name', name, 'a label that is not the name of an EST operation and not ca'))
);

-- CA certificates besides that of the alias's own <EstCA>: a holder of a certificate under an anchor may use it at
-- this alias. helper: an intermediate that completes chains and is itself trusted for nothing
CREATE TABLE est.trust_anchor (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alias_id    int NOT NULL REFERENCES est.alias ON DELETE CASCADE,
    kind        text NOT NULL DEFAULT 'holder' CHECK (est.check_one_of('trust_anchor.kind', kind, 'holder')),
    use         text NOT NULL DEFAULT 'anchor' CHECK (est.check_one_of('trust_anchor.use', use, 'anchor', 'helper')),
    certificate bytea NOT NULL CHECK (est.check_that(est.is_der(certificate) AND get_byte(certificate, 0) = 48,
                    'trust_anchor.certificate', left(encode(certificate, 'escape'), 40),
                    'one certificate in DER (est.pem_to_der() makes it of PEM)')),
    subject     text CHECK (est.check_text('trust_anchor.subject', subject, 1000)),
    comment     text CHECK (est.check_text('trust_anchor.comment', comment, 1000))
);
CREATE UNIQUE INDEX trust_anchor_certificate_key ON est.trust_anchor (alias_id, kind, sha256(certificate));

CREATE FUNCTION est.pem_to_der(pem text) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    body text := substring(pem FROM '^\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*$');
BEGIN
    IF body IS NULL THEN
        RAISE EXCEPTION 'pem = % refused; allowed: exactly one CERTIFICATE block', est.shown(pem)
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN decode(body, 'base64');
END $$;

-- group 1 and alias est are what the two published keys of api_properties speak of
INSERT INTO est.entity_group (name, description) VALUES ('default', 'entities of any name');
INSERT INTO est.alias (name, description) VALUES ('est', 'the path without a label');

-- A foreign key would refuse too, but would not say what to do
CREATE FUNCTION est.profile_in_use() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    users text := (SELECT string_agg(quote_literal(a.name), ', ' ORDER BY a.name) FROM est.alias a
                   WHERE a.profile_id = OLD.id);
BEGIN
    IF users IS NOT NULL THEN
        RAISE EXCEPTION 'certificate_profile % is used by alias %', quote_literal(OLD.name), users
            USING ERRCODE = 'foreign_key_violation', HINT = 'Give the alias another profile first.';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER in_use BEFORE DELETE ON est.certificate_profile FOR EACH ROW EXECUTE FUNCTION est.profile_in_use();

CREATE FUNCTION est.group_in_use() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    users text;
BEGIN
    IF OLD.id = 1 AND (TG_OP = 'DELETE' OR NEW.name <> OLD.name) THEN
        RAISE EXCEPTION 'entity_group ''default'' can be neither deleted nor renamed'
            USING ERRCODE = 'restrict_violation';
    ELSIF TG_OP = 'UPDATE' THEN
        RETURN NEW;
    END IF;
    users := (SELECT 'alias ' || string_agg(quote_literal(a.name), ', ' ORDER BY a.name) FROM est.alias a
              WHERE a.group_id = OLD.id);
    IF users IS NULL AND EXISTS (SELECT FROM est.client_group m WHERE m.group_id = OLD.id) THEN
        users := 'clients';
    ELSIF users IS NULL AND EXISTS (SELECT FROM est.end_entity e WHERE e.group_id = OLD.id) THEN
        users := 'end entities';
    END IF;
    IF users IS NOT NULL THEN
        RAISE EXCEPTION 'entity_group % is used by %', quote_literal(OLD.name), users
            USING ERRCODE = 'foreign_key_violation',
                  HINT = 'Move aliases and clients to another group first; end entities keep their group.';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER in_use BEFORE DELETE OR UPDATE OF name ON est.entity_group FOR EACH ROW
    EXECUTE FUNCTION est.group_in_use();

CREATE FUNCTION est.alias_stays() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, est, pg_temp AS $$
BEGIN
    IF OLD.name = 'est' AND (TG_OP = 'DELETE' OR NEW.name <> 'est') THEN
        RAISE EXCEPTION 'alias ''est'' serves the path without a label and can be neither deleted nor renamed'
            USING ERRCODE = 'restrict_violation', HINT = 'UPDATE est.alias SET enabled = false WHERE name = ''est''';
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
CREATE TRIGGER stays BEFORE DELETE OR UPDATE OF name ON est.alias FOR EACH ROW EXECUTE FUNCTION est.alias_stays();
