# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# What tests/bench/run and tests/bench/memory share: building with optimisation, a private PostgreSQL with durable commits, a
# private httpd with the quickstart's configuration and policy, and an end that leaves no process. To be sourced by a POSIX
# shell with set -eu, $top and build-aux/common.sh.

bench=$top/build/bench
state=    # the servers' directory, once it is there
load_pids= # of load generators in the background
bench_ok= # set by bench_done

# whole VALUE MIN MAX: a number within limits
whole()
{
    case $1 in
    '' | *[!0-9]* | ????????*) die "$1: want a number from $2 to $3" ;;
    esac
    test "$1" -ge "$2" && test "$1" -le "$3" || die "$1: want a number from $2 to $3"
}

bench_stop()
{
    process_stop "$state/httpd.pid" TERM "$state/httpd.conf"
    process_stop "$state/pg/postmaster.pid" INT "$state/pg" # INT: fast shutdown
}

bench_exit()
{
    bench_status=$?
    trap - EXIT
    trap '' HUP INT TERM
    for load_left in $load_pids; do
        kill "$load_left" 2>/dev/null || :
        wait "$load_left" || :
    done
    if test -n "$state"; then
        test -n "$bench_ok" || log_tail "$state/logs/error.log" "$state/logs/postgresql.log"
        bench_stop
    fi
    exit "$bench_status"
}

bench_done()
{
    bench_ok=yes
    log_findings=$(grep -E ':(warn|error|crit|alert|emerg)\]' "$state/logs/error.log" | grep -v AH01873 || :)
    test -z "$log_findings" || {
        printf '%s\n' "httpd's log has warnings:" "$log_findings" | head -n 10 >&2
        return 1
    }
}

# One benchmark at a time: two would measure each other
bench_begin()
{
    mkdir -p "$bench"
    exec 9>"$bench/lock"
    flock -n 9 || die "another benchmark is at work in this checkout"
    trap bench_exit EXIT
    trap 'exit 1' HUP INT TERM
}

bench_build()
{
    say "building with -O2 (log: build/bench/build.log)"
    build_tree build/bench/obj "$bench/build.log" CFLAGS='-O2 -g'
    httpd=$(sed -n 's/^HTTPD = //p' build/bench/obj/Makefile)
    modules=$(sed -n 's/^modulesdir = //p' build/bench/obj/Makefile)
    logged "$bench/programs.log" bench_build_programs
    estload=$bench/estload
    pki_bench=$bench/pki_bench
}

bench_build_programs()
{
    make -s -C tests/bench BUILD="$bench"
}

# server_file SOURCE NAME: a copy for the servers with the place-holders filled in
server_file()
{
    sed -e "s|@STATE@|$state|g" -e "s|@MODULES@|$modules|g" -e "s|@PORT@|${port:-}|g" "$1" |
        as_server sh -c 'cat >"$1"' sh "$state/$2"
}

# bench_certificate NAME SUBJECT ISSUER EXTENSIONS: an EC P-256 key and a certificate; issuer "self" for the root
bench_certificate()
{
    as_server openssl req -config "$state/openssl.cnf" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout "$state/pki/$1.key" -out "$state/pki/$1.csr" -subj "$2"
    case $3 in
    self) set -- "$1" "$4" -key "$state/pki/$1.key" ;;
    *) set -- "$1" "$4" -CA "$state/pki/$3.crt" -CAkey "$state/pki/$3.key" ;;
    esac
    certificate=$1 extensions=$2
    shift 2
    as_server openssl x509 -req -in "$state/pki/$certificate.csr" -days 365 -out "$state/pki/$certificate.crt" \
        -extfile "$state/openssl.cnf" -extensions "$extensions" "$@"
}

bench_pki()
{
    as_server mkdir "$state/pki"
    bench_certificate root '/O=mod_est benchmark/CN=Root CA' self root
    bench_certificate issuing '/O=mod_est benchmark/CN=Issuing CA' root issuing
    bench_certificate leaf /CN=localhost issuing server
    as_server mv "$state/pki/leaf.key" "$state/pki/server.key"
    as_server sh -c 'cat "$1/leaf.crt" "$1/issuing.crt" >"$1/server.crt"' sh "$state/pki"
    cp "$state/pki/root.crt" "$state/pki/issuing.crt" "$bench/client"
}

