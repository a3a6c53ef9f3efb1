-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Migration 4. Run by install.sql, as est_owner, in its transaction.

\ir 0004/records.sql
\ir 0004/judge.sql
\ir 0004/record_issued.sql
\ir 0004/orders.sql
\ir 0004/maintain.sql
\ir 0004/explain.sql
\ir 0004/decisions.sql
\ir 0004/privileges.sql
