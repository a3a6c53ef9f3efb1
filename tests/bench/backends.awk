# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# The lines of build/bench/backends.txt as tables of medians over the rounds, and ratios.

BEGIN {
    n_cases = split("file-ec file-rsa hsm-ec hsm-rsa upper cmp", order, " ")
    title["file-ec"] = "key in a file, EC P-256"
    title["file-rsa"] = "key in a file, RSA 3072"
    title["hsm-ec"] = "key in SoftHSM, EC P-256"
    title["hsm-rsa"] = "key in SoftHSM, RSA 3072"
    title["upper"] = "EST upstream (another mod_est)"
    title["cmp"] = "CMP upstream"
    title["one-by-one"] = "one by one, new connections"
    title["full"] = "as many as go, kept connections"
    title["alone"] = "without them"
    title["patient"] = "waiting 6 s and more after 503"
    title["told"] = "waiting as 503 says"
}

function beside(what, how) {
    printf "  %-32s %10.0f %8.2f %8.2f %12.2f %8.3f %11.3f\n", title[how], median(what "-" how, "rate"), median(what "-" how, "p50"), \
        median(what "-" how, "p99"), ratio(what "-" how, what "-alone", "p99"), median(what "-" how, "httpd"), \
        median(what "-" how, "postgresql")
}

function clients(how,    what) {
    what = "slow-" how
    printf "  %-32s %5.0f %8.0f %8.0f %7.0f %7.0f %8.1f %8.1f\n", title[how], median(what, "answered"), median(what, "p50"), \
        median(what, "p99"), median(what, "status202"), median(what, "status503"), median(what, "put_off_p50"), \
        median(what, "put_off_p99")
}

END {
    printf "%-36s %8s %8s %8s   %s\n", "", "enrolments", "p50", "p99", "CPU ms per enrolment"
    printf "%-36s %10s %8s %8s %8s %11s %9s %12s\n", "median of rounds", "per s", "ms", "ms", "httpd", "PostgreSQL", "upstream", "httpd, ratio"
    for (i = 1; i <= n_cases; i++)
        printf "%-36s %10.0f %8.2f %8.2f %8.3f %11.3f %9.3f %12.2f\n", title[order[i]], median(order[i], "rate"), \
            median(order[i], "p50"), median(order[i], "p99"), median(order[i], "httpd"), median(order[i], "postgresql"), \
            median(order[i], "upstream"), ratio(order[i], "file-ec", "httpd")
    print "\nenrolments with the key in a file beside 200 clients at a CA that takes 2 s (CPU: of all that httpd does meanwhile)"
    for (i = 1; i <= split("one-by-one full", kinds, " "); i++) {
        printf "%-34s %10s %8s %8s %12s %8s %11s\n", title[kinds[i]], "per s", "p50 ms", "p99 ms", "p99, ratio", "httpd", "PostgreSQL"
        for (j = 1; j <= split("alone patient told", hows, " "); j++)
            beside(kinds[i], hows[j])
    }
    print "\nthe 200 clients"
    printf "%-34s %5s %8s %8s %7s %7s %8s %8s\n", "median of rounds", "200", "p50 ms", "p99 ms", "202", "503", "p50 ms", "p99 ms"
    clients("patient"); clients("told")
}
