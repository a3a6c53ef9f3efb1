# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# What tests/sql/run and tests/sql/run_store share: a PostgreSQL in a temporary directory, reachable by its socket alone, and
# an end that leaves nothing. To be sourced by a POSIX shell that runs with set -eu and has $top, the top of the checkout.

. "$top/build-aux/common.sh"

work= # the caller's directory: its logs, and scripts that the server's user must not be able to change
dir=  # the server's, in it: data, socket, log
unset PGHOST PGHOSTADDR PGPORT PGUSER PGPASSWORD PGDATABASE PGSERVICE PGOPTIONS PGSSLMODE PGCLIENTENCODING PGTZ PGDATESTYLE

# server_begin NAME: makes both. With KEEP=1 in the environment they stay, for the logs.
server_begin()
{
    umask 077
    trap server_exit EXIT
    trap 'exit 1' HUP INT PIPE TERM
    work=$(mktemp -d "/tmp/$1.XXXXXX")
    chmod 711 "$work" # to let the server's user through
    dir=$(private_dir "$work/server")
}

server_exit()
{
    status=$?
    trap - EXIT
    trap '' HUP INT TERM
    cd /
    if test -n "$dir"; then
        process_stop "$dir/bouncer.pid" TERM "$dir/bouncer.ini" || :
        server_stop "$dir" QUIT || :
        test "$status" = 0 || log_tail "$work"/*.log "$dir"/*.log 2>&1 | sed 's/^/# /' >&2
    fi
    if test -n "${KEEP-}"; then
        echo "# kept: $work" >&2
    elif test -n "$work"; then
        rm -rf "$work"
    fi
    exit "$status"
}

# server_init LOCALE MAX-CONNECTIONS
server_init()
{
    cd "$dir"
    logged "$work/initdb.log" pg_init "$dir/data" "$1"
    as_server sh -c 'cat >>"$1"' sh "$dir/data/postgresql.conf" <<END
listen_addresses = ''
unix_socket_directories = '$dir'
unix_socket_permissions = 0700
fsync = off
full_page_writes = off
max_connections = $2
END
}

# server_start DIR
server_start()
{
    pg_bin=$(pg_bindir)
    (cd "$1" && as_server "$pg_bin/pg_ctl" -s -w -t 60 -D "$1/data" -l "$1/server.log" start)
}

# server_stop DIR SIGNAL: INT, fast shutdown, or QUIT, immediate
server_stop()
{
    process_stop "$1/data/postmaster.pid" "$2" "$1/data"
}
