# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# awk -f build-aux/errors-doc.awk mod_est/base/est_err.def >docs/errors.md
BEGIN {
    print "# Errors"
    print ""
    print "Made from `mod_est/base/est_err.def` by `build-aux/errors-doc.awk`; a test compares."
    print ""
    print "A client sees the HTTP status and a line `name: text (request ID)`. `ID` names the request and stands in the line of"
    print "httpd's error log as `id=`; `EST<number>` there is the error's number below. The log line has the detail as well."
    print "Numbers are never used for another error."
    print "What to do about an error stands below its table, where there is anything to say."
}
function print_advice(    i)
{
    if (n)
        print ""
    for (i = 1; i <= n; i++)
        print "- `" whose[i] "`: " advice[i]
    n = 0
}
# A comment line of its own heads a group
/^\/\* .* \*\/$/ {
    print_advice()
    heading = $0
    gsub(/^\/\* | \*\/$/, "", heading)
    print "\n## " heading "\n"
    print "| number | name | status | log level | text |"
    print "| --- | --- | --- | --- | --- |"
}
/^EST_ERR\(/ {
    text = $0
    sub(/^[^"]*"/, "", text); sub(/"\)$/, "", text)
    row = $0
    sub(/^EST_ERR\(/, "", row); sub(/, *".*/, "", row)
    split(row, field, /, */)
    name = field[1]
    printf "| EST%s | `%s` | %s | %s | %s |\n", field[2], field[1], field[3], field[4], text
}
# What to do about the error of the row before
/^\/\*- .* \*\/$/ {
    advice[++n] = substr($0, 5, length($0) - 7)
    whose[n] = name
}
END { print_advice() }
