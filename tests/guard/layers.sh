# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# Dependencies point down only: what each directory of mod_est/ may include, from the project and from outside. The linker
# proves the same for calls; this proves it for types and macros.
. "$(dirname "$0")/tap.sh"

# layer: project headers (a directory, or one file), then after "|" libraries. APR and the C library are for all.
rules='
base:   base |
pki:    base pki | openssl san_syntax:libidn2
policy: base pki policy |
store:  base policy store | store_pg:libpq
ca:     base pki policy ca | openssl http:libcurl
op:     base pki policy store/store.h store/store_cache.h ca/ca.h op |
cli:    base pki policy store ca op cli | jansson
httpd:  base pki policy store ca op httpd | httpd tls:openssl
'

cd "$top_srcdir/mod_est"
for layer in base pki policy store ca op cli httpd; do
    rule=$(printf '%s' "$rules" | sed -n "s/^$layer: *//p")
    findings=$(find "$layer" -name '*.[ch]' | sort | xargs awk -v layer="$layer" -v rule="$rule" '
        BEGIN {
            split(rule, half, "|")
            for (n = split(half[1], word, " "); n > 0; n--) inside[word[n]] = 1
            for (n = split(half[2], word, " "); n > 0; n--) {
                # "part:library" is for files with that part in their name
                if (split(word[n], pair, ":") == 2) only[pair[2]] = pair[1]; else outside[word[n]] = 1
            }
        }
        function library(header) {
            if (header ~ /^openssl\//) return "openssl"
            if (header ~ /^(libpq|postgres)/) return "libpq"
            if (header ~ /^curl\//) return "libcurl"
            if (header == "idn2.h") return "libidn2"
            if (header == "jansson.h") return "jansson"
            if (header ~ /^(httpd|http_|ap_|ap[.]|mod_|util_|scoreboard|mpm_|unixd|heartbeat)/) return "httpd"
            return ""
        }
        /^[ \t]*#[ \t]*include/ {
            header = $0
            sub(/^[^<"]*[<"]/, "", header); sub(/[>"].*/, "", header)
            lib = library(header)
            slash = index(header, "/")
            if ($0 ~ /"/ && slash) {
                if (!(substr(header, 1, slash - 1) in inside) && !(header in inside)) print FILENAME ": " header
            } else if ($0 ~ /</ && lib != "" && !(lib in outside)) {
                name = FILENAME; sub(/.*\//, "", name)
                if (!(lib in only) || index(name, only[lib]) == 0) print FILENAME ": <" header ">"
            }
        }')
    tap "$layer includes only what its layer may" "$findings"
done

# OP-09. The two functions of store_pg_conn.c that send take parameters apart from the text, and the text is a constant
tap "SQL has bound parameters only" "$(grep -n -E '\<PQ(exec|sendQuery|execParams|execPrepared|escape[A-Za-z]*)\(' mod_est/*/*.c || :)"
tap_end
