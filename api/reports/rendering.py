"""An executed notebook as one HTML file that needs nothing from elsewhere, and its first chart as a PNG.

Cells become HTML by nbconvert's filters, what they show is made harmless (`api.reports.cleaning`), and Vega-Lite
specifications are drawn by vl-convert, so that the page has no script at all. The same notebook gives the same bytes.
A notebook's outputs are anything, so `rendered` does it in a process that may neither connect nor start programs.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import html as text_of_html
import json
import os
import re
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from api.drawing.worker import Task, picture
from api.pages.numbers import moment
from api.reports import facts
from api.reports.cleaning import cleaned, drawings, image
from api.reports.editions import Edition
from queries.isolation import isolate, limit_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SECONDS = 120.0
"""Time to render one notebook, start of the process included."""

DATA_BYTES = 2 << 30

_VEGA = re.compile(r"application/vnd\.vegalite\.v(\d+)\+json")
_DRAWN_BY = {"5": "5.21", "6": "6.4"}
"""Major version of Vega-Lite -> the one that draws it."""

_PNG_SCALE = 2.0
_NOTEBOOK, _EDITION, _HTML, _CHART, _SAID = "notebook.json", "edition.json", "report.html", "chart.png", "said.txt"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as the page shows it; `text` and `outputs` are HTML."""

    text: Any = ""
    outputs: tuple[Any, ...] = ()
    source: str = ""
    failed: bool = False


