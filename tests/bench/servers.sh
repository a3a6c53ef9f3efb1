# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# What the scripts beside this file share: building with optimisation, the servers of build-aux/servers.sh with
# durable commits, and an end that leaves no process. To be sourced by a POSIX shell that runs with set -eu at $top, the top
# of the checkout, after build-aux/common.sh.

. build-aux/servers.sh

bench=$top/build/bench
load_pids= # of load generators in the background
bench_ok=  # set by bench_done
servers_first_port=9443
servers_httpd_conf=tests/bench/httpd.conf
servers_postgresql_conf=tests/bench/postgresql.conf

# whole VALUE MIN MAX: a number within limits
whole()
{
    case $1 in
    '' | *[!0-9]* | ????????*) die "$1: want a number from $2 to $3" ;;
    esac
    test "$1" -ge "$2" && test "$1" -le "$3" || die "$1: want a number from $2 to $3"
}

bench_exit()
{
    bench_status=$?
    trap - EXIT
    trap '' HUP INT TERM
    for load_left in $load_pids; do
        kill "$load_left" 2>/dev/null || :
        wait "$load_left" 2>/dev/null || :
    done
    if test -n "$state"; then
        test -n "$bench_ok" || log_tail "$state/logs/error.log" "$state/logs/postgresql.log"
        servers_stop "$state"
    fi
    exit "$bench_status"
}

# bench_done [PATTERN]: lines of the log that are meant to be there
bench_done()
{
    bench_ok=yes
    log_findings=$(grep -h -E ':(warn|error|crit|alert|emerg)\]' "$state"/logs/*error.log | grep -v -E "AH01873${1:+|$1}" || :)
    test -z "$log_findings" || {
        printf '%s\n' "httpd's log has warnings:" "$log_findings" | head -n 10 >&2
        return 1
    }
}

# One benchmark at a time: two would measure each other
bench_begin()
{
    servers_begin "$bench" benchmark
    trap bench_exit EXIT
    trap 'exit 1' HUP INT TERM
}

bench_build()
{
    say "building with -O2 (log: build/bench/build.log)"
    build_tree build/bench/obj "$bench/build.log" CFLAGS='-O2 -g'
    logged "$bench/programs.log" bench_build_programs
    estload=$bench/estload
    pki_bench=$bench/pki_bench
}

bench_build_programs()
{
    make -s -C tests/bench BUILD="$bench"
}

# A certificate of the CA's own, which stands in the database as that of a device does
bench_client()
{
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$bench/client/device.key" \
        -subj /CN=bench-device -outform DER -out "$bench/client/device.der"
    openssl base64 -in "$bench/client/device.der" -out "$bench/client/device.p10"
    printf 'user = "demo:%s"\n' "$EST_PASSWORD" | curl -sS --fail-with-body --cacert "$bench/client/root.pem" --config - \
        -H 'Content-Type: application/pkcs10' --data-binary "@$bench/client/device.p10" -o "$bench/client/device.p7" \
        "$url/.well-known/est/simpleenroll"
    openssl base64 -d -in "$bench/client/device.p7" | openssl pkcs7 -inform DER -print_certs -out "$bench/client/device.crt"
}

# As servers_start; sets $url besides
bench_start()
{
    servers_prepare build/bench/obj
    say "starting a private PostgreSQL and a private httpd"
    logged "$bench/pki.log" servers_pki '/O=mod_est benchmark/CN=Benchmark'
    cp "$state/pki/issuing.crt" "$bench/client"
    servers_start
    url=https://localhost:$port
    logged "$bench/client.log" bench_client
}
