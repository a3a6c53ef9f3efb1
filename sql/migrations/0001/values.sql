-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Checks of values. A CHECK constraint of PostgreSQL can only say that it was violated; these functions raise an
-- error that names the column, the value and what is allowed, and otherwise return true, so that a constraint reads
-- CHECK (est.check_...('table.column', ...)). They pass NULL: whether a column may be NULL is said by NOT NULL.

-- A value as an error message may show it
CREATE FUNCTION est.shown(value text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(quote_literal(regexp_replace(left(value, 120), '[\u0001-\u001f\u007f-\u009f]', '?', 'g')), 'NULL');

CREATE FUNCTION est.check_that(ok boolean, what text, value text, allowed text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF ok THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION '% = % refused; allowed: %', what, est.shown(value), allowed USING ERRCODE = 'check_violation';
END $$;

CREATE FUNCTION est.check_one_of(what text, value text, VARIADIC allowed text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN value IS NULL OR est.check_that(value = ANY (allowed), what, value, array_to_string(allowed, ', '));

CREATE FUNCTION est.has_control(value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN value ~ '[\u0001-\u001f\u007f-\u009f\u2028\u2029]';

-- Names of profiles and groups: told from ids by not being all digits, listed with commas between
CREATE FUNCTION est.check_name(what text, value text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN value IS NULL OR est.check_that(
    value !~ '^[0-9]+$' AND value !~ ',' AND value = btrim(value) AND length(value) BETWEEN 1 AND 100
        AND NOT est.has_control(value),
    what, value, '1 to 100 characters, not all digits, without comma, control character, or blank at either end');

CREATE FUNCTION est.check_text(what text, value text, longest int) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN value IS NULL OR est.check_that(length(value) BETWEEN 1 AND longest AND NOT est.has_control(value),
    what, value, format('1 to %s characters, no control characters', longest));

-- Whole seconds: the module counts in them
CREATE FUNCTION est.check_interval(what text, value interval, shortest interval, longest interval) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN value IS NULL OR est.check_that(
    value BETWEEN shortest AND longest AND extract(epoch FROM value) = trunc(extract(epoch FROM value)),
    what, value::text, format('%s to %s, whole seconds', shortest, longest));

-- Infinity has no place in a certificate; X.509 ends with the year 9999
CREATE FUNCTION est.check_time(what text, value timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN value IS NULL OR est.check_that(
    value >= timestamptz '1970-01-01 00:00:00+00' AND value < timestamptz '10000-01-01 00:00:00+00',
    what, extract(epoch FROM value)::text, 'a time from 1970 to 9999 (shown as seconds since 1970)');

CREATE FUNCTION est.check_between(what text, value int, lowest int, highest int) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN value IS NULL OR est.check_that(value BETWEEN lowest AND highest, what, value::text,
                                       format('%s to %s', lowest, highest));

-- Patterns are anchored globs: ? one character, * any run (in DNS names: but for dots), ** any run. tests/glob.tsv is
-- the reference, for this function and for the module's.
CREATE FUNCTION est.glob_regex(pattern text, dns boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT '^(?:' || coalesce(string_agg(
        CASE token.part[1]
            WHEN '?' THEN '.'
            WHEN '*' THEN CASE WHEN dns THEN '[^.]*' ELSE '.*' END
            WHEN '**' THEN '.*'
            ELSE regexp_replace(token.part[1], '([][\\.+{}()^$|])', '\\\1', 'g')
        END, '' ORDER BY token.place), '') || ')$'
    FROM regexp_matches(pattern, '\*\*|\*|\?|[^*?]+', 'g') WITH ORDINALITY AS token (part, place));

CREATE FUNCTION est.glob_match(pattern text, value text, dns boolean) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN dns
    THEN lower(value COLLATE "C") ~ est.glob_regex(lower(pattern COLLATE "C"), true)
    ELSE value ~ est.glob_regex(pattern, false) END;

CREATE FUNCTION est.is_pattern(pattern text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(octet_length(pattern) BETWEEN 1 AND 512 AND NOT est.has_control(pattern), false);

CREATE FUNCTION est.check_patterns(what text, patterns text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN patterns IS NULL OR est.check_that(
    cardinality(patterns) BETWEEN 1 AND 1000 AND array_ndims(patterns) = 1
        AND (SELECT bool_and(est.is_pattern(p)) FROM unnest(patterns) AS p),
    what, patterns::text, '1 to 1000 patterns of 1 to 512 bytes, no control characters');

-- What a client may ask for: 'own' alone, '*' alone, or patterns
CREATE FUNCTION est.check_client_names(what text, names text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN names IS NULL OR (est.check_patterns(what, names)
    AND est.check_that(names IN (ARRAY['own'], ARRAY['*']) OR NOT names && ARRAY['own', '*'],
        what, names::text, '{own} (its own name), {*} (any name: a registration authority), or patterns; '
        'own and * stand alone'));

CREATE FUNCTION est.is_cidr(value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, est, pg_temp AS $$
BEGIN
    RETURN value::cidr IS NOT NULL;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN false;
END $$;

CREATE FUNCTION est.check_networks(what text, networks cidr[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN networks IS NULL OR est.check_that(
    cardinality(networks) BETWEEN 1 AND 1000 AND array_ndims(networks) = 1 AND array_position(networks, NULL) IS NULL,
    what, networks::text, 'NULL (any network), or 1 to 1000 networks');

-- Key types and sizes a profile allows; the limits are the ceiling that no profile lifts
CREATE FUNCTION est.is_key_rule(rule text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN rule IN ('ed25519', 'ed448') THEN true
    WHEN rule ~ '^rsa:[0-9]{4}$' THEN substr(rule, 5)::int BETWEEN 2048 AND 8192
    WHEN rule ~ '^rsa:[0-9]{4}-[0-9]{4}$' THEN substr(rule, 5, 4)::int >= 2048 AND substr(rule, 10)::int <= 8192
        AND substr(rule, 5, 4)::int <= substr(rule, 10)::int
    ELSE coalesce(rule ~ '^ec:P-(256|384|521)(,P-(256|384|521)){0,2}$', false) END;

CREATE FUNCTION est.check_keys(what text, keys text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN keys IS NULL OR est.check_that(
    cardinality(keys) BETWEEN 1 AND 16 AND array_ndims(keys) = 1
        AND (SELECT bool_and(est.is_key_rule(k)) FROM unnest(keys) AS k),
    what, keys::text, 'rsa:N or rsa:N-M with N, M from 2048 to 8192, '
    '"ec:P-256,P-384,P-521" or some of these curves, ed25519, ed448'
        || ' (a rule with a comma in double quotes)');

-- One DER value, whole: its outer length octets account for every octet
CREATE FUNCTION est.is_der(value bytea) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN value IS NULL OR octet_length(value) < 2 OR (get_byte(value, 0) & 31) = 31 THEN false
    WHEN get_byte(value, 1) < 128 THEN octet_length(value) = 2 + get_byte(value, 1)
    WHEN get_byte(value, 1) = 129 AND octet_length(value) > 3
        THEN get_byte(value, 2) >= 128 AND octet_length(value) = 3 + get_byte(value, 2)
    WHEN get_byte(value, 1) = 130 AND octet_length(value) > 4
        THEN get_byte(value, 2) > 0 AND octet_length(value) = 4 + get_byte(value, 2) * 256 + get_byte(value, 3)
    ELSE false END;
