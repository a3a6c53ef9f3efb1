#!/usr/bin/python3
# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
The conformance table: tests/conformance.tsv has the rows, the tests carry their ids, and this joins the two.

    conformance.py doc                      docs/conformance.md, to standard output
    conformance.py check                    TAP: the table and the tests agree
    conformance.py report RESULTS OBJECTS   TAP: each row's tests ran and passed; RESULTS is what the integration tests
                                            wrote (EST_ROWS), OBJECTS the build directory with the logs of the unit tests

How a test carries an id: a test of tests/integration by its name (test_B_06_cut_off, or a parameter's id that begins
with B-06) or by @pytest.mark.row("B-06"); a test in C by a comment, name or text in its function, or in front of it.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

TOP = pathlib.Path(__file__).resolve().parent.parent
TABLE = TOP / "tests" / "conformance.tsv"
STATUSES = {"pass": "passes", "open": "open", "n/a": "not applicable"}
ROW_ID = re.compile(r"\b[A-Z]+[0-9]*-[0-9]{2}\b")
C_TEST = re.compile(r"^static void (test_\w+)\(", re.M)
HEAD = """<!-- Copyright 2026 The mod_est authors. SPDX-License-Identifier: Apache-2.0 -->
<!-- Made by build-aux/conformance.py from tests/conformance.tsv and the tests; change those. -->
# Conformance

Every requirement on EST as mod_est offers it, and every kind of hostile input, with the tests that show it. `./runtests`
checks at its end that each test named here ran and passed. The choices behind the expected answers are in
[architecture.md, section 8](architecture.md#8-decisions); tests are named by their path below `tests/`.

Level: what RFC 7030 or the specification behind it demands of a server; *own* is a rule of mod_est, from security, HTTP
or the behaviour of real clients. Result: *passes*; *open*: not offered yet, and refused until then; *not applicable*.
Ids are never given to another row.
"""


def rows():
    """(title, [(id, level, status, requirement, note)]) of each section"""
    sections = []
    for line in TABLE.read_text().splitlines():
        if line.startswith("# "):
            sections.append((line[2:], []))
        elif line:
            sections[-1][1].append(tuple(line.split("\t")))
    return sections


def integration_tests():
    """[(row, test)] as pytest collects them"""
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "rows")
        environment = dict(os.environ, EST_ROWS=path, PYTHONDONTWRITEBYTECODE="1")
        command = ["/usr/bin/python3", "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests/integration"]
        done = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        with open(path) as lines:
            return [tuple(line.rstrip("\n").split("\t")[:2]) for line in lines]


def c_tests(path):
    """[(row, test)]: the comment in front of a function belongs to it"""
    text, name = path.read_text(), str(path.relative_to(TOP / "tests"))
    starts = []
    for match in C_TEST.finditer(text):
        before = text[:match.start()].rstrip("\n")
        start = before.rfind("/*") if before.endswith("*/") else match.start()
        starts.append((start, match.group(1)))
    found = []
    for match in ROW_ID.finditer(text):
        owners = [test for start, test in starts if start <= match.start()]
        end = text.find("\n}\n", starts[len(owners) - 1][0]) if owners else -1
        inside = owners and (end < 0 or match.start() < end)
        found.append((match.group(), f"{name}::{owners[-1]}" if inside else name))
    return found


def other_tests():
    found = []
    for pattern in ("unit/test_*.c", "sql/*_test.c", "fuzz/fuzz_*.c"):
        for path in sorted((TOP / "tests").glob(pattern)):
            found += c_tests(path)
    for path in sorted((TOP / "tests" / "sql").glob("*_test.sql")):
        found += [(row, str(path.relative_to(TOP / "tests"))) for row in ROW_ID.findall(path.read_text())]
    return found


def tests_by_row():
    known, table = {row[0] for _, section in rows() for row in section}, {}
    for row, test in integration_tests() + other_tests():
        if row in known and test not in table.setdefault(row, []):
            table[row].append(test)
    # A table in a C file says less than a function that uses it
    for row, names in table.items():
        table[row] = sorted(n for n in names if "::" in n or not any(o.startswith(n + "::") for o in names))
    return table