def rendered(notebook: bytes, edition: Edition, folder: Path) -> tuple[bytes, bytes | None]:
    """Return the page and the first chart of an executed notebook, made by a process of its own.

    A notebook that cannot be rendered in time and memory has a page that says so.

    Args:
        notebook: JSON of nbformat 4.
        edition: what is known of the run; of it the page shows what is the same in every run of one time.
        folder: an empty one, for the process.
    """
    (folder / _NOTEBOOK).write_bytes(notebook)
    (folder / _EDITION).write_bytes(msgspec.json.encode(edition))
    with (folder / _SAID).open("wb") as said:
        try:
            subprocess.run(  # noqa: S603 - our own module
                [sys.executable, "-P", "-m", "api.reports.rendering", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env={"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC", "HOME": str(folder), "TMPDIR": str(folder)},
                cwd=folder,
                start_new_session=True,
                timeout=SECONDS,
                check=True,
            )
            return (folder / _HTML).read_bytes(), _read(folder / _CHART)
        except (subprocess.SubprocessError, FileNotFoundError):
            return page(edition, [Cell(_NOT_RENDERED)]), None


_NOT_RENDERED = "The notebook's outputs are too large, or too strange, to be shown here. The notebook itself has them."


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def html(notebook: Mapping[str, Any], edition: Edition) -> bytes:
    """Return the page of an executed notebook."""
    failed = edition.error.cell if edition.error else None
    cells = [_cell(cell, is_failed=number == failed) for number, cell in enumerate(notebook["cells"], 1)]
    return page(edition, [cell for cell in cells if cell.text or cell.outputs or cell.source])


def page(edition: Edition, cells: list[Cell]) -> bytes:
    """Return a page of these cells."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - of the process that renders

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    template = environment.get_template("report.html.j2")
    return template.render(edition=edition, cells=cells, known_at=moment(edition.known_at)).encode()


def chart(notebook: Mapping[str, Any]) -> bytes | None:
    """Return the first chart of an executed notebook as PNG; None when it has none that can be drawn."""
    for data in _shown(notebook):
        for kind, content in _ranked(data):
            make = next((make for pattern, make in _RASTERS if re.fullmatch(pattern, kind)), None)
            if make is not None and (made := make(kind, content)) is not None:
                return made
    return None


def _shown(notebook: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if "data" in output:
                yield output["data"]


def _cell(cell: Mapping[str, Any], *, is_failed: bool) -> Cell:
    from markupsafe import Markup  # noqa: PLC0415 - of the process that renders

    source = _joined(cell["source"])
    match cell["cell_type"]:
        case "markdown":
            return Cell(text=Markup(_of_markdown(source)))  # noqa: S704 - cleaned
        case "code" if not is_failed and _sets_parameters(cell):
            return Cell()  # the page's head says them
        case "code":
            outputs = [Markup(made) for output in cell["outputs"] if (made := _output(output))]  # noqa: S704 - the same
            return Cell(outputs=tuple(outputs), source=source.strip(), failed=is_failed)
        case _:
            return Cell()


def _sets_parameters(cell: Mapping[str, Any]) -> bool:
    tags = cell["metadata"].get("tags", [])
    return not cell["outputs"] and not {"parameters", "injected-parameters"}.isdisjoint(tags)


def _output(output: Mapping[str, Any]) -> str:
    match output["output_type"]:
        case "stream":
            return _of_terminal(_joined(output["text"]))
        case "error":
            return _of_terminal("\n".join(output["traceback"]) or f"{output['ename']}: {output['evalue']}")
        case _:
            return next((made for kind, content in _ranked(output["data"]) if (made := _display(kind, content))), "")


def _display(kind: str, content: Any) -> str:
    make = next((make for pattern, make in _DISPLAYS if re.fullmatch(pattern, kind)), None)
    return make(kind, content) if make is not None else ""


def _ranked(data: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the forms that an output has, the best first; of facts only what is said beside them."""
    patterns = [pattern for pattern, _ in _DISPLAYS]
    known = [
        (rank, kind, content)
        for kind, content in data.items()
        for rank, pattern in enumerate(patterns)
        if kind != facts.MIME and re.fullmatch(pattern, kind)
    ]
    return [(kind, content) for _, kind, content in sorted(known, key=lambda one: one[:2])]


def _joined(text: Any) -> str:
    return text if isinstance(text, str) else "".join(map(str, cast("list[object]", text)))


def _of_markdown(source: str) -> str:
    from nbconvert.filters import markdown_mistune  # noqa: PLC0415 - of the extra `reports`

    parts: Any = markdown_mistune
    renderer = parts.IPythonRenderer(escape=False, exclude_anchor_links=True)
    return cleaned(parts.MarkdownWithMath(renderer=renderer).render(source))


def _of_terminal(text: str) -> str:
    """Return what a terminal would show: escaped, its colours as classes."""
    from nbconvert.filters import ansi  # noqa: PLC0415 - of the extra `reports`

    return f"<pre>{cast('Any', ansi).ansi2html(text)}</pre>"


def _spec(kind: str, content: Any, form: Any) -> bytes | None:
    found = _VEGA.fullmatch(kind)
    spec = json.loads(_joined(content)) if not isinstance(content, dict) else cast("dict[str, Any]", content)
    if found is None or found[1] not in _DRAWN_BY:
        return None
    try:
        return picture(Task(spec, form, _DRAWN_BY[found[1]]))
    except ValueError:  # vl-convert's own words would name what is not allowed to be loaded
        return None


def _of_vega(kind: str, content: Any) -> str:
    drawn = _spec(kind, content, "svg")
    return "" if drawn is None else image(drawn.decode(), "chart")


def _of_html(_: str, content: Any) -> str:
    return cleaned(_joined(content)).strip()


def _of_svg(_: str, content: Any) -> str:
    found = drawings(_joined(content))
    return image(found[0], "drawing") if found else ""


def _of_raster(kind: str, content: Any) -> str:
    raster = _raster(kind, content)
    return f'<img alt="picture" src="data:{kind};base64,{base64.b64encode(raster).decode()}">' if raster else ""


def _of_markdown_output(_: str, content: Any) -> str:
    return _of_markdown(_joined(content))


def _of_text(_: str, content: Any) -> str:
    return _of_terminal(_joined(content))


_DISPLAYS: tuple[tuple[str, Callable[[str, Any], str]], ...] = (
    (_VEGA.pattern, _of_vega),
    (r"text/html", _of_html),
    (r"image/svg\+xml", _of_svg),
    (r"image/(png|jpeg|gif|webp)", _of_raster),
    (r"text/markdown", _of_markdown_output),
    (r"text/(plain|latex)", _of_text),
)
"""Forms of an output, the best first -> how each becomes HTML; one that makes nothing gives way to the next."""


def _raster(_: str, content: Any) -> bytes | None:
    with contextlib.suppress(binascii.Error, ValueError):
        return base64.b64decode(re.sub(r"\s", "", _joined(content)), validate=True)
    return None


def _png_of_vega(kind: str, content: Any) -> bytes | None:
    return _spec(kind, content, "png")


def _png_of_drawing(_: str, content: Any) -> bytes | None:
    import vl_convert  # noqa: PLC0415 - loads an engine

    for svg in drawings(_joined(content)):
        with contextlib.suppress(ValueError):
            return vl_convert.svg_to_png(text_of_html.unescape(svg) if "&lt;" in svg[:5] else svg, scale=_PNG_SCALE)
    return None


_RASTERS: tuple[tuple[str, Callable[[str, Any], bytes | None]], ...] = (
    (_VEGA.pattern, _png_of_vega),
    (r"image/png", _raster),
    (r"image/svg\+xml|text/html", _png_of_drawing),
)
"""Forms of an output that hold a chart -> how each becomes PNG."""


def main() -> None:
    """Render what lies in a folder, with no more than that folder."""
    folder = Path(sys.argv[1])
    for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_DATA, DATA_BYTES)):
        resource.setrlimit(kind, (most, most))
    limit_time(SECONDS)
    notebook = msgspec.json.decode((folder / _NOTEBOOK).read_bytes())
    edition = msgspec.json.decode((folder / _EDITION).read_bytes(), type=Edition)
    isolate([Path(__file__).parent, Path("/etc/fonts")], [folder], allowed=["socketpair"])
    (folder / _HTML).write_bytes(html(notebook, edition))
    if (drawn := chart(notebook)) is not None:
        (folder / _CHART).write_bytes(drawn)


if __name__ == "__main__":
    main()
    os._exit(0)  # vl-convert's engine takes its time to end
