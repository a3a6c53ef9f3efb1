# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# The conformance table, the tests and docs/conformance.md agree; see build-aux/conformance.py.
exec /usr/bin/python3 "$top_srcdir/build-aux/conformance.py" check
