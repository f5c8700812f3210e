"""The process that draws: pictures are the same bytes every time, and no failure of it is the server's."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import time
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from api.drawing import pool
from api.drawing.pool import Drawings
from api.pages import specs
from tests.api.pages.documents import HOSTILE, full, hostile
from warehouse.errors import TransientError, UpshotError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SVG = "{http://www.w3.org/2000/svg}"


def drawing(work: Callable[[Drawings], Awaitable[Any]], seconds: float = 30.0) -> Any:
    """Run `work` with drawings of its own."""

    async def main() -> Any:
        drawings = Drawings(seconds)
        try:
            return await work(drawings)
        finally:
            drawings.close()

    return asyncio.run(main())


def pid(drawings: Drawings) -> int:
    assert drawings.pid is not None
    return drawings.pid


async def svg(drawings: Drawings, chart: str = "effects", body: dict[str, Any] | None = None) -> bytes:
    return await drawings.draw(specs.chart(chart, body or full()), "svg", specs.VERSION)


def test_the_same_chart_is_the_same_bytes_in_any_process_and_order() -> None:
    """Nothing of a drawing depends on what was drawn before, on the process or on the time."""

    async def all_of(drawings: Drawings, charts: list[str]) -> dict[str, tuple[bytes, bytes]]:
        return {
            chart: (
                await svg(drawings, chart),
                await drawings.draw(specs.chart(chart, full()), "png", specs.VERSION),
            )
            for chart in charts
        }

    charts = list(specs.CHARTS)
    one = drawing(lambda drawings: all_of(drawings, charts))
    other = drawing(lambda drawings: all_of(drawings, charts[::-1]))
    assert one == other
    for picture, raster in one.values():
        ET.fromstring(picture)  # noqa: S314 - our own picture
        assert b" id=" not in picture and b"url(" not in picture  # two drawings can stand in one page
        assert raster.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", raster[16:24])
        assert 400 < width < 4000 and 100 < height < 4000


def test_hostile_names_are_text_of_a_well_formed_picture() -> None:
    """Read by an XML parser there are shapes and text, no script, link, style or handler."""

    async def all_of(drawings: Drawings) -> dict[str, bytes]:
        return {chart: await svg(drawings, chart, hostile(full())) for chart in specs.CHARTS}

    for chart, picture in drawing(all_of).items():
        tree = ET.fromstring(picture)  # noqa: S314 - our own picture
        elements = list(tree.iter())
        assert {element.tag.removeprefix(SVG) for element in elements} <= {"svg", "g", "rect", "path", "line", "text"}
        for element in elements:
            assert not [name for name in element.attrib if name.startswith("on") or "href" in name or name == "style"]
        words = "".join(element.text or "" for element in elements)
        assert specs.text(HOSTILE)[:20] in words, chart


def test_what_was_drawn_lately_is_not_drawn_again() -> None:
    """Asked again it is the same object; fifty who wait for one chart have it drawn once."""

    async def work(drawings: Drawings) -> None:
        many = await asyncio.gather(*(svg(drawings) for _ in range(50)))
        assert all(picture is many[0] for picture in many)
        assert many[0] is await svg(drawings)

    drawing(work)


def test_a_killed_process_is_replaced() -> None:
    """Whether it dies between two drawings or in one, the next drawing is whole."""

    async def work(drawings: Drawings) -> None:
        await svg(drawings, "effects")
        first = pid(drawings)
        os.kill(first, signal.SIGKILL)
        await svg(drawings, "series")
        assert pid(drawings) != first

    drawing(work)


def test_a_drawing_that_takes_too_long_is_given_up() -> None:
    """At the deadline the process is killed; the error is transient, and the next drawing has a new process."""

    async def work(drawings: Drawings) -> None:
        await svg(drawings, "effects")
        stopped = pid(drawings)
        os.kill(stopped, signal.SIGSTOP)
        started = time.monotonic()
        drawings.seconds = 0.5
        with pytest.raises(TransientError, match=r"was not drawn within 0\.5 s"):
            await svg(drawings, "series")
        assert time.monotonic() - started < 10
        drawings.seconds = 30.0
        assert await svg(drawings, "series")
        assert pid(drawings) != stopped

    drawing(work)


def test_a_refused_specification_is_a_named_error_and_harms_nobody() -> None:
    """What vl-convert cannot read is our defect, told as one; the process goes on."""

    async def work(drawings: Drawings) -> None:
        with pytest.raises(UpshotError, match="could not be drawn") as caught:
            await drawings.draw({"mark": "nonsense", "data": {"values": []}}, "svg", specs.VERSION)
        assert caught.value.code == "internal"
        before = pid(drawings)
        assert await svg(drawings)
        assert pid(drawings) == before

    drawing(work)


def test_nothing_is_loaded_from_anywhere() -> None:
    """A specification that names an address is refused; ours never do."""

    async def work(drawings: Drawings) -> None:
        for address in ("http://127.0.0.1:9/x.json", "https://example.com/x.csv"):
            with pytest.raises(UpshotError, match="could not be drawn"):
                await drawings.draw({"data": {"url": address}, "mark": "point"}, "svg", specs.VERSION)

    drawing(work)


def test_the_process_is_isolated_by_the_kernel() -> None:
    """Sockets, programs and files of others are refused to it by a filter of system calls, as to query workers."""

    async def work(drawings: Drawings) -> str:
        await svg(drawings)
        with open(f"/proc/{drawings.pid}/status") as file:  # noqa: ASYNC230, PTH123 - a test
            return file.read()

    assert "Seccomp:\t2" in drawing(work)


def test_too_many_that_wait_are_refused_as_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue for the one process is bounded."""
    monkeypatch.setattr(pool, "WAITING", 3)

    async def work(drawings: Drawings) -> None:
        asked = [svg(drawings, "effects", {**full(), "experiment": str(at)}) for at in range(10)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, TransientError)]
        assert len(refused) == 7

    drawing(work)


def test_the_process_ends_with_its_parent_and_holds_no_environment() -> None:
    """It has no variable of the server's, and ends when its pipe closes."""

    async def work(drawings: Drawings) -> int:
        await svg(drawings)
        with open(f"/proc/{pid(drawings)}/environ", "rb") as file:  # noqa: ASYNC230, PTH123 - a test
            names = {entry.partition(b"=")[0] for entry in file.read().split(b"\0") if entry}
        assert names <= {b"PATH", b"LANG", b"TZ"}
        return pid(drawings)

    ended = drawing(work)
    with pytest.raises(ProcessLookupError):
        os.kill(ended, 0)
