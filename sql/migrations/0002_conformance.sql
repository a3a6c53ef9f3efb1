-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Migration 2. Run by install.sql, as est_owner, in its transaction.

\ir 0002/compat.sql
\ir 0002/blocked_keys.sql
\ir 0002/record_issued.sql
