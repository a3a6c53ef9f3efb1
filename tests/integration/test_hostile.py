# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Random bodies; tests/fuzz/hostile sends as many as one has time for."""

import pytest

from clients import hostile
from harness import run


@pytest.mark.parametrize("seed", [1, 2])
def test_B_10_random_and_nearly_right_bodies(site, seed):
    """Refused as content or type or, where they are well-formed again, judged; never an error of our own. The memory in
    use does not grow with their number: less than 4 kB for each would be a leak of any object of OpenSSL's."""
    count = 1500
    battery = hostile.Battery(site, seed, site.holder("CN=hostile"))
    children = site.httpd.children()
    process = children[0] if children else site.httpd.pid
    battery.run(count // 3)
    before = run.resident(process)
    battery.run(count - count // 3).close()
    assert not battery.surprises, battery.surprises[0]
    assert battery.statuses[400] > count / 2 and battery.statuses[415] > 0
    if not run.SANITIZE and not run.VALGRIND:
        assert run.resident(process) - before < count * 4096
    assert site.httpd.children() == children
