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
}
# A comment line of its own heads a group
/^\/\* .* \*\/$/ {
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
    printf "| EST%s | `%s` | %s | %s | %s |\n", field[2], field[1], field[3], field[4], text
}
