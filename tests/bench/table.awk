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
    printf "%-42s %8s %8s %8s   %s\n", "", "requests", "p50", "p99", "CPU ms per request"
    printf "%-42s %8s %8s %8s %8s %11s %8s\n", "median of rounds", "per s", "ms", "ms", "httpd", "PostgreSQL", "client"
    for (i = 1; i <= n_cases; i++)
        printf "%-42s %8.0f %8.2f %8.2f %8.3f %11.3f %8.3f\n", title[order[i]], median(order[i], "rate"), \
            median(order[i], "p50"), median(order[i], "p99"), median(order[i], "httpd"), median(order[i], "postgresql"), \
            median(order[i], "client")
    print "\nhttpd's CPU, medians of the rounds' ratios"
    verdict("c/a  simpleenroll / static file, new connection", ratio("c", "a", "httpd"), 1.6)
    printf "%-58s %6.2f\n", "d/a  the same with a client certificate / static file", ratio("d", "a", "httpd")
    printf "%-58s %6.2f\n", "d/A  simpleenroll / static file, both with certificate", ratio("d", "A", "httpd")
    printf "%-58s %6.2f\n", "b/a  cacerts / static file, new connection", ratio("b", "a", "httpd")
    verdict("e    simpleenroll, kept connection, ms", median("e", "httpd"), 0.75)
    print "\nsteps of an enrolment by themselves, us of CPU (pki_bench)"
    printf "base64 %.1f, decode %.1f, verify %.1f, sign %.1f, answer %.1f, release %.1f\n", median("pki", "base64"), \
        median("pki", "decode"), median("pki", "verify"), median("pki", "sign"), median("pki", "answer"), median("pki", "release")
    print "\nshares of an enrolment's CPU in both servers"
    shares("c"); shares("d"); shares("e")
}
