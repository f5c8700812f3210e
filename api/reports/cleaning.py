"""HTML of strangers made harmless: what a notebook's cells show, and its Markdown, which may hold HTML too.

Only elements and attributes of lists are left (bleach); styles lose what could hold an address; a drawing that stands
in the HTML becomes a picture, in which a browser runs no script and loads nothing.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, cast
from xml.etree import ElementTree as ET

from bleach import html5lib_shim
from bleach.css_sanitizer import CSSSanitizer
from bleach.sanitizer import Cleaner

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CHARACTERS = 1 << 20
"""Of one piece of HTML; a larger one is refused, reading it takes too long."""

_ELEMENTS = frozenset(
    "a abbr article aside b blockquote br caption cite code col colgroup dd del details dfn div dl dt em "  # noqa: SIM905 - reads best in lines
    "figcaption figure footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li mark ol p pre q s samp section "
    "small span strong sub summary sup table tbody td tfoot th thead time tr u ul var".split()
)
_DROPPED = frozenset(
    "script style template noscript noembed noframes iframe object embed applet title textarea xmp plaintext "  # noqa: SIM905 - reads best in lines
    "svg math select option audio video canvas head".split()
)
"""Elements whose content goes with them; of all others that are not in the list the text stays."""

_STYLES = frozenset(
    "background-color border border-bottom border-collapse border-color border-left border-radius "  # noqa: SIM905 - reads best in lines
    "border-right border-spacing border-style border-top border-width color display font-family font-size "
    "font-style font-variant-numeric font-weight height letter-spacing line-height margin margin-bottom "
    "margin-left margin-right margin-top max-height max-width min-width opacity overflow overflow-x padding "
    "padding-bottom padding-left padding-right padding-top text-align text-decoration text-transform "
    "vertical-align white-space width".split()
)
"""Properties of CSS that cannot hold an address."""

_SVG = re.compile(r"<svg\b.*?</svg\s*>", re.DOTALL | re.IGNORECASE)
_PICTURE = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=\s]+")
_LINK = re.compile(r"(https?://|mailto:)", re.IGNORECASE)
_ANSI = re.compile(r"ansi-[a-z-]+( ansi-[a-z-]+)*")


def cleaned(html: str) -> str:
    """Return HTML with nothing in it that runs, loads or reaches out; empty when it is too large or too deep."""
    drawn = _SVG.sub(lambda found: image(found.group(), "drawing"), html)
    if len(_PICTURE.sub("", drawn)) > MAX_CHARACTERS:
        return ""
    cleaner = Cleaner(
        tags=_ELEMENTS | _DROPPED,
        attributes=_is_harmless,
        protocols={"http", "https", "mailto", "data"},
        strip=True,
        strip_comments=True,
        css_sanitizer=CSSSanitizer(allowed_css_properties=_STYLES, allowed_svg_properties=()),
        filters=[cast("Any", _Dropping)],
    )
    try:
        return cleaner.clean(drawn)
    except RecursionError:  # elements in elements in elements
        return ""


def image(svg: str, alt: str) -> str:
    """Return a drawing as an element that shows it as a picture; empty when it is not well-formed."""
    if "xmlns=" not in svg.partition(">")[0]:
        svg = f'<svg xmlns="http://www.w3.org/2000/svg"{svg[4:]}'
    try:
        ET.fromstring(svg)  # noqa: S314 - expat 2.4 and later bound what entities become
    except ET.ParseError:
        return ""
    return f'<img alt="{alt}" src="data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}">'


def drawings(html: str) -> list[str]:
    """Return the drawings that stand in HTML."""
    return _SVG.findall(html)


_PLAIN = frozenset(
    {"colspan", "rowspan", "align", "valign", "alt", "title", "width", "height", "style", "open", "start"}
)


def _is_harmless(element: str, name: str, value: str) -> bool:
    match element, name:
        case "a", "href":
            return bool(_LINK.match(value))
        case "img", "src":
            return bool(_PICTURE.fullmatch(value))
        case "span", "class":
            return bool(_ANSI.fullmatch(value))
        case _:
            return name in _PLAIN


class _Dropping(cast("type[Any]", html5lib_shim.Filter)):  # pyright: ignore[reportUntypedBaseClass, reportAttributeAccessIssue, reportUnknownMemberType]
    """Leaves out the elements whose content must go with them."""

    def __iter__(self) -> Iterator[Any]:
        depth = 0
        tokens = cast("Iterator[dict[str, Any]]", super().__iter__())
        for token in tokens:
            kind = token["type"]
            if depth or (kind in {"StartTag", "EmptyTag"} and token["name"] in _DROPPED):
                depth += {"StartTag": 1, "EndTag": -1}.get(kind, 0)
                continue
            yield token
