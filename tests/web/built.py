"""What the tests of the islands need of the machine: skipped by name where it is not there.

Without a browser they fail in CI. Without an index of npm there is nothing to build the scripts from, and the pages
come without them: that is a state of the product, so it is a skip everywhere.
"""

from __future__ import annotations

import os

import pytest

from api import assets
from tests.support.browser import CHROMIUM

_IN_CI = bool(os.environ.get("UPSHOT_CI"))  # read before the fixture that scrubs the environment


def needs_the_build() -> None:
    """Skip the test where the islands were not built."""
    if not assets.ISLANDS:
        pytest.skip("nothing was built: scripts/assets.sh says why")


def needs_chromium() -> None:
    """Skip the test where there is no browser."""
    if CHROMIUM is None:
        (pytest.fail if _IN_CI else pytest.skip)("no Chromium found; set UPSHOT_CHROMIUM to one")
