# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# The lines of build/bench/results.txt as a table of medians over the rounds, ratios and shares.

BEGIN {
    n_cases = split("a A b c d e f g", order, " ")
    title["a"] = "(a) static file 1.5 kB, new connection"
    title["A"] = "    the same with a client certificate"
    title["b"] = "(b) cacerts, new connection"
    title["c"] = "(c) simpleenroll, new connection"
    title["d"] = "(d) the same with a client certificate"
    title["e"] = "(e) simpleenroll, kept connection"
    title["f"] = "(f) static file 1.5 kB, kept connection"
    title["g"] = "(g) cacerts, kept connection"
}

$1 == "pki" {
    put("pki", $2, $3)
    next
}

{
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
    for (i = 2; i <= m; i++)
        for (j = i; j > 1 && values[key, j] < values[key, j - 1]; j--) {
            t = values[key, j]; values[key, j] = values[key, j - 1]; values[key, j - 1] = t
        }
    if (!m)
        return 0
    return m % 2 ? values[key, (m + 1) / 2] : (values[key, m / 2] + values[key, m / 2 + 1]) / 2
}

# Of each round's own two figures: what slows a machine down for a while slows both
function ratio(x, y, name,    kx, ky, i, m) {
    kx = x SUBSEP name; ky = y SUBSEP name
    m = n[kx] < n[ky] ? n[kx] : n[ky]
    for (i = 1; i <= m; i++)
        put("ratio" x y, name, values[ky, i] ? values[kx, i] / values[ky, i] : 0)
    return median("ratio" x y, name)
}

function verdict(name, value, target) {
    printf "%-58s %6.2f   target at most %.2f: %s\n", name, value, target, value <= target ? "met" : "MISSED"
}

function shares(x,    httpd, pg, all, verify, sign, other) {
    httpd = median(x, "httpd") * 1000; pg = median(x, "postgresql") * 1000
    verify = median("pki", "verify"); sign = median("pki", "sign")
    other = median("pki", "base64") + median("pki", "decode") + median("pki", "answer") + median("pki", "release")
    all = httpd + pg
    if (all)
        printf "(%s) %4.0f us = PostgreSQL %2.0f %%, verifying %2.0f %%, signing %2.0f %%, other PKI %2.0f %%, rest of httpd %2.0f %%\n", \
            x, all, 100 * pg / all, 100 * verify / all, 100 * sign / all, 100 * other / all, \
            100 * (httpd - verify - sign - other) / all
}

END {
    # Before median() has sorted the rounds
    c_a = ratio("c", "a", "httpd"); d_a = ratio("d", "a", "httpd"); d_A = ratio("d", "A", "httpd"); b_a = ratio("b", "a", "httpd")
    printf "%-42s %8s %8s %8s   %s\n", "", "requests", "p50", "p99", "CPU ms per request"
    printf "%-42s %8s %8s %8s %8s %11s %8s\n", "median of rounds", "per s", "ms", "ms", "httpd", "PostgreSQL", "client"
    for (i = 1; i <= n_cases; i++)
        printf "%-42s %8.0f %8.2f %8.2f %8.3f %11.3f %8.3f\n", title[order[i]], median(order[i], "rate"), \
            median(order[i], "p50"), median(order[i], "p99"), median(order[i], "httpd"), median(order[i], "postgresql"), \
            median(order[i], "client")
    print "\nhttpd's CPU, medians of the rounds' ratios"
    verdict("c/a  simpleenroll / static file, new connection", c_a, 1.6)
    printf "%-58s %6.2f\n", "d/a  the same with a client certificate / static file", d_a
    printf "%-58s %6.2f\n", "d/A  simpleenroll / static file, both with certificate", d_A
    printf "%-58s %6.2f\n", "b/a  cacerts / static file, new connection", b_a
    verdict("e    simpleenroll, kept connection, ms", median("e", "httpd"), 0.75)
    print "\nsteps of an enrolment by themselves, us of CPU (pki_bench)"
    printf "base64 %.1f, decode %.1f, verify %.1f, sign %.1f, answer %.1f, release %.1f\n", median("pki", "base64"), \
        median("pki", "decode"), median("pki", "verify"), median("pki", "sign"), median("pki", "answer"), median("pki", "release")
    print "\nshares of an enrolment's CPU in both servers"
    shares("c"); shares("d"); shares("e")
}
