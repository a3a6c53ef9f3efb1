-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Migration 1. Run by install.sql, as est_owner, in its transaction.

\ir 0001/values.sql
\ir 0001/policy.sql
\ir 0001/extensions.sql
\ir 0001/clients.sql
\ir 0001/records.sql
\ir 0001/record_issued.sql
\ir 0001/changes.sql
\ir 0001/api_properties.sql
\ir 0001/people.sql
\ir 0001/privileges.sql
