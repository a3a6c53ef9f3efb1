# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# The module as httpd will load it: what it exports, what it expects of others, how it is linked.
. "$(dirname "$0")/tap.sh"

module=$top_builddir/.libs/mod_est.so
cd "$tap_scratch"

echo est_module >expected
nm -D --defined-only "$module" | awk '{ print $NF }' >exported
tap_same "exports est_module and nothing else" expected exported

# Names without versions; weak ones may be missing
names()
{
    nm -D "$@" | awk '{ sub(/@.*/, "", $NF); print $NF }' | sort -u
}
libraries=$(ldd "$module" | awk '$2 == "=>" { print $3 }')
apr=$(ldd "$HTTPD" | awk '/libapr/ { print $3 }')
for object in "$HTTPD" $apr $libraries; do
    names --defined-only "$object"
done | sort -u >provided
nm -D --undefined-only "$module" | awk '$1 == "U" { sub(/@.*/, "", $NF); print $NF }' | sort -u >wanted
tap "wants nothing that httpd and its own libraries do not have" "$(comm -23 wanted provided)"

# The runtimes of sanitizers and coverage are there in such builds only
needed=$(readelf -d "$module" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p')
tap "links libssl, libcrypto, libpq, libidn2, libcurl and the C library, no other" \
    "$(printf '%s\n' "$needed" | grep -v -E '^lib(ssl|crypto|pq|idn2|curl|c|pthread|asan|ubsan|gcov|gcc_s)\.so' || :)"
tap "is never unloaded (OpenSSL and threads hold pointers into it)" \
    "$(readelf -d "$module" | grep -q NODELETE || echo 'no NODELETE flag')"
tap "is bound at load time and read-only afterwards" \
    "$(readelf -dW "$module" | grep -q -w BIND_NOW || echo 'no BIND_NOW'; readelf -lW "$module" | grep -q GNU_RELRO || echo 'no GNU_RELRO')"
tap_end
