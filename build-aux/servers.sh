# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# What ./quickstart and tests/bench share: a CA, a private PostgreSQL and a private httpd with the configuration and policy of
# conf/quickstart. To be sourced by a POSIX shell that runs with set -eu at the top of the checkout, after
# build-aux/common.sh. In turn: servers_begin, servers_prepare, servers_pki, servers_start; servers_stop at the end.

servers_dir=             # the caller's: logs, client/, and "state", the servers' directory or a link to it
state=                   # the servers' directory, once it is there: data, socket, keys, configuration, module
servers_first_port=8443  # the first of 100 to try
servers_httpd_conf=      # a file to append to conf/quickstart/httpd.conf
servers_postgresql_conf= # a file to append to conf/quickstart/postgresql.conf
servers_environment=     # of httpd: words NAME=VALUE

# servers_begin DIR NAME: DIR becomes $servers_dir, for one caller at a time; servers of an earlier one end
servers_begin()
{
    servers_dir=$1
    mkdir -p "$1" || die "cannot write to $top/build (was it made by another user?)"
    exec 9>"$1/lock"
    flock -n 9 || die "another $2 is at work in this checkout"
    servers_stop "$(readlink -f "$1/state")"
}

# servers_stop STATE: httpd and PostgreSQL, and between them what the caller has started besides: beside-NAME.pid in STATE,
# and STATE in its command line
servers_stop()
{
    process_stop "$1/httpd.pid" TERM "$1/httpd.conf"
    for servers_beside in "$1"/beside-*.pid; do
        process_stop "$servers_beside" TERM "$1/"
    done
    process_stop "$1/pg/postmaster.pid" INT "$1/pg" # INT: fast shutdown
}

# servers_file NAME SOURCE...: a copy for the servers with the place-holders filled in
servers_file()
{
    servers_name=$1
    shift
    sed -e "s|@STATE@|$state|g" -e "s|@MODULES@|$modules|g" -e "s|@PORT@|${port:-}|g" "$@" |
        as_server sh -c 'cat >"$1"' sh "$state/$servers_name"
}

# servers_prepare OBJ: a new $state with the module built in OBJ, and an empty client/
servers_prepare()
{
    httpd=$(sed -n 's/^HTTPD = //p' "$1/Makefile")
    modules=$(sed -n 's/^modulesdir = //p' "$1/Makefile")
    umask 077
    private_dir_remove "$servers_dir/state"
    rm -rf "$servers_dir/client"
    mkdir "$servers_dir/client"
    state=$(private_dir "$servers_dir/state")
    as_server mkdir "$state/logs" "$state/socket" "$state/htdocs"
    as_server sh -c 'cat >"$1"' sh "$state/mod_est.so" <"$1/.libs/mod_est.so"
    servers_file openssl.cnf conf/quickstart/openssl.cnf
    # 1.5 kB, about the size of an enrolment's answer
    yes 'mod_est serves this file to compare speeds with.' | head -n 30 | as_server sh -c 'cat >"$1"' sh "$state/htdocs/static.txt"
}

# servers_certificate NAME SUBJECT DAYS X509-OPTION...: an EC P-256 key and a certificate
servers_certificate()
{
    servers_key=$state/pki/$1
    as_server openssl req -config "$state/openssl.cnf" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
        -keyout "$servers_key.key" -out "$servers_key.csr" -subj "$2"
    servers_days=$3
    shift 3
    as_server openssl x509 -req -in "$servers_key.csr" -days "$servers_days" -out "$servers_key.crt" \
        -extfile "$state/openssl.cnf" "$@"
}

# servers_pki SUBJECT: root and issuing CA, whose names begin with SUBJECT, and the key of https://localhost
servers_pki()
{
    pki=$state/pki
    as_server mkdir "$pki"
    servers_certificate root "$1 Root CA" 3650 -extensions root -key "$pki/root.key"
    servers_certificate issuing "$1 Issuing CA" 1825 -extensions issuing -CA "$pki/root.crt" -CAkey "$pki/root.key"
    servers_certificate server /CN=localhost 365 -extensions server -CA "$pki/issuing.crt" -CAkey "$pki/issuing.key"
    as_server sh -c 'cat "$1/issuing.crt" >>"$1/server.crt"' sh "$pki"
    # Nothing is ever signed by the root again
    as_server rm "$pki/root.key" "$pki/root.csr" "$pki/issuing.csr" "$pki/server.csr"
    cp "$pki/root.crt" "$servers_dir/client/root.pem"
}

