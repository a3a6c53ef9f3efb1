# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# Makes a C header of queries.sql:  awk -f queries.awk queries.sql > store_sql.h
# Each block "-- name: x" becomes  static const char STORE_SQL_X[] = "...";  its further comment lines become the doc comment.
# Of another file it makes another header:  awk -v prefix=STORE_ADMIN_SQL -v source=sql/estctl.sql -f queries.awk estctl.sql
# A list of all statements, STORE_ADMIN_SQL_STATEMENTS(X), is at its end.

function emit(    i) {
    if (name == "")
        return
    if (n == 0)
        fail("statement " name " is empty")
    while (n > 0 && line[n] == "")
        n--
    printf "/* %s%s */\n", name, (doc == "" ? "" : ": " doc)
    printf "static const char %s_%s[] =", prefix, toupper(name)
    for (i = 1; i <= n; i++)
        printf "\n    \"%s%s\"", quoted(line[i]), (i < n ? "\\n" : "")
    print ";\n"
    all = all " \\\n    X(" name ", " toupper(name) ")"
}

# A line as it stands between the quotes of a C string. One character at a time: gsub() differs between awks in what it makes of backslashes
function quoted(text,    i, c, out) {
    out = ""
    for (i = 1; i <= length(text); i++) {
        c = substr(text, i, 1)
        if (c == "\\" || c == "\"" || c == "?") # ?: no trigraph
            out = out "\\" c
        else if (c == "\t")
            out = out "\\t"
        else
            out = out c
    }
    return out
}

function fail(message) {
    printf "%s:%d: %s\n", FILENAME, FNR, message > "/dev/stderr"
    failed = 1
    exit 1
}

BEGIN {
    if (prefix == "")
        prefix = "STORE_SQL"
    if (source == "")
        source = "sql/queries.sql"
    print "/*\n * Copyright 2026 The mod_est authors\n * SPDX-License-Identifier: Apache-2.0\n */"
    print "/* Made from " source " by sql/queries.awk: change it there */"
    print "#ifndef " prefix "_H\n#define " prefix "_H\n"
}

{ sub(/\r$/, "") }

/^-- name: / {
    emit()
    name = substr($0, 10)
    if (name !~ /^[a-z][a-z0-9_]*$/)
        fail("not a name: " name)
    if (name in seen)
        fail("statement " name " stands here twice")
    seen[name] = 1
    n = 0
    doc = ""
    next
}

name == "" {
    if ($0 != "" && $0 !~ /^--/)
        fail("SQL before the first name")
    next
}

/^--/ {
    gsub(/\*\//, "* /")
    sub(/^-- */, "")
    doc = doc (doc == "" ? "" : "\n * ") $0
    next
}

$0 != "" || n > 0 { line[++n] = $0 }

END {
    if (failed)
        exit 1
    emit()
    print "#define " prefix "_STATEMENTS(X)" all "\n"
    print "#endif"
}
