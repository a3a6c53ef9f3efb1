# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# The table of estctl's commands, its help, its manual page and its completion have the same commands and options.
. "$(dirname "$0")/tap.sh"

estctl=$top_builddir/estctl
man=$top_srcdir/docs/estctl.1
completion=$top_srcdir/conf/completion/estctl
cd "$tap_scratch"

# Options of a help text, with the words for their values
help_options()
{
    sed -n -e 's/^  -., \(--[^ ]*\( [A-Z][^ ]*\)\{0,1\}\).*/\1/p' -e 's/^      \(--[^ ]*\( [A-Z][^ ]*\)\{0,1\}\).*/\1/p'
}

# Of a section of the manual page: .SH or .SS, its name
man_options()
{
    awk -v head=".$1 $2" '
        /^\.S[HS] / { on = $0 == head; next }
        on && /^\.BI? .*--/ { sub(/^\.BI? /, ""); gsub(/"/, ""); sub(/^-., /, ""); sub(/ +/, " "); print }' page
}
sed 's/\\-/-/g' "$man" >page

# What bash would offer behind these words
completed()
{
    bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _estctl; printf "%s\n" "${COMPREPLY[@]}"' bash \
        "$completion" estctl "$@"
}

"$estctl" --help | awk '/^Commands/ { on = 1; next } on && !NF { exit } on { sub(/^  /, ""); sub(/  .*/, ""); print }' >commands
tap "the help lists commands" "$(test "$(wc -l <commands)" -ge 10 || echo 'hardly any')"

grep -o 'CLI_COMMAND(cli_[a-z_]*)' "$top_srcdir/mod_est/cli/cli_commands.def" | sed 's/.*(cli_\(.*\))/\1/' >rows
tr ' -' '__' <commands >expected
tap_same "each row of the table is a command named like it" expected rows

sed -n '/^\.SH COMMANDS/,/^\.SH OUTPUT/s/^\.SS //p' page >listed
tap_same "the manual page has a section for each command, in the same order" commands listed

"$estctl" --help | help_options >expected
man_options SH OPTIONS >found
tap_same "the manual page has the options of every command" expected found
common=$(sed 's/ .*//' expected)

while read -r words; do
    # shellcheck disable=SC2086 # a command is words
    "$estctl" $words --help | sed '/^Options of every/,$d' | help_options >expected
    man_options SS "$words" >found
    tap_same "the manual page has the options of $words" expected found
    # shellcheck disable=SC2086
    completed $words - | sort >found
    { printf '%s\n' "$common" && sed 's/ .*//' expected; } | sort >sorted
    tap_same "the completion has the options of $words" sorted found
    sed -n 's/^\(--[^ ]*\) .*/\1/p' expected >valued
    wrong=$(while read -r option; do
        # shellcheck disable=SC2086
        completed $words "$option" - | grep -e '^--' || :
    done <valued)
    tap "the completion of $words has no option where a value has to stand" "$wrong"
    # shellcheck disable=SC2086
    tap "$words is known to the program by its words" \
        "$("$estctl" $words --no-such-option 2>&1 >/dev/null | grep -v -F "no such option: --no-such-option; see estctl $words --help")"
done <commands

sed 's/ .*//' commands | sort -u >expected
completed '' | sort >found
tap_same "the completion has the first words of all commands" expected found
for group in $(awk 'NF > 1 { print $1 }' commands | sort -u); do
    sed -n "s/^$group //p" commands | sort >expected
    completed "$group" '' | sort >found
    tap_same "the completion has what may follow $group" expected found
done
tap_end
