# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# Every header compiles alone, without warnings, with gcc and with clang.
. "$(dirname "$0")/tap.sh"

cd "$top_srcdir/mod_est"
for compiler in gcc clang; do
    for header in $(find . -name '*.h' | sort); do
        # shellcheck disable=SC2086 # flags are words
        tap "$compiler ${header#./}" "$(printf '#include "%s"\n' "${header#./}" |
            $compiler -std=gnu11 -fsyntax-only -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Werror \
                -I. $guard_CPPFLAGS -x c - 2>&1)"
    done
done
tap_end