# Commits wait for the disk, as those of a registration authority must
bench_postgresql()
{
    bin=$(pg_bindir)
    as_server "$bin/initdb" -D "$state/pg" -U postgres -A trust -E UTF8 --locale=C --no-sync --no-instructions
    server_file conf/quickstart/postgresql.conf postgresql.conf
    as_server sh -c 'cat "$1/postgresql.conf" >>"$1/pg/postgresql.conf"' sh "$state"
    printf '%s = on\n' fsync synchronous_commit full_page_writes | as_server sh -c 'cat >>"$1"' sh "$state/pg/postgresql.conf"
    server_file conf/quickstart/pg_hba.conf pg/pg_hba.conf
    # 9 is the lock: a server that inherited it would hold it
    as_server "$bin/pg_ctl" -D "$state/pg" -l "$state/logs/postgresql.log" -w -t 30 start 9>&-
}

bench_database()
{
    PGUSER=postgres psql -X -q -d postgres -v ON_ERROR_STOP=1 -c 'CREATE DATABASE est'
    PGUSER=postgres psql -X -q -d est -v ON_ERROR_STOP=1 -f sql/install.sql
    psql -X -q -v ON_ERROR_STOP=1 -f conf/quickstart/demo.sql
}

httpd_answers()
{
    curl -s -o /dev/null --cacert "$bench/client/root.crt" "https://localhost:$port/static.txt"
}

# The first free port from 9443 on. Only trying to listen tells for certain that a port is free.
bench_httpd()
{
    port=9443
    while :; do
        server_file conf/quickstart/httpd.conf httpd.conf
        as_server sh -c 'cat >>"$1"' sh "$state/httpd.conf" <tests/bench/httpd.conf
        if as_server "$httpd" -f "$state/httpd.conf" -k start >"$bench/start.log" 2>&1 9>&-; then
            break
        fi
        cat "$bench/start.log"
        grep -q 'AH00072' "$bench/start.log" # could not bind to address: only then is another port of use
        port=$((port + 1))
        test "$port" -lt 9543
    done
    wait_until 20 httpd_answers
}

# A certificate of the CA's own, which stands in the database as that of a device does
bench_client()
{
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$bench/client/device.key" \
        -subj /CN=bench-device -outform DER -out "$bench/client/device.der"
    openssl base64 -in "$bench/client/device.der" -out "$bench/client/device.p10"
    printf 'user = "demo:%s"\n' "$EST_PASSWORD" | curl -sS --fail-with-body --cacert "$bench/client/root.crt" --config - \
        -H 'Content-Type: application/pkcs10' --data-binary "@$bench/client/device.p10" -o "$bench/client/device.p7" \
        "$url/.well-known/est/simpleenroll"
    openssl base64 -d -in "$bench/client/device.p7" | openssl pkcs7 -inform DER -print_certs -out "$bench/client/device.crt"
}

# Sets $url, $httpd_pid and $pg_pid; EST_PASSWORD is that of client "demo", PG* lead to the database
bench_start()
{
    umask 077
    private_dir_remove "$bench/state"
    rm -rf "$bench/client"
    mkdir "$bench/client"
    state=$(private_dir "$bench/state")
    as_server mkdir "$state/logs" "$state/socket" "$state/htdocs"
    as_server sh -c 'cat >"$1"' sh "$state/mod_est.so" <build/bench/obj/.libs/mod_est.so
    server_file conf/quickstart/openssl.cnf openssl.cnf
    yes 'mod_est serves this file to compare speeds with.' | head -n 30 | as_server sh -c 'cat >"$1"' sh "$state/htdocs/static.txt"

    EST_PASSWORD=$(openssl rand -hex 16)
    PGHOST=$state/socket PGPORT=5432 PGDATABASE=est PGUSER=postgres
    export EST_PASSWORD PGHOST PGPORT PGDATABASE PGUSER
    say "starting a private PostgreSQL and a private httpd"
    logged "$bench/pki.log" bench_pki
    logged "$bench/postgresql.log" bench_postgresql
    logged "$bench/database.log" bench_database
    logged "$bench/httpd.log" bench_httpd
    port=$(sed -n 's/^Listen 127.0.0.1:\([0-9]*\) .*/\1/p' "$state/httpd.conf")
    url=https://localhost:$port
    httpd_pid=$(process_id "$state/httpd.pid")
    pg_pid=$(process_id "$state/pg/postmaster.pid")
    logged "$bench/client.log" bench_client
}
