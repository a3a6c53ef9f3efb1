# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# The manual and the annotated configuration describe exactly the directives that there are.
. "$(dirname "$0")/tap.sh"

cd "$tap_scratch"
sed -n 's/^EST_DIRECTIVE(\([A-Za-z]*\),.*/\1/p' "$top_srcdir/mod_est/httpd/est_directives.def" >rows
tap "the table has rows" "$(test -s rows || echo none)"
{ cat rows && echo EstCA; } | sort >table # the container itself has no value, hence no row
# The first line of a directive's description names it and its context
sed -n 's/^ *# <\{0,1\}\(Est[A-Z][A-Za-z]*\).* context: .*/\1/p' "$top_srcdir/conf/est.conf" | sort >conf
tap_same "conf/est.conf describes each directive once" table conf
sed -n 's/^#\{2,\} .*\(Est[A-Z][A-Za-z]*\).*/\1/p' "$top_srcdir/docs/directives.md" | sort >manual
tap_same "docs/directives.md has a heading for each directive" table manual
sed -n 's/^ *#\{0,1\}<\{0,1\}\(Est[A-Z][A-Za-z]*\).*/\1/p' "$top_srcdir/conf/est.conf" | sort -u >used
tap "conf/est.conf has a line of each directive, active or commented out" "$(sort -u table | comm -23 - used)"
tap_end
