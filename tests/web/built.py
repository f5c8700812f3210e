"""What the tests of the islands need of the machine: skipped by name where it is not there, and failed in CI."""

from __future__ import annotations

import os

import pytest

from api import assets
from tests.support.browser import CHROMIUM

_IN_CI = bool(os.environ.get("UPSHOT_CI"))  # read before the fixture that scrubs the environment


def needs_the_build() -> None:
    """Skip the test where the islands were not built."""
    _needs(assets.ISLANDS, "nothing was built: scripts/assets.sh says why")


def needs_chromium() -> None:
    """Skip the test where there is no browser."""
    _needs(CHROMIUM, "no Chromium found; set UPSHOT_CHROMIUM to one")


def _needs(there: object, otherwise: str) -> None:
    if there:
        return
    if _IN_CI:
        pytest.fail(otherwise)
    pytest.skip(otherwise)
