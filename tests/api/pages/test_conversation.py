"""What was said: turns out of the shapes that chat APIs and frameworks write, and nothing out of others.

The shapes are those of the published references: OpenAI (chat completions, responses), Anthropic (messages), LangChain
(`dumpd` of messages as `type` and `content`), the Vercel AI SDK (`UIMessage` with `parts`), Gemini (`parts`).
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pages.conversation import MOST_TURNS, Turn, turns
from api.pages.drill import wrong


def payload(found: Any) -> dict[str, Any]:
    """Return a `Payload` of the drill-down."""
    text = json.dumps(found)
    return {"text": text, "length": len(text)}


ASKED = Turn("user", "Where is my order?")
SHAPES: tuple[tuple[str, Any, list[Turn]], ...] = (
    ("a text", ASKED.text, [Turn("somebody", ASKED.text)]),
    ("a number", 7, [Turn("somebody", "7")]),
    ("one field", {"question": ASKED.text}, [Turn("somebody", ASKED.text)]),
    ("one field and a little beside it", {"answer": "Soon.", "sources": 3}, [Turn("somebody", "Soon.")]),
    (
        "OpenAI, what is sent",
        {
            "model": "m",
            "messages": [
                {"role": "developer", "content": "Be short."},
                {"role": "user", "content": [{"type": "text", "text": ASKED.text}]},
            ],
        },
        [Turn("system", "Be short."), ASKED],
    ),
    (
        "OpenAI, chat completion",
        {"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Soon."}}], "usage": {}},
        [Turn("assistant", "Soon.")],
    ),
    (
        "OpenAI, response",
        {"output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Soon."}]}]},
        [Turn("assistant", "Soon.")],
    ),
    (
        "Anthropic, message",
        {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Soon."}], "stop_reason": "x"},
        [Turn("assistant", "Soon.")],
    ),
    (
        "Anthropic, result of a tool",
        [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "shipped"}]}],
        [Turn("user", "shipped")],
    ),
    (
        "LangChain",
        {"messages": [{"type": "human", "content": ASKED.text}, {"type": "ai", "content": "Soon.", "id": "1"}]},
        [ASKED, Turn("assistant", "Soon.")],
    ),
    (
        "Vercel AI SDK",
        [{"id": "1", "role": "user", "parts": [{"type": "text", "text": ASKED.text}]}],
        [ASKED],
    ),
    (
        "Gemini",
        [{"role": "user", "parts": [{"text": ASKED.text}]}, {"role": "model", "parts": [{"text": "Soon."}]}],
        [ASKED, Turn("assistant", "Soon.")],
    ),
)


@pytest.mark.parametrize(("found", "said"), [shape[1:] for shape in SHAPES], ids=[shape[0] for shape in SHAPES])
def test_a_known_shape(found: Any, said: list[Turn]) -> None:
    """Who said what, in order."""
    assert said == turns(payload(found), "somebody")


UNKNOWN: tuple[Any, ...] = (
    {"order": 7, "lines": [1, 2]},
    {"question": "one", "answer": "two"},
    {"text": "a word", "rest": "x" * 300},
    [1, 2, 3],
    [{"role": "user", "content": "a"}, {"no": "message"}],
    {"role": "user", "content": {"deep": "text"}},
    {"content": "   "},
    "  ",
    {},
    [],
)


@pytest.mark.parametrize("found", UNKNOWN)
def test_an_unknown_shape_says_nothing(found: Any) -> None:
    """Then the page shows the payload itself: nothing of it is left out by a guess."""
    assert [] == turns(payload(found), "somebody")


def test_what_is_cut_is_not_guessed_at() -> None:
    """Half a JSON document, and half a text."""
    whole = payload({"messages": [{"role": "user", "content": "x" * 100}]})
    assert [] == turns({"text": whole["text"][:60], "length": whole["length"]}, "user")
    assert [] == turns({"text": "the first words", "length": 1_000}, "user")
    assert [Turn("user", "the first words")] == turns({"text": "the first words", "length": 15}, "user")


def test_only_the_first_turns_are_shown() -> None:
    """A page of a session has many runs."""
    talk = [{"role": "user", "content": str(n)} for n in range(MOST_TURNS + 10)]
    assert [str(n) for n in range(MOST_TURNS)] == [turn.text for turn in turns(payload(talk), "user")]


words = st.sampled_from(["role", "type", "content", "parts", "text", "message", "messages", "choices", "input", "user"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | words,
    lambda deeper: st.lists(deeper, max_size=4) | st.dictionaries(words | st.text(max_size=5), deeper, max_size=4),
    max_leaves=20,
)


@given(values, st.none() | st.integers(0, 100))
def test_no_json_makes_it_fail(found: Any, cut: int | None) -> None:
    """Whole or cut, with numbers that JSON has not; turns are texts."""
    whole = payload(found)
    sent = whole if cut is None else {"text": whole["text"][:cut], "length": whole["length"]}
    assert all(isinstance(turn.role, str) and isinstance(turn.text, str) for turn in turns(sent, "user"))


@given(st.text())
def test_a_text_is_said_as_it_is_or_not_at_all(text: str) -> None:
    """What does not look like JSON is one turn, to the letter."""
    assert turns({"text": text, "length": len(text)}, "user") in ([], [Turn("user", text)]) or text.lstrip()[0] in '{["'
    assert [] == turns(None, "user")


def test_json_nested_beyond_reason_is_no_conversation() -> None:
    """A decoder may refuse its depth; the page does not fail for it."""
    text = '{"messages":' * 5_000 + "1" + "}" * 5_000
    for sent in (text, text[:20_000]):
        assert [] == turns({"text": sent, "length": len(text)}, "user")
        assert sent == wrong({"text": sent, "length": len(text)})