def markdown():
    table, out = tests_by_row(), [HEAD]
    counts = [row[2] for _, section in rows() for row in section]
    out.append(", ".join(f"{counts.count(key)} rows {text}" for key, text in STATUSES.items() if counts.count(key)) + ".\n")
    for title, section in rows():
        out.append(f"## {title}\n\n| id | level | requirement | result | tests |\n|---|---|---|---|---|")
        for row, level, status, requirement, note in section:
            result = STATUSES.get(status, status) + (f": {note}" if note else "")
            tests = ", ".join(f"`{name}`" for name in table.get(row, []))
            out.append(f"| {row} | {level} | {requirement} | {result} | {tests} |")
        out.append("")
    return "\n".join(out).rstrip("\n") + "\n"


class Tap:
    def __init__(self):
        self.count, self.status = 0, 0

    def test(self, name, findings):
        self.count += 1
        print(f"{'not ok' if findings else 'ok'} {self.count} - {name}")
        for finding in findings:
            print(f"# {finding}")
        self.status |= bool(findings)

    def end(self):
        print(f"1..{self.count}")
        return self.status


def check():
    tap, table, every = Tap(), tests_by_row(), [row for _, section in rows() for row in section]
    ids = [row[0] for row in every]
    known = [line for line in (TOP / "tests" / "guard" / "conformance-ids.txt").read_text().splitlines() if line[:1] != "#"]
    tap.test("the table has rows", [] if len(every) > 300 else [f"found {len(every)}"])
    tap.test("each row has five columns", [str(row) for row in every if len(row) != 5])
    tap.test("a row stands once", sorted({i for i in ids if ids.count(i) > 1}))
    tap.test("no row is lost, a new one is appended to tests/guard/conformance-ids.txt", sorted(set(ids) ^ set(known)))
    tap.test("each row has a result", [f"{row[0]}: {row[2]}" for row in every if row[2] not in STATUSES])
    tap.test("a row that passes has a test", [row[0] for row in every if row[2] == "pass" and not table.get(row[0])])
    tap.test("a row that does not pass says why", [row[0] for row in every if row[2] in ("open", "n/a") and not row[4]])
    have = (TOP / "docs" / "conformance.md").read_text()
    tap.test("docs/conformance.md is what build-aux/conformance.py doc makes", [] if have == markdown() else ["it differs"])
    return tap.end()


def passed_in_c(test, objects):
    """The unit test's own log, TAP; None when the test's kind leaves none"""
    path, _, function = test.partition("::")
    log = pathlib.Path(objects) / "tests" / pathlib.Path(path).with_suffix(".log")
    if not path.startswith(("unit/", "fuzz/")):
        return None
    text = log.read_text() if log.exists() else ""
    lines = [line for line in text.splitlines() if re.match(r"(not )?ok ", line)]
    if function:
        lines = [line for line in lines if line.endswith(f" - {function}")]
    return bool(lines) and not any(line.startswith("not ok") for line in lines)


def report(results, objects):
    tap, table, ran = Tap(), tests_by_row(), {}
    with open(results) as lines:
        for line in lines:
            _, test, outcome = line.rstrip("\n").split("\t")
            ran.setdefault(test, []).append(outcome)
    for row in (row for _, section in rows() for row in section if row[2] == "pass"):
        findings, evidence = [], 0
        for test in table.get(row[0], []):
            if test.startswith("integration/"):
                good = bool(ran.get(test)) and set(ran[test]) == {"passed"}
            else:
                good = passed_in_c(test, objects)
            evidence += good is True
            if good is False:
                findings.append(f"{test} did not pass, or did not run")
        if not evidence and not findings:
            findings.append("no test of it leaves a result")
        tap.test(f"{row[0]} {row[3]}", findings)
    return tap.end()


if __name__ == "__main__":
    if sys.argv[1:] == ["doc"]:
        sys.stdout.write(markdown())
    elif sys.argv[1:] == ["check"]:
        sys.exit(check())
    elif len(sys.argv) == 4 and sys.argv[1] == "report":
        sys.exit(report(*sys.argv[2:]))
    else:
        sys.exit(__doc__)
