# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# The table of errors: ids are stable, since people search logs and write alarms by them, and the manual lists every row.
. "$(dirname "$0")/tap.sh"

def=$top_srcdir/mod_est/base/est_err.def
ids=$top_srcdir/tests/guard/error-ids.txt
cd "$tap_scratch"

sed -n 's/^EST_ERR(\([a-z0-9_]*\), *\([0-9]*\),.*/\2 \1/p' "$def" >rows
grep -v '^#' "$ids" >known

tap "the table has rows" "$(test "$(wc -l <rows)" -gt 20 || echo "found $(wc -l <rows)")"
tap "an id stands for one error" "$(cut -d' ' -f1 rows | sort | uniq -d)"
tap "an error has one id" "$(cut -d' ' -f2 rows | sort | uniq -d)"
tap "ids of the list are unique" "$(cut -d' ' -f1 known | sort | uniq -d)"
sort known >known.sorted
tap "every id means what it always meant (a new one is appended to tests/guard/error-ids.txt)" \
    "$(sort rows | comm -23 - known.sorted)"
awk -f "$top_srcdir/build-aux/errors-doc.awk" "$def" >errors.md
tap_same "docs/errors.md is what awk -f build-aux/errors-doc.awk makes of the table" "$top_srcdir/docs/errors.md" errors.md
tap_end
