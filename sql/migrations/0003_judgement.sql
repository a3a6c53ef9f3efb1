-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Migration 3. Run by install.sql, as est_owner, in its transaction.

\ir 0003/values.sql
\ir 0003/policy.sql
\ir 0003/api_properties.sql
\ir 0003/clients.sql
\ir 0003/entities.sql
\ir 0003/records.sql
\ir 0003/findings.sql
\ir 0003/judge.sql
\ir 0003/record_issued.sql
\ir 0003/orders.sql
\ir 0003/maintain.sql
\ir 0003/explain.sql
\ir 0003/people.sql
\ir 0003/decisions.sql
\ir 0003/privileges.sql
