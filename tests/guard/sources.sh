# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# No file is forgotten by the build or the release, each says whose it is, and none grows too long.
. "$(dirname "$0")/tap.sh"

cd "$top_srcdir"

# A test's program has its source's name without .c. libtool's ltmain.sh is automake's business.
findings=$(for file in mod_est/*/*.[ch] mod_est/*/*.def tests/unit/*.[ch] tests/fuzz/*.[ch] tests/guard/* docs/*.md \
    build-aux/*.awk build-aux/[!l]*.sh $(find sql -name '*.sql'); do
    grep -q -F -w -e "$file" -e "${file%.c}" Makefile.am || echo "$file"
done)
tap "every source, test, guard, page and schema file stands in Makefile.am" "$findings"

findings=$(find mod_est sql tests build-aux conf quickstart runtests .ci configure.ac Makefile.am -type f \
    \( -name '*.[ch]' -o -name '*.def' -o -name '*.sql' -o -name '*.awk' -o -name '*.sh' -o -name '*.py' -o -name '*.java' -o -name '*.conf' \
    -o -name quickstart -o -name runtests -o -name run -o -name run_store -o -name memory -o -name backends -o -name hostile -o -name reliability -o -name import-blocked-keys -o -name packages -o -name configure.ac -o -name Makefile.am \) | sort |
    while read -r file; do
        case $file in
        build-aux/tap-driver.sh | build-aux/ltmain.sh) continue ;; # automake's and libtool's
        tests/sql/api_properties_script.sql) continue ;;           # verbatim, to the letter
        esac
        head -n 5 "$file" | grep -q 'Copyright 20[0-9][0-9] The mod_est authors' &&
            head -n 6 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || echo "$file"
    done)
tap "every source file names its copyright and licence" "$findings"

# tests/guard/long-files.txt: path, then why
findings=$(find mod_est tests -name '*.[ch]' -o -name '*.py' | xargs wc -l | awk '$2 != "total" && $1 > 600 { print $2 }' | while read -r file; do
    grep -q "^$file " tests/guard/long-files.txt || wc -l "$file"
done)
tap "a file of more than 600 lines has its reason in tests/guard/long-files.txt" "$findings"

findings=$(find mod_est sql tests build-aux/common.sh build-aux/servers.sh build-aux/packages* conf docs quickstart runtests README.md -type f \
    \( -name '*.[ch]' -o -name '*.sql' -o -name '*.sh' -o -name '*.py' -o -name '*.md' -o -name '*.conf' -o -name quickstart -o -name runtests \
    -o -name run -o -name run_store -o -name memory -o -name backends \) \
    -exec grep -n -H -e '[[:space:]]$' {} + || :)
tap "no line ends in white space" "$findings"
tap_end
