-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- est.glob_match() against the shared table

\set ON_ERROR_STOP on
BEGIN;
SET search_path = est, public;
SELECT no_plan();

-- One column: COPY's own reading of backslashes and quotes is off the way
CREATE TEMP TABLE line (n int GENERATED ALWAYS AS IDENTITY, t text);
\copy line (t) FROM '../glob.tsv' WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02', ESCAPE E'\x02', NULL E'\x03')

SELECT cmp_ok(count(*)::int, '>=', 100, 'glob.tsv has its rows') FROM line WHERE t NOT LIKE '# %';
SELECT is(count(*)::int, 0, 'every row of glob.tsv has five columns') FROM line
    WHERE t NOT LIKE '# %' AND cardinality(string_to_array(t, E'\t')) <> 5;
SELECT is(est.glob_match(c[1], c[2], c[3]::boolean), c[4]::boolean, format('glob %s ~ %s dns=%s: %s', c[1], c[2], c[3], c[5]))
    FROM line, string_to_array(t, E'\t') AS c WHERE t NOT LIKE '# %' ORDER BY n;

SELECT * FROM finish();
ROLLBACK;
