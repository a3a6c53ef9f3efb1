-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Who may do what.

-- People
GRANT SELECT ON est.forwarded TO est_admin;
GRANT EXECUTE ON FUNCTION est.give_up(text, text) TO est_admin;

-- httpd
GRANT EXECUTE ON FUNCTION
    est.order_open(uuid, int, bigint, text, text, text, int, bigint, inet, bytea, text, text, bytea, bytea, int, text,
                   text[], bytea, bytea, bytea, text, bigint, bigint, text[], text, int),
    est.order_forwarded(uuid, int, text, text, bytea, int, text, text, bytea)
    TO est_module;
