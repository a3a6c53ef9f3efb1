# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# build-aux/packages is complete and the only place that programs take packages from.
. "$(dirname "$0")/tap.sh"

cd "$top_srcdir"
scripts="quickstart runtests .ci/run build-aux/common.sh build-aux/packages-lib.sh build-aux/packages-install.sh
    build-aux/servers.sh tests/sql/run tests/sql/run_store tests/bench/run tests/bench/memory tests/bench/backends sql/import-blocked-keys $(find tests -name '*.sh' | sort)"

# Words where a command can stand that are names of programs here. Rough: a word of a message may slip in, and then has a
# line in the table which harms nobody.
commands()
{
    # shellcheck disable=SC2086 # file names are words
    sed -E -e 's/^ *#.*//' -e 's/\$\(|\|+|&&|;|\(|!|\<(if|then|do|else|while|until|as_server|run|logged|env|exec)\>/\n/g' $scripts |
        sed -n -E 's/^ *([a-z][a-z0-9_.+-]*)( .*|\)?)$/\1/p' | sort -u |
        while read -r word; do
            case $(command -v "$word") in
            /*) echo "$word" ;;
            esac
        done
}
grep -v '^#' tests/guard/commands.txt | awk '{ print $1 }' | sort -u >"$tap_scratch/known"
tap "every command of the scripts has its package in tests/guard/commands.txt" \
    "$(commands | comm -23 - "$tap_scratch/known")"

# essential: in every Debian (dpkg's flag, or priority required); else a package of the list
findings=$(grep -v '^#' tests/guard/commands.txt | while read -r command package; do
    test "$package" = essential || sed 's/ *#.*//' build-aux/packages | grep -q -x "$package" || echo "$command: $package"
done)
tap "each of these packages is essential or in build-aux/packages" "$findings"

tap "a package is listed once" "$(sed -n 's/^\([a-z0-9][^ ]*\).*/\1/p' build-aux/packages | sort | uniq -d)"
tap "nothing else installs packages" \
    "$(grep -l -E 'apt(-get)? .*install|pip3? install' quickstart runtests .ci/run build-aux/common.sh build-aux/servers.sh \
        $(find tests conf sql -type f) |
        grep -v '^tests/guard/' || :)"
tap_end
