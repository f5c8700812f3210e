"""The pages of dashboards: the list, one with its tiles, which come by themselves, one tile, and the form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from api.pages import queries
from api.pages.frame import LASTS, NOBODY
from api.pages.render import PAGES
from queries.dashboards import COLUMNS, MAX_TILES, Flaw

if TYPE_CHECKING:
    from collections.abc import Sequence

    from api.dashboards import Kept
    from api.pages.dashboard_form import Draft
    from api.pages.frame import Frame
    from api.pages.tiles import Shown


def dashboard_path(name: str) -> str:
    """Return the address of a dashboard's page; names need no encoding."""
    return f"/dashboards/{name}"


def tile_path(frame: Frame, name: str, number: int) -> str:
    """Return the address of one tile over the frame's time and environment."""
    return frame.link(f"{dashboard_path(name)}/tiles/{number}")


def dashboards(known: Sequence[Kept], frame: Frame = NOBODY) -> str:
    """Return the list of dashboards."""
    return _render("dashboards.html", frame, known=known)


def dashboard(one: Kept, frame: Frame = NOBODY) -> str:
    """Return the page of a dashboard; its tiles are asked for by the page, each on its own."""
    return _render("dashboard.html", frame, kept=one, dashboard=one.dashboard, only=None)


def tile(one: Kept, number: int, shown: Shown, frame: Frame = NOBODY) -> str:
    """Return one tile with its rows, as a part of a page."""
    own = one.dashboard.tiles[number]
    return _render("dashboard_tile.html", frame, kept=one, number=number, tile=own, shown=shown)


def alone(one: Kept, number: int, shown: Shown, frame: Frame = NOBODY) -> str:
    """Return a page with one tile, for who comes to it by a link."""
    own = one.dashboard.tiles[number]
    parts = {"tile": own, "number": number, "shown": shown}
    return _render("dashboard.html", frame, kept=one, dashboard=one.dashboard, only=parts)


@dataclass(frozen=True, slots=True)
class Form:
    """A dashboard in its form."""

    name: str
    """Empty: a new one, whose name is still to be given."""
    draft: Draft
    typed_name: str = ""
    """Of a new one."""
    over: int | None = None
    """The version that it began with; None of a new one."""
    text: str | None = None
    """The JSON, when it is edited as such."""
    flaws: list[Flaw] = field(default_factory=list[Flaw])
    removable: bool = False
    overrides: bool = False

    def of_tile(self, number: int) -> list[Flaw]:
        """Return what is wrong with a tile."""
        return [flaw for flaw in self.flaws if flaw.tile == number]

    @property
    def of_all(self) -> list[Flaw]:
        """Return what is wrong with no tile of the form."""
        as_form = self.text is None
        return [flaw for flaw in self.flaws if not as_form or flaw.tile is None or flaw.tile >= len(self.draft.tiles)]


def edit(form: Form, saved: Sequence[str], frame: Frame = NOBODY) -> str:
    """Return the page on which a dashboard is edited.

    Args:
        form: what it holds.
        saved: names of the saved queries.
        frame: what stands around the page; without the right `admin` the page says so instead.
    """
    flaw = next((flaw for flaw in form.of_all if flaw.error.line is not None), None)
    excerpt = queries.excerpt(form.text, {"line": flaw.error.line, "col": flaw.error.col}) if form.text and flaw else []
    return _render("dashboard_edit.html", frame, form=form, saved=[(name, name) for name in saved], excerpt=excerpt)


def _render(template: str, frame: Frame, **parts: Any) -> str:
    return PAGES.get_template(template).render(
        frame=frame,
        tile_path=tile_path,
        columns=COLUMNS,
        most_tiles=MAX_TILES,
        lasts=[(value, words) for value, (words, _) in LASTS.items()],
        **parts,
    )
