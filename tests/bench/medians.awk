# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# What table.awk and backends.awk share, before the one of them that awk is given as well: lines "CASE NAME=FIGURE ..." of
# rounds, medians of a figure over the rounds, and of the ratios of two.

/=/ {
    for (i = 2; i <= NF; i++) {
        equals = index($i, "=")
        put($1, substr($i, 1, equals - 1), substr($i, equals + 1))
    }
}

function put(what, name, value,    key) {
    key = what SUBSEP name
    values[key, ++n[key]] = value + 0
}

function median(what, name,    key, i, j, t, m) {
    key = what SUBSEP name
    m = n[key]
    if (!m)
        return 0
    for (i = 1; i <= m; i++)
        sorted[i] = values[key, i]
    for (i = 2; i <= m; i++)
        for (j = i; j > 1 && sorted[j] < sorted[j - 1]; j--) {
            t = sorted[j]; sorted[j] = sorted[j - 1]; sorted[j - 1] = t
        }
    return m % 2 ? sorted[(m + 1) / 2] : (sorted[m / 2] + sorted[m / 2 + 1]) / 2
}

# Of each round's own two figures: what slows a machine down for a while slows both
function ratio(x, y, name,    i, m) {
    m = n[x SUBSEP name] < n[y SUBSEP name] ? n[x SUBSEP name] : n[y SUBSEP name]
    for (i = 1; i <= m; i++)
        put("ratio" x y, name, values[y SUBSEP name, i] ? values[x SUBSEP name, i] / values[y SUBSEP name, i] : 0)
    return median("ratio" x y, name)
}
