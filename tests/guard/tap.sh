# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# TAP for the guards; to be sourced. `make check` sets top_srcdir and top_builddir.
set -eu
: "${top_srcdir:?is set by make check}" "${top_builddir:?is set by make check}"
export LC_ALL=C.UTF-8
tap_count=0
tap_status=0
tap_scratch=$(mktemp -d)
trap 'rm -rf "$tap_scratch"' EXIT

# tap NAME FINDINGS: one test, which passes when there are no findings; they are printed otherwise
tap()
{
    tap_count=$((tap_count + 1))
    if test -z "$2"; then
        printf 'ok %d - %s\n' "$tap_count" "$1"
    else
        printf 'not ok %d - %s\n' "$tap_count" "$1"
        printf '%s\n' "$2" | sed 's/^/# /'
        tap_status=1
    fi
}

# tap_same NAME EXPECTED-FILE FILE: findings are the difference
tap_same()
{
    tap "$1" "$(diff -u "$2" "$3" 2>&1 || :)"
}

tap_end()
{
    printf '1..%d\n' "$tap_count"
    exit "$tap_status"
}