servers_postgresql()
{
    pg_init "$state/pg" C
    servers_file postgresql.conf conf/quickstart/postgresql.conf ${servers_postgresql_conf:+"$servers_postgresql_conf"}
    as_server sh -c 'cat "$1/postgresql.conf" >>"$1/pg/postgresql.conf"' sh "$state"
    servers_file pg/pg_hba.conf conf/quickstart/pg_hba.conf
    # 9 is the lock: a server that inherited it would hold it
    as_server "$(pg_bindir)/pg_ctl" -D "$state/pg" -l "$state/logs/postgresql.log" -w -t 30 start 9>&-
}

# servers_policy DATABASE: a new one, with the schema and the quickstart's policy; demo_admin is there already
servers_policy()
{
    PGUSER=postgres psql -X -q -d postgres -v ON_ERROR_STOP=1 -c "CREATE DATABASE $1"
    PGUSER=postgres psql -X -q -d "$1" -v ON_ERROR_STOP=1 -f sql/install.sql
    PGUSER=postgres psql -X -q -d "$1" -v ON_ERROR_STOP=1 -c 'GRANT est_admin TO demo_admin'
    # The password goes from the environment into the statement, so that it stands on no command line
    psql -X -q -d "$1" -v ON_ERROR_STOP=1 -f conf/quickstart/demo.sql
}

servers_database()
{
    PGUSER=postgres psql -X -q -d postgres -v ON_ERROR_STOP=1 -c 'CREATE ROLE demo_admin LOGIN'
    servers_policy est
}

servers_httpd_answers()
{
    curl -s -o /dev/null --cacert "$servers_dir/client/root.pem" "https://localhost:$port/static.txt"
}

# servers_httpd NAME.conf SOURCE...: an httpd with that configuration. Only trying to listen tells for certain that a port is
# free.
servers_httpd()
{
    servers_conf=$1
    port=$servers_first_port
    while :; do
        servers_file "$@"
        # shellcheck disable=SC2086 # words are meant to split
        as_server env $servers_environment "$httpd" -f "$state/$servers_conf" -t
        # shellcheck disable=SC2086
        if as_server env $servers_environment "$httpd" -f "$state/$servers_conf" -k start >"$servers_dir/start.log" 2>&1 9>&-; then
            break
        fi
        cat "$servers_dir/start.log"
        grep -q 'AH00072' "$servers_dir/start.log" # could not bind to address: only then is another port of use
        port=$((port + 1))
        test "$port" -lt $((servers_first_port + 100))
    done
    rm "$servers_dir/start.log"
    wait_until 20 servers_httpd_answers
}

# servers_port NAME.conf
servers_port()
{
    sed -n 's/^Listen 127.0.0.1:\([0-9]*\) .*/\1/p' "$state/$1"
}

# Sets $pg_pid; EST_PASSWORD is that of client "demo", PG* lead to the database
servers_start_postgresql()
{
    EST_PASSWORD=$(openssl rand -hex 16)
    PGHOST=$state/socket PGPORT=5432 PGDATABASE=est PGUSER=demo_admin
    export EST_PASSWORD PGHOST PGPORT PGDATABASE PGUSER
    logged "$servers_dir/postgresql.log" servers_postgresql
    logged "$servers_dir/database.log" servers_database
    pg_pid=$(process_id "$state/pg/postmaster.pid")
}

# Sets $port and $httpd_pid
servers_start_httpd()
{
    logged "$servers_dir/httpd.log" servers_httpd httpd.conf conf/quickstart/httpd.conf \
        ${servers_httpd_conf:+"$servers_httpd_conf"}
    port=$(servers_port httpd.conf)
    httpd_pid=$(process_id "$state/httpd.pid")
}

servers_start()
{
    servers_start_postgresql
    servers_start_httpd
}
