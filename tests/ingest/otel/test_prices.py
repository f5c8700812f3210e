"""Costs of model calls: as genai-prices itself computes them, the operator's own first, unknown never 0."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from genai_prices import Usage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, Provider, TimeOfDateConstraint
from hypothesis import given
from hypothesis import strategies as st

from ingest.otel.prices import PROVIDERS, REMEMBERED, Calls, Prices, read_prices
from warehouse.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAY_2025 = dt.datetime(2025, 5, 15, 12, tzinfo=dt.UTC)
MAY_2026 = dt.datetime(2026, 5, 15, 12, tzinfo=dt.UTC)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MODELS = [(provider, model) for provider in get_snapshot().providers for model in provider.models]

counts = st.integers(0, 1000) | st.integers(100_000, 1_000_000)
moments = st.integers(1_672_531_200, 1_798_761_600).map(lambda seconds: dt.datetime.fromtimestamp(seconds, dt.UTC))


def call(
    model: str | None,
    provider: str | None = None,
    *,
    request_model: str | None = None,
    at: dt.datetime = MAY_2026,
    tokens: Sequence[int] = (1_000_000, 0, 0, 0, 0),
    needs_output: bool = True,
) -> tuple[Any, ...]:
    return provider, request_model, model, (at - EPOCH) // dt.timedelta(microseconds=1), *tokens, needs_output


def calls(*rows: tuple[Any, ...]) -> Calls:
    words = sorted({name for row in rows for name in row[:3] if name is not None})
    numbered = [
        [name if at > 2 else -1 if name is None else words.index(name) for at, name in enumerate(row)] for row in rows
    ]
    columns = [np.array(column, np.int64) for column in zip(*numbered, strict=True)]
    return Calls._make([words, *columns[:9], columns[9] == 1])


def dollars(*rows: tuple[Any, ...], prices: Prices | None = None) -> list[float | None]:
    made = (prices or Prices()).costs(calls(*rows)).dollars
    return [None if math.isnan(one) else one for one in made.tolist()]


def expected(provider: Provider, model: ModelInfo, at: dt.datetime, tokens: Sequence[int]) -> float | None:
    """Return what the library itself computes, in decimals; None when the model has no price for tokens."""
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "output_reasoning_tokens")
    price = model.calc_price(Usage(**dict(zip(names, tokens, strict=True))), provider, genai_request_timestamp=at)
    has_price = price.model_price.input_mtok is not None or price.model_price.output_mtok is not None
    return float(price.total_price) if has_price else None


@given(st.sampled_from(MODELS), moments, st.tuples(counts, counts, counts, counts, counts))
def test_every_public_price_is_the_librarys(
    sold: tuple[Provider, ModelInfo], at: dt.datetime, parts: tuple[int, int, int, int, int]
) -> None:
    """Rates as numbers give what genai-prices computes in decimals: tiers, caches, dates and times of day included."""
    provider, model = sold
    fresh, output, read, write, reasoning = parts
    tokens = (fresh + read + write, output + reasoning, read, write, reasoning)
    prices = Prices()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingest.otel.prices._sold", lambda *_args: model)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
        (made,) = dollars(call("any", at=at, tokens=tokens), prices=prices)
    assert expected(provider, model, at, tokens) == (
        made if made is None else pytest.approx(made, rel=1e-12, abs=1e-15)
    )


def test_times_of_day_are_whole_minutes() -> None:
    """Prices are remembered by the minute where they depend on the time of day."""
    constraints = [one.constraint for _, model in MODELS if isinstance(model.prices, list) for one in model.prices]
    daily = [one for one in constraints if isinstance(one, TimeOfDateConstraint)]
    assert daily
    assert {0} == {time.second + time.microsecond for one in daily for time in (one.start_time, one.end_time)}


def test_a_price_is_that_of_the_calls_time() -> None:
    """o3 cost 10 dollars per million input tokens in May 2025, and 2 a year later (OpenAI, 10 June 2025)."""
    assert [10.0, 2.0] == dollars(call("o3", "openai", at=MAY_2025), call("o3", "openai"))


def test_a_price_by_the_time_of_day_is_that_of_the_minute() -> None:
    """DeepSeek's nights were cheaper from 16:30 UTC on (its price list of February 2025)."""
    day = dt.datetime(2025, 4, 1, tzinfo=dt.UTC)
    before, after = (day.replace(hour=16, minute=minute, second=30) for minute in (29, 30))
    high, low = dollars(call("deepseek-chat", "deepseek", at=before), call("deepseek-chat", "deepseek", at=after))
    assert high is not None and low is not None and high == pytest.approx(2 * low)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (call("anthropic/claude-sonnet-4-5"), call("claude-sonnet-4-5", "anthropic")),
        (call("openrouter/openai/gpt-4o"), call("gpt-4o", "openai")),
        (
            call("us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
            call("anthropic.claude-sonnet-4-5-20250929-v1:0", "aws"),
        ),
        (call("gpt-4o", "azure.ai.openai"), call("gpt-4o", "azure")),
        (call("gpt-4o", "openai.chat"), call("gpt-4o", "openai")),
        (call("grok-4", "x_ai"), call("grok-4", "x-ai")),
        (call("deepseek-chat", "openai"), call("deepseek-chat", "deepseek")),
        (call("gpt-4o", "a-company"), call("gpt-4o", "openai")),
        (call(None, "openai", request_model="gpt-4o"), call("gpt-4o", "openai")),
        (call("ft:unheard-of", "openai", request_model="gpt-4o"), call("gpt-4o", "openai")),
        (call("GPT-4o", "OpenAI"), call("gpt-4o", "openai")),
    ],
)
def test_a_model_is_found_however_it_is_named(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    """Prefixes of vendors and regions, names of providers and products lead to the same price."""
    found, same = dollars(one, other)
    assert found is not None and found > 0 and same == found


@pytest.mark.parametrize(
    "one",
    [
        call("no-such-model", "openai"),
        call(None, "openai"),
        call("gpt-oss:20b", "ollama"),
        call("gpt-4o" + "x" * 300),
        call("gpt-4o", "openai", tokens=(-1, 5, -1, -1, -1)),
        call("gpt-4o", "openai", tokens=(5, -1, -1, -1, -1)),
        call("qwen-3-coder-480b", "cerebras"),
    ],
)
def test_what_is_unknown_has_no_price(one: tuple[Any, ...]) -> None:
    """Not 0: an unknown model or provider, missing tokens, a model that genai-prices lists without prices."""
    assert [None] == dollars(one)


def test_an_embedding_needs_no_output() -> None:
    """Its tokens all go in."""
    only_in = (1_000_000, -1, -1, -1, -1)
    (made,) = dollars(call("text-embedding-3-small", "openai", tokens=only_in, needs_output=False))
    assert 0.02 == pytest.approx(made)


@given(st.tuples(*[st.integers(-1, 5) | st.integers(2**63 - 3, 2**63 - 1)] * 5))
def test_tokens_that_contradict_themselves_are_invalid(tokens: tuple[int, int, int, int, int]) -> None:
    """Parts are not more than their whole, however large; a call is invalid or has a price, never both."""
    total, output, read, write, reasoning = tokens
    wrong = (0 <= total < max(read, 0) + max(write, 0)) or (0 <= output < max(reasoning, 0))
    made = Prices().costs(calls(call("gpt-4o", "openai", tokens=tokens)))
    assert [wrong] == made.invalid.tolist()
    assert [not wrong and total >= 0 and output >= 0] == (~np.isnan(made.dollars)).tolist()


@given(
    st.lists(
        st.tuples(st.sampled_from(["gpt-4o", "o3", "deepseek-chat", "gemini-2.5-pro", "x", None]), counts, moments)
    )
)
def test_calls_do_not_influence_one_another(rows: list[tuple[str | None, int, dt.datetime]]) -> None:
    """Many calls at once cost what each does alone."""
    made = [call(model, at=at, tokens=(tokens, 1, 0, 0, 0)) for model, tokens, at in rows]
    alone = [dollars(one)[0] for one in made]
    assert alone == (dollars(*made) if made else [])


def test_no_calls_cost_nothing() -> None:
    """An empty request is no error."""
    made = calls(call("gpt-4o"))
    empty = Calls._make([made.words, *(column[:0] for column in made[1:])])
    assert 0 == len(Prices().costs(empty).dollars)


def test_own_prices_come_first(tmp_path: Path) -> None:
    """By model, before that by provider and model, from a day on; cached tokens at their own price or as others."""
    path = tmp_path / "prices.toml"
    path.write_text(
        """
        [[price]]
        model = "GPT-4o"
        input = 1
        output = 2
        since = 2026-01-01

        [[price]]
        model = "gpt-4o"
        provider = "openai"
        input = 0.5
        output = 0
        cache_read = 0.1

        [[price]]
        model = "llama"
        input = 3
        output = 0
        request = 0.25
        """
    )
    prices = Prices(read_prices(path))
    million = (1_000_000, 1_000_000, 500_000, 0, 0)
    assert pytest.approx([3.0, 0.3, 3.25, 3.25]) == dollars(
        call("gpt-4o", "azure", tokens=million),
        call("gpt-4o", "openai", tokens=million),
        call("llama", "ollama", tokens=million),
        call(None, None, request_model="llama", tokens=million),
        prices=prices,
    )
    assert dollars(call("gpt-4o", "azure", at=MAY_2025)) == dollars(call("gpt-4o", "azure", at=MAY_2025), prices=prices)


@pytest.mark.parametrize(
    "text",
    [
        "price = 3",
        "[[price]]\ninput = 1",
        '[[price]]\nmodel = "m"\ninput = 1',
        '[[price]]\nmodel = "m"\noutput = 1',
        '[[price]]\nmodel = "m"\noutput = 1\ninput = -1',
        '[[price]]\nmodel = "m"\noutput = 1\ninput = nan',
        '[[price]]\nmodel = "m"\noutput = 1\ninput = true',
        '[[price]]\nmodel = "m"\noutput = 1\ninput = 1\nprovider = 1',
        '[[price]]\nmodel = "m"\noutput = 1\ninput = 1\nsince = "today"',
        '[[price]]\nmodel = "m"\noutput = 1\ninput = 1\ninputs = 1',
        "[[price",
    ],
)
def test_a_faulty_file_is_refused(tmp_path: Path, text: str) -> None:
    """Prices that would silently not hold are an error."""
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"prices\.toml"):
        read_prices(path)


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    """As any other that cannot be read."""
    with pytest.raises(InputError):
        read_prices(tmp_path / "none.toml")


def test_strangers_names_do_not_fill_the_memory() -> None:
    """However many models are named, a bounded number is remembered, by us and by the library."""
    prices = Prices()
    snapshot = get_snapshot()
    for start in range(0, 2 * REMEMBERED, 512):
        dollars(*(call(f"no-such-model-{start + number}", "nobody") for number in range(512)), prices=prices)
    assert prices.remembered <= 2 * REMEMBERED
    assert {0} == {len(cached) for name, cached in vars(snapshot).items() if name.startswith("_")}


def test_our_providers_are_theirs() -> None:
    """Every id that a name leads to exists in genai-prices."""
    assert set() == {id_ for id_ in PROVIDERS.values() if id_} - {one.id for one in get_snapshot().providers}
