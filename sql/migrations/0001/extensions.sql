-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Extensions of a profile, in the syntax of x509v3_config(5), behind a grammar per extension: what would make a
-- subscriber a CA, and what the module itself puts into every certificate, cannot be written here.

-- With is_reserved_extension(): one extension, one spelling, so that UNIQUE (profile_id, name) means once a profile
CREATE FUNCTION est.extension_names() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY['keyUsage', 'extendedKeyUsage', 'basicConstraints', 'certificatePolicies', 'crlDistributionPoints',
             'authorityInfoAccess', 'tlsfeature', 'noCheck', 'nsComment'];

-- OIDs that have a name above, that carry powers of a CA, or that the module writes. All of id-ce (2.5.29) but two
CREATE FUNCTION est.is_reserved_extension(oid text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
-- 9: subjectDirectoryAttributes, 16: privateKeyUsagePeriod
RETURN (oid LIKE '2.5.29.%' AND oid NOT IN ('2.5.29.9', '2.5.29.16'))
    OR oid IN ('1.3.6.1.5.5.7.1.1', '1.3.6.1.5.5.7.1.24',              -- authorityInfoAccess, tlsfeature
               '1.3.6.1.5.5.7.1.7', '1.3.6.1.5.5.7.1.8',               -- RFC 3779 address and AS resources
               '1.3.6.1.5.5.7.1.11',                                   -- subjectInfoAccess (caRepository)
               '1.3.6.1.5.5.7.1.14',                                   -- RFC 3820 proxy certificates
               '1.3.6.1.5.5.7.1.28', '1.3.6.1.5.5.7.1.29',             -- RFC 8360 resources
               '1.3.6.1.5.5.7.48.1.5',                                 -- noCheck
               '1.3.6.1.4.1.11129.2.4.3',                              -- RFC 6962 precertificate poison
               '2.16.840.1.113730.1.1', '2.16.840.1.113730.1.13');     -- Netscape certificate type (CA bits), nsComment

CREATE FUNCTION est.is_dotted_oid(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(value ~ '^([01]\.(0|[1-9]|[1-3][0-9])|2\.(0|[1-9][0-9]{0,8}))(\.(0|[1-9][0-9]{0,17})){1,30}$', false);

-- Text that stays text wherever a configuration parser might see it
CREATE FUNCTION est.check_conf_text(what text, value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN value IS NULL OR est.check_that(
    length(value) BETWEEN 1 AND 4096 AND value = btrim(value) AND NOT est.has_control(value)
        AND value !~ '\$' AND value !~* '\.(include|pragma)',
    what, value,
    '1 to 4096 characters on one line, no $, .include, .pragma, control character, or blank at either end');

CREATE FUNCTION est.comma_list(value text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN regexp_split_to_array(value, '\s*,\s*');

-- Every item passes, and none stands there twice
CREATE FUNCTION est.check_list(what text, value text, item_regex text, allowed text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN est.check_that(
    (SELECT bool_and(item ~ ('^(?:' || item_regex || ')$')) AND count(*) = count(DISTINCT item)
     FROM unnest(est.comma_list(value)) AS item),
    what, value, allowed || '; separated by commas, none twice');

CREATE FUNCTION est.check_key_usage(what text, value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN est.check_list(what, value,
        'digitalSignature|nonRepudiation|keyEncipherment|dataEncipherment|keyAgreement|encipherOnly|decipherOnly',
        'digitalSignature, nonRepudiation, keyEncipherment, dataEncipherment, keyAgreement, encipherOnly, decipherOnly'
            || ' (keyCertSign and cRLSign are for CAs)')
    -- RFC 5280 4.2.1.3: undefined without keyAgreement, and contradictory together
    AND est.check_that(NOT est.comma_list(value) && ARRAY['encipherOnly', 'decipherOnly']
            OR ('keyAgreement' = ANY (est.comma_list(value))
                AND NOT est.comma_list(value) @> ARRAY['encipherOnly', 'decipherOnly']),
        what, value, 'encipherOnly or decipherOnly, not both, together with keyAgreement');

CREATE FUNCTION est.check_extended_key_usage(what text, value text, critical boolean) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN est.check_list(what, value,
        'serverAuth|clientAuth|codeSigning|emailProtection|timeStamping|OCSPSigning|ipsecIKE|ipsecEndSystem'
            || '|ipsecTunnel|ipsecUser|msCodeInd|msCodeCom|msCTLSign|msEFS|msSmartcardLogin|cmcRA|anyExtendedKeyUsage|[0-9.]+',
        'serverAuth, clientAuth, codeSigning, emailProtection, timeStamping, OCSPSigning, ipsecIKE, ipsecEndSystem,'
            || ' ipsecTunnel, ipsecUser, msCodeInd, msCodeCom, msCTLSign, msEFS, msSmartcardLogin, cmcRA,'
            || ' anyExtendedKeyUsage, dotted OIDs')
    AND est.check_that(
        (SELECT bool_and(item !~ '^[0-9.]+$' OR (est.is_dotted_oid(item) AND item <> '1.3.6.1.5.5.7.3.27'))
         FROM unnest(est.comma_list(value)) AS item),
        what, value, 'well-formed dotted OIDs, not cmcCA (1.3.6.1.5.5.7.3.27)')
    -- RFC 5280 4.2.1.12: anyExtendedKeyUsage should not be critical
    AND est.check_that(NOT critical OR NOT est.comma_list(value) && ARRAY['anyExtendedKeyUsage', '2.5.29.37.0'],
        what, value, 'anyExtendedKeyUsage only where the extension is not critical');

CREATE FUNCTION est.is_section_reference(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(value ~ '^@[A-Za-z0-9_]{1,64}$', false);

-- A dotted OID: its value as DER, or as one simple ASN.1 type
CREATE FUNCTION est.check_generic_extension(what text, value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN est.check_that(
    CASE WHEN value ~ '^DER:[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2})*$'
        THEN est.is_der(decode(replace(substr(value, 5), ':', ''), 'hex'))
    ELSE value ~ '^ASN1:(NULL|BOOLEAN:(TRUE|FALSE)|INTEGER:-?[0-9]{1,18}|(UTF8String|IA5STRING|PRINTABLESTRING):[ -~]+)$' END,
    what, value, 'DER: and one DER value in hexadecimal; ASN1:NULL, ASN1:BOOLEAN:TRUE or FALSE, ASN1:INTEGER:n, or'
        || ' ASN1:UTF8String:, ASN1:IA5STRING:, ASN1:PRINTABLESTRING: and text in ASCII');

CREATE FUNCTION est.check_extension_name(what text, name text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN name IS NULL OR est.check_that(
    name = ANY (est.extension_names()) OR (est.is_dotted_oid(name) AND NOT est.is_reserved_extension(name)),
    what, name, array_to_string(est.extension_names(), ', ')
        || ', or the dotted OID of an extension that has no name here, that no'
        || ' CA power comes with and that the module does not write itself'
        || ' (subject and authority key identifier, subjectAltName)');

CREATE FUNCTION est.check_extension(name text, critical boolean, value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    what text := format('profile_extension.value of %s', name);
    uri text := 'URI:(https?|ldaps?)://[!-+.-~-]+';
BEGIN
    IF NOT est.check_extension_name('profile_extension.name', name) OR NOT est.check_conf_text(what, value) THEN
        RETURN false;
    END IF;
    CASE name
    WHEN 'keyUsage' THEN
        RETURN est.check_key_usage(what, value);
    WHEN 'extendedKeyUsage' THEN
        RETURN est.check_extended_key_usage(what, value, critical);
    WHEN 'basicConstraints' THEN
        RETURN est.check_one_of(what, value, 'CA:FALSE');
    WHEN 'certificatePolicies' THEN
        RETURN est.check_list(what, value, 'anyPolicy|[012](\.[0-9]+)+|@[A-Za-z0-9_]{1,64}',
                              'dotted OIDs, anyPolicy, @section')
            AND est.check_that((SELECT bool_and(est.is_dotted_oid(item)) FROM unnest(est.comma_list(value)) AS item
                                WHERE item ~ '^[0-9]') IS NOT FALSE, what, value, 'well-formed dotted OIDs');
    WHEN 'crlDistributionPoints' THEN
        RETURN est.is_section_reference(value) OR est.check_list(what, value, uri,
            'URI:http://..., https, ldap or ldaps; or one @section alone');
    WHEN 'authorityInfoAccess' THEN
        -- RFC 5280 4.2.2.1
        RETURN est.check_that(NOT critical, 'profile_extension.critical of authorityInfoAccess', critical::text,
                              'false')
            AND (est.is_section_reference(value) OR est.check_list(what, value,
                '(OCSP|caIssuers);' || uri,
                'OCSP;URI:http://... and caIssuers;URI:http://..., https, ldap or ldaps; or one @section alone'));
    WHEN 'tlsfeature' THEN
        RETURN est.check_list(what, value, 'status_request|status_request_v2', 'status_request, status_request_v2');
    WHEN 'noCheck' THEN
        RETURN est.check_one_of(what, value, 'ignored');
    WHEN 'nsComment' THEN
        RETURN est.check_that(value ~ '^[ -~]{1,200}$', what, value, '1 to 200 characters of ASCII');
    ELSE
        RETURN est.check_generic_extension(what, value);
    END CASE;
END $$;

CREATE TABLE est.profile_extension (
    id         int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    profile_id int NOT NULL REFERENCES est.certificate_profile ON DELETE CASCADE,
    position   int NOT NULL DEFAULT 0,
    name       text NOT NULL,
    critical   boolean NOT NULL DEFAULT false,
    value      text NOT NULL,
    UNIQUE (profile_id, name),
    CHECK (est.check_extension(name, critical, value))
);

-- name = value lines of a section that an extension refers to as @section; its lines keep their order
CREATE TABLE est.profile_extension_section (
    id         int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    profile_id int NOT NULL REFERENCES est.certificate_profile ON DELETE CASCADE,
    section    text NOT NULL
        CHECK (est.check_that(section ~ '^[A-Za-z0-9_]{1,64}$', 'profile_extension_section.section', section,
                   '1 to 64 letters, digits and _ (without the @)')),
    position   int NOT NULL DEFAULT 0,
    name       text NOT NULL CHECK (est.check_that(
                   name ~ '^(policyIdentifier|(CPS|userNotice|URI|(OCSP|caIssuers);URI)(\.[0-9]{1,3})?|explicitText|organization|noticeNumbers)$',
                   'profile_extension_section.name', name,
                   'policyIdentifier, CPS.n, userNotice.n; explicitText, organization, noticeNumbers; '
                   'URI.n; OCSP;URI.n, caIssuers;URI.n')),
    value      text NOT NULL CHECK (est.check_conf_text('profile_extension_section.value', value)),
    UNIQUE (profile_id, section, name)
);

-- What a line of a section may be, by what the section is for
CREATE FUNCTION est.check_section_line(kind text, section text, name text, value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    what text := format('profile_extension_section.value of [%s] %s', section, name);
    word text := regexp_replace(name, '\.[0-9]+$', '');
BEGIN
    IF kind = 'certificatePolicies' AND word = 'policyIdentifier' THEN
        RETURN est.check_that(value = 'anyPolicy' OR est.is_dotted_oid(value), what, value,
                              'a dotted OID, or anyPolicy');
    ELSIF kind = 'certificatePolicies' AND word = 'userNotice' THEN
        RETURN est.check_that(est.is_section_reference(value), what, value, '@section');
    ELSIF kind = 'user notice' AND word IN ('explicitText', 'organization') THEN
        -- RFC 5280 4.2.1.4: DisplayText of at most 200 characters
        RETURN est.check_that(length(value) <= 200, what, value, 'at most 200 characters');
    ELSIF kind = 'user notice' AND word = 'noticeNumbers' THEN
        RETURN est.check_list(what, value, '[0-9]{1,9}', 'numbers');
    ELSIF (kind = 'certificatePolicies' AND word = 'CPS') OR (kind = 'crlDistributionPoints' AND word = 'URI')
       OR (kind = 'authorityInfoAccess' AND word IN ('OCSP;URI', 'caIssuers;URI')) THEN
        RETURN est.check_that(value ~ '^(https?|ldaps?)://[!-~]+$', what, value, 'a URI of http, https, ldap or ldaps');
    END IF;
    RETURN est.check_that(false, 'profile_extension_section.name in [' || section || ']', name, CASE kind
        WHEN 'certificatePolicies' THEN 'policyIdentifier, CPS.n, userNotice.n'
        WHEN 'user notice' THEN 'explicitText, organization, noticeNumbers'
        WHEN 'crlDistributionPoints' THEN 'URI.n'
        ELSE 'OCSP;URI.n, caIssuers;URI.n' END || ' (the section is for ' || kind || ')');
END $$;

-- One section that is used as kind: it exists, every line fits, and what belongs together is together
CREATE FUNCTION est.check_section(profile int, reference text, kind text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    line record;
    seen text[] := '{}';
BEGIN
    FOR line IN SELECT s.section, s.name, s.value FROM est.profile_extension_section s
                WHERE s.profile_id = profile AND '@' || s.section = reference ORDER BY s.position, s.id LOOP
        PERFORM est.check_section_line(kind, line.section, line.name, line.value);
        seen := seen || line.name;
        IF kind = 'certificatePolicies' AND line.name LIKE 'userNotice%' THEN
            PERFORM est.check_section(profile, line.value, 'user notice');
        END IF;
    END LOOP;
    PERFORM est.check_that(seen <> '{}', 'profile_extension: ' || kind, reference,
        'a section that has rows in profile_extension_section of the same profile');
    PERFORM est.check_that(kind <> 'certificatePolicies' OR 'policyIdentifier' = ANY (seen),
                           'profile_extension: ' || kind, reference,
        'a section with a policyIdentifier');
    PERFORM est.check_that(kind <> 'user notice' OR ('organization' = ANY (seen)) = ('noticeNumbers' = ANY (seen)),
        'profile_extension: ' || kind, reference, 'a section with organization and noticeNumbers both, or neither');
END $$;

-- Extension and section are rows of two tables: judged together, at commit
CREATE FUNCTION est.sections_fit() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    used record;
BEGIN
    FOR used IN
        SELECT DISTINCT x.profile_id, x.name, item
        FROM est.profile_extension x, unnest(est.comma_list(x.value)) AS item
        WHERE x.name IN ('certificatePolicies', 'crlDistributionPoints', 'authorityInfoAccess') AND item LIKE '@%'
          AND (x.profile_id = NEW.profile_id OR x.profile_id = OLD.profile_id) LOOP
        PERFORM est.check_section(used.profile_id, used.item, used.name);
    END LOOP;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER sections_fit AFTER INSERT OR UPDATE ON est.profile_extension
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION est.sections_fit();
CREATE CONSTRAINT TRIGGER sections_fit AFTER INSERT OR UPDATE OR DELETE ON est.profile_extension_section
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION est.sections_fit();
