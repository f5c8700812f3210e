"""Reports as Markdown, read back by an independent CommonMark parser (markdown-it-py, with GitHub's tables)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from api.pages import markdown
from api.pages.tables import Cell, Column, Row, Table
from tests.api.pages.documents import HOSTILE, REPORTS, Document, full, hostile, report, without_numbers

READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
PLAIN = {**{name: report(name) for name in REPORTS}, "full": full()}
EVERY = (
    PLAIN
    | {f"{name} of nulls": without_numbers(body) for name, body in PLAIN.items()}
    | {f"{name} of attacks": hostile(body) for name, body in PLAIN.items()}
    | {"nothing": {"experiment": "new"}}
)
OURS = {"h1", "h2", "h3", "p", "ul", "li", "strong", "table", "thead", "tbody", "tr", "th", "td", "pre", "code", "div"}


def read(text: str) -> Document:
    return Document(f"<div>{READER.render(text)}</div>")


@pytest.mark.parametrize("body", EVERY.values(), ids=EVERY.keys())
def test_markdown_has_no_html_link_or_picture(body: dict[str, object]) -> None:
    """A reader that lets HTML through makes of a report only headings, lists, tables, bold text and code."""
    document = read(markdown.markdown(body))
    assert {element.tag for element in document.elements} <= OURS
    for element in document.elements:
        assert set(element.attributes) <= {"style", "class"}
        assert element.attributes.get("class") in {None, "language-sql"}


name = st.text(st.sampled_from("`*_|<>&\\[]()# \n\tab-:") | st.characters(exclude_categories=["C", "Z"]), min_size=1)


@given(st.lists(st.lists(name, min_size=3, max_size=3), min_size=1, max_size=4))
def test_every_cell_stays_in_its_place(cells: list[list[str]]) -> None:
    """Pipes and line breaks in names move nothing: cells come back in rows and columns as they were written."""
    columns = tuple(Column(head) for head in "abc")
    made = Table("made", columns, tuple(Row(tuple(map(Cell, row))) for row in cells))
    found = [cell.words.replace("\N{ZERO WIDTH NON-JOINER}", "") for cell in read(markdown.table(made)).all("td")]
    assert [" ".join(cell.split()) for row in cells for cell in row] == found


@given(st.text())
def test_text_reads_as_it_was_written(written: str) -> None:
    """Whatever stands in a cell comes back to the letter, but for white space and what Markdown has no place for."""
    expected = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "\N{REPLACEMENT CHARACTER}", " ".join(written.split()))
    [cell] = read(f"| head |\n| --- |\n| {markdown.escaped(written)} |").all("td")
    assert expected.strip() == cell.words.replace("\N{ZERO WIDTH NON-JOINER}", "").strip()


@given(st.text(st.sampled_from("`*_|<>&\\[]()#\n ab")))
def test_markup_reads_as_it_was_written(written: str) -> None:
    """The characters that Markdown is made of are text, in any order."""
    test_text_reads_as_it_was_written.hypothesis.inner_test(written)  # pyright: ignore[reportFunctionMemberAccess]


@pytest.mark.parametrize(
    "address", ["http://a.example", "HTTPS://a.example", "www.a.example", "ftp://a", "mailto:a@b.c"]
)
def test_a_bare_address_is_no_link(address: str) -> None:
    """GitHub makes links of bare addresses (GFM, section 6.9); a character without width breaks them."""
    said = markdown.escaped(f"see {address}")
    assert not re.search(r"https?://|www\.|ftp://|mailto:", said, re.IGNORECASE)


@given(st.text(st.sampled_from("`~\n sql")))
def test_sql_stays_in_its_block(sql: str) -> None:
    """Statements hold names of strangers; none ends the block around it, and the SQL is the receipt's to the letter."""
    tokens = READER.parse(f"{markdown.fenced(sql)}\n\nafter")
    assert ["fence", "paragraph_open"] == [token.type for token in tokens][:2]
    assert f"{sql}\n" == tokens[0].content


@pytest.mark.parametrize("name", REPORTS)
def test_the_verdict_comes_first(name: str) -> None:
    """Heading, then the sentence, before any table."""
    body = report(name)
    lines = markdown.markdown(body).split("\n\n")
    assert lines[0].startswith("# ")
    sentence = read(lines[1]).elements[0].words.strip()
    assert " ".join(body["verdict"]["sentence"].replace("`", "").split()) == sentence


def test_every_part_of_a_full_report_is_there_in_its_order() -> None:
    """The same parts as on the page; pictures have none."""
    headings = [element.words for element in read(markdown.markdown(full())).all("h2")]
    assert headings == [
        *("Effect", "Variants", "Health", "Guardrails", "Secondary scores", "Power", "Segments"),
        *("What the usual per-run test would have said", "Unit and assignment", "Day by day"),
        "How this was computed",
    ]


def test_hostile_names_are_shown() -> None:
    """What was sent is there to be read."""
    assert (
        " ".join(f"empathetic{HOSTILE}".split()) in read(markdown.markdown(hostile(report("winner")))).elements[0].words
    )


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_of_nulls_has_no_none_or_nan(name: str) -> None:
    """Nulls never reach the reader as Python words."""
    assert not re.search(r"\b(None|nan|inf|Undefined)\b", markdown.markdown(without_numbers(report(name))))
