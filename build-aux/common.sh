# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# Shell functions of ./quickstart, ./runtests and the scripts under tests. To be sourced by a POSIX shell that runs with
# set -eu; $top is the top of the checkout, as an absolute path.

say()
{
    printf '%s\n' "$*"
}

die()
{
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# log_tail FILE...: the ends of the logs that exist, for people who wonder what went wrong
log_tail()
{
    for log_file; do
        if test -s "$log_file"; then
            printf -- '--- last lines of %s\n' "$log_file"
            tail -n 25 "$log_file"
        fi
    done >&2
}

# logged FILE COMMAND...: runs it in a subshell with its output in FILE; shows the end of that and exits when it fails.
# Not to be called in a condition, where the shell would forget about set -e within COMMAND.
logged()
{
    logged_file=$1
    shift
    set +e
    (set -e; "$@") >"$logged_file" 2>&1
    logged_status=$?
    set -e
    if test "$logged_status" != 0; then
        log_tail "$logged_file"
        die "failed: $1 (log: $logged_file)"
    fi
}

# wait_until SECONDS COMMAND...: false when the time is over
wait_until()
{
    wait_left=$(($1 * 20))
    shift
    until "$@"; do
        wait_left=$((wait_left - 1))
        test "$wait_left" -gt 0 || return 1
        sleep 0.05
    done
}

# --- who runs the servers: PostgreSQL refuses root and httpd has no need of it

if test "$(id -u)" = 0; then
    as_server()
    {
        setpriv --reuid=nobody --regid=nogroup --clear-groups env -i PATH="$PATH" HOME=/ LC_ALL=C.UTF-8 "$@"
    }
else
    as_server()
    {
        env LC_ALL=C.UTF-8 "$@"
    }
fi

# Paths that need no quoting in any configuration file, connection string or makefile
path_is_plain()
{
    case $1 in
    *[!A-Za-z0-9/._+-]*) return 1 ;;
    esac
}

# private_dir PLACE: PLACE becomes a new directory for the servers, 0700, or a link to one when PLACE itself does not
# suit: its path has characters that need quoting, is too long for a socket in it (sockaddr_un has 107 bytes), or
# leads through directories closed to the servers' user. Prints where it is.
private_dir()
{
    if path_is_plain "$1" && test ${#1} -le 80 && as_server test -x "${1%/*}"; then
        mkdir -m 700 "$1"
        private_made=$1
    else
        private_made=$(mktemp -d "/tmp/mod_est-${1##*/}.XXXXXXXXXX")
        ln -s "$private_made" "$1"
    fi
    test "$(id -u)" != 0 || chown nobody:nogroup "$private_made"
    printf '%s\n' "$private_made"
}

# private_dir_remove PLACE: undoes it. The servers' user does the deleting, so that a link can lead to nothing of others.
private_dir_remove()
{
    if test -L "$1"; then
        private_old=$(readlink "$1")
        case $private_old in
        /tmp/mod_est-*) test ! -d "$private_old" || test -L "$private_old" || as_server rm -rf "$private_old" ;;
        *) die "$1 is a link to $private_old, which is not of our making" ;;
        esac
        rm -f "$1"
    elif test -d "$1"; then
        (cd "$1" && as_server find . -mindepth 1 -delete)
        rmdir "$1"
    fi
}

# --- processes

# process_is PID TEXT: PID runs and TEXT, a path that nothing else has, stands in its command line. Process ids are used
# again; a file that holds one proves nothing.
process_is()
{
    case $1 in
    '' | *[!0-9]*) return 1 ;;
    esac
    tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF -e "$2"
}

process_is_not()
{
    ! process_is "$@"
}

# process_id PIDFILE: what is in it, which the servers' user can change, is a number or nothing that we go on with
process_id()
{
    id=$(head -n 1 "$1")
    case $id in
    '' | *[!0-9]*) die "$1 holds no process id" ;;
    esac
    printf '%s\n' "$id"
}

# process_stop PIDFILE SIGNAL TEXT: ends the process of that file if it is ours
process_stop()
{
    test -s "$1" || return 0
    stop_pid=$(process_id "$1") || return 0
    process_is "$stop_pid" "$3" || return 0
    kill "-$2" "$stop_pid"
    wait_until 15 process_is_not "$stop_pid" "$3" || kill -KILL "$stop_pid"
}

# --- PostgreSQL

# Directory of initdb and pg_ctl, which Debian keeps out of PATH
pg_bindir()
{
    for pg_dir in /usr/lib/postgresql/15/bin "$(pg_config --bindir 2>/dev/null)"; do
        if test -x "$pg_dir/initdb"; then
            printf '%s\n' "$pg_dir"
            return 0
        fi
    done
    die "PostgreSQL's server programs not found"
}

# pg_init DIR LOCALE: a new cluster with superuser postgres and no passwords: who reaches its socket is let in
pg_init()
{
    pg_bin=$(pg_bindir)
    as_server "$pg_bin/initdb" -D "$1" -U postgres -A trust -E UTF8 --locale="$2" --no-sync --no-instructions
}

# --- building

# build_tree DIR LOG [CONFIGURE-OPTION...]: configures (when needed) and makes everything in DIR
build_tree()
{
    build_dir=$1
    build_log=$2
    shift 2
    build_src=$top
    # Neither configure nor make can live with a space in a path: such a checkout is built through a link
    if ! path_is_plain "$top/$build_dir"; then
        test -d "$build_dir/src/" || {
            rm -rf "$build_dir"
            build_made=$(mktemp -d /tmp/mod_est-build.XXXXXXXXXX)
            ln -s "$top" "$build_made/src"
            ln -s "$build_made" "$build_dir"
        }
        build_src=$(readlink "$build_dir")/src
    fi
    mkdir -p "$build_dir"
    logged "$build_log" build_steps "$@"
}

build_steps()
{
    cd "$build_src"
    if ! test -x configure || test configure -ot configure.ac || test Makefile.in -ot Makefile.am; then
        autoreconf -i
    fi
    cd "$build_dir"
    # Options of an earlier run stay in the tree: other ones need a new configure
    if ! test -f Makefile || test "$(cat options 2>/dev/null)" != "$*"; then
        "$build_src/configure" -q "$@"
        printf '%s\n' "$*" >options
    fi
    make -j"$(nproc)"
}
