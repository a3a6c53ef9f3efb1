# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# Lines of "enrolments pid kB" as a table, the growth over the last half, and a verdict (the exit status).
#
# The line of least squares through the samples of the last half is what counts, over all children: single samples jump by
# what malloc has just got or given back. The smallest object that can leak takes 32 octets with malloc's header.

BEGIN { limit = 16; enough = 90000 }

# Before the static files
$1 == "static" {
    start[$2] = $3
    next
}

{
    if (!($1 in row)) { row[$1] = ++n_rows; at[n_rows] = $1 }
    if (!($2 in column)) { column[$2] = ++n_columns; pid[n_columns] = $2 }
    kb[row[$1], column[$2]] = $3
    if ($2) children[row[$1]] += $3
}

# kB per enrolment of a column (0: all children) over the rows from first on
function slope(c, first,    i, x, y, sx, sy, sxx, sxy, m) {
    for (i = first; i <= n_rows; i++) {
        x = at[i]; y = c ? kb[i, c] : children[i]
        sx += x; sy += y; sxx += x * x; sxy += x * y; m++
    }
    return (m * sxy - sx * sy) / (m * sxx - sx * sx)
}

END {
    printf "%10s", "enrolments"
    for (c = 1; c <= n_columns; c++)
        printf " %12s", pid[c] ? "child " pid[c] : "parent"
    printf "\n%10s", "start"
    for (c = 1; c <= n_columns; c++)
        printf " %12s", start[pid[c]]
    print ""
    for (i = 1; i <= n_rows; i++) {
        printf "%10d", at[i]
        for (c = 1; c <= n_columns; c++) {
            if (!((i, c) in kb)) changed = 1
            printf " %12s", (i, c) in kb ? kb[i, c] : "-"
        }
        print ""
    }
    if (changed) {
        print "children came or went: nothing can be said"
        exit 1
    }
    half = int((n_rows + 1) / 2)
    for (c = 1; c <= n_columns; c++)
        printf "%s: %+d kB over the last %d enrolments (%+.1f %%)\n", pid[c] ? "child " pid[c] : "parent", \
            kb[n_rows, c] - kb[half, c], at[n_rows] - at[half], 100 * (kb[n_rows, c] - kb[half, c]) / kb[half, c]
    growth = slope(0, half) * 1024
    printf "all children: %+.1f octets an enrolment (slope over the last half): ", growth
    if (at[n_rows] < enough) {
        printf "not judged, %d enrolments are too few\n", at[n_rows]
        exit 0
    }
    printf "%s (limit %d)\n", growth <= limit ? "flat" : "GROWING", limit
    exit growth > limit
}
