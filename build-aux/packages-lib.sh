# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# Shell functions over the list of Debian packages beside this file. To be sourced by a POSIX shell that runs with
# set -eu and has $top, the top of the checkout.

# Packages of the named sections, one a line
packages_list()
{
    awk -v wanted=" $* " '
        { sub(/#.*/, "") }
        /^\[.*\]/ { gsub(/[][ \t]/, ""); on = index(wanted, " " $0 " "); next }
        on && NF { print $1 }' "$top/build-aux/packages"
}

# Those of them that are not installed
packages_missing()
{
    packages_list "$@" | while read -r package; do
        # The exit status is not enough: it is 0 for a package that was removed with its configuration kept
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=
        test "$status" = installed || echo "$package"
    done
}

# Installs what is missing of the named sections, and with it the rest of them, so that all are of one day: an httpd of
# today warns of an OpenSSL of last month. Touches neither network nor sudo when nothing is missing.
packages_install()
{
    missing=$(packages_missing "$@" | tr '\n' ' ')
    test -n "$missing" || return 0
    all=$(packages_list "$@" | tr '\n' ' ')
    if ! command -v apt-get >/dev/null; then
        echo "these packages of Debian 12 are needed: $missing" >&2
        return 1
    fi
    as_root=
    if test "$(id -u)" != 0; then
        if ! command -v sudo >/dev/null; then
            echo "packages are missing and there is no sudo; as root, run: apt-get install --no-install-recommends $missing" >&2
            return 1
        fi
        as_root=sudo
    fi
    echo "installing: $missing"
    # shellcheck disable=SC2086 # words are meant to split: they are package names
    $as_root sh "$top/build-aux/packages-install.sh" $all
}
