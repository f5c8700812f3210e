"""Dollars of model calls: the operator's own prices, else those of genai-prices at the time of the call. No network.

A price that is not known is null and counted as `unknown`, never 0; tokens that contradict themselves are
`invalid_usage`, and nothing is guessed (genai-prices would refuse them too).
"""

from __future__ import annotations

import datetime as dt
import functools
import math
import re
import tomllib
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from ingest.otel.keyed import combined
from warehouse.errors import InputError, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from genai_prices.types import ModelInfo, ModelPrice, Provider
    from numpy.typing import NDArray

REPORTED, PRICED, UNKNOWN, INVALID = "reported", "priced", "unknown", "invalid_usage"
"""What `cost_source` says of a model call; null for what is none."""

PROVIDERS: Mapping[str, str | None] = {
    "anthropic": "anthropic",
    "amazon-bedrock": "aws",
    "aws": "aws",
    "aws.bedrock": "aws",
    "bedrock": "aws",
    "az.ai.inference": "azure",
    "az.ai.openai": "azure",
    "azure": "azure",
    "azure-openai": "azure",
    "azure.ai.inference": "azure",
    "azure.ai.openai": "azure",
    "azure_openai": "azure",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "gcp.gemini": "google",
    "gcp.gen_ai": "google",
    "gcp.vertex_ai": "google",
    "gemini": "google",
    "google": "google",
    "google_genai": "google",
    "groq": "groq",
    "meta": "meta",
    "minimax": "minimax",
    "mistral": "mistral",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "moonshot": "moonshotai",
    "moonshot_ai": "moonshotai",
    "moonshotai": "moonshotai",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together",
    "together_ai": "together",
    "togetherai": "together",
    "vertex": "google",
    "vertex_ai": "google",
    "vertexai": "google",
    "x-ai": "x-ai",
    "x_ai": "x-ai",
    "xai": "x-ai",
    "zai": "zai",
    # One's own machine, or whatever it runs: its model may be called as one that is sold, and costs what it costs.
    "hugging_face": None,
    "huggingface": None,
    "llamacpp": None,
    "lm_studio": None,
    "lmstudio": None,
    "ollama": None,
    "vllm": None,
}
"""A provider as traces name it -> its id in genai-prices. Theirs has `azure.ai.openai` at the prices of openai."""

NAME_CHARACTERS = 256
"""Longest name of a model that is looked up."""

REMEMBERED = 4096
"""How many models, and prices of them at a time, are kept in memory."""

_ON_BEDROCK = re.compile(
    r"(?:(?:us|us-gov|eu|apac|ap|au|ca|jp|sa|global)\.)?"
    r"((?:ai21|amazon|anthropic|cohere|deepseek|meta|mistral|openai|qwen)\..+)"
)
"""A model as Amazon Bedrock calls it, perhaps with a region."""
_NOT_SOLD = (math.nan,) * 6
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLION, _THOUSAND = 1_000_000, 1_000
_DAY_US, _MINUTE_US, _EVER_US = 86_400 * 10**6, 60 * 10**6, 2**62
_PRICES = (
    "input_mtok",
    "output_mtok",
    "cache_read_mtok",
    "cache_write_mtok",
    "output_reasoning_mtok",
    "requests_kcount",
)
"""What is read of a genai-prices price: dollars per million tokens, and per thousand calls."""


_Key = tuple[str | None, str | None, str | None]
"""Provider, requested and answering model."""


class Calls(NamedTuple):
    """Model calls, an item of each array per call."""

    words: Sequence[str]
    """Names of providers and models."""
    provider: NDArray[np.int64]
    """Which word, -1 where unknown."""
    request_model: NDArray[np.int64]
    response_model: NDArray[np.int64]
    start_us: NDArray[np.int64]
    """Microseconds since 1970."""
    input: NDArray[np.int64]
    """Tokens, below 0 where unknown; cached ones included."""
    output: NDArray[np.int64]
    """Reasoning included; may be unknown where there is none (embeddings)."""
    cache_read: NDArray[np.int64]
    cache_write: NDArray[np.int64]
    reasoning: NDArray[np.int64]
    needs_output: NDArray[np.bool_]
    """Whether the cost is unknown as long as the output is."""


class Costs(NamedTuple):
    """Dollars, NaN where there is no price, and which of the calls contradict themselves."""

    dollars: NDArray[np.float64]
    invalid: NDArray[np.bool_]


class Rate(NamedTuple):
    """Dollars of what a call uses, from a number of input tokens on."""

    above: int
    """It holds for calls with more input tokens than this."""
    dollars: tuple[float, float, float, float, float, float]
    """Per input token, output token, more (or less) per one of them that is read from the cache, written to it,
    reasoning; and of the call itself."""


@dataclass(frozen=True, slots=True)
class Own:
    """A price of the operator's: dollars per million tokens; a cached one costs as much as another unless said."""

    model: str
    """Compared without regard to case."""
    provider: str | None
    """As the trace names it; None for any."""
    since_us: int
    rate: Rate


class _Model(NamedTuple):
    own: Sequence[Own]
    """The last that has begun counts."""
    sold: ModelInfo | None
    unit_us: int
    """A price holds for a whole one of these: a day; a minute where it depends on the time of day."""


@dataclass(slots=True)
class Prices:
    """Prices by (provider, models) and time, remembered."""

    own: tuple[Own, ...] = ()
    """Looked up first."""
    _models: dict[_Key, _Model] = field(default_factory=dict[Any, _Model])
    _rates: dict[tuple[_Key, int], tuple[Rate, ...]] = field(default_factory=dict[Any, "tuple[Rate, ...]"])

    @property
    def version(self) -> str:
        """Return the version of the public prices."""
        return version("genai-prices")

    @property
    def remembered(self) -> int:
        """Return how many models and prices at a time are in memory."""
        return len(self._models) + len(self._rates)

    def costs(self, calls: Calls) -> Costs:
        """Return what calls cost at their time."""
        used = np.stack([calls.input, calls.output, calls.cache_read, calls.cache_write, calls.reasoning])
        known = used >= 0
        used = np.where(known, used, 0)
        total_in, total_out, read, write, reasoning = used
        # Compared part by part: the sum of two counts near 2^63 would turn round.
        invalid = known[0] & ((read > total_in) | (write > total_in - np.minimum(read, total_in)))
        invalid |= known[1] & (reasoning > total_out)
        priced = known[0] & (known[1] | ~calls.needs_output) & ~invalid
        dollars = np.full(len(priced), np.nan)
        calls_priced = np.flatnonzero(priced)
        if len(calls_priced):
            dollars[calls_priced] = self._dollars(calls, calls_priced, used[:, calls_priced])
        return Costs(dollars, invalid)

    def _dollars(self, calls: Calls, rows: NDArray[np.int64], used: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return what some calls cost, given how much they used."""
        names = np.stack([calls.provider, calls.request_model, calls.response_model])[:, rows]
        _, first, model_of = np.unique(combined(*names), return_index=True, return_inverse=True)
        words: list[str | None] = [*calls.words, None]  # at -1
        distinct = cast("list[list[int]]", names[:, first].T.tolist())
        keys: list[_Key] = [(words[provider], words[asked], words[answered]) for provider, asked, answered in distinct]
        units = np.array([self._model(key).unit_us for key in keys], np.int64)
        when = calls.start_us[rows] // units[model_of]
        _, first, price_of = np.unique(combined(model_of, when), return_index=True, return_inverse=True)
        prices = [
            self._rate(keys[model], time)
            for model, time in cast("list[list[int]]", np.stack([model_of, when])[:, first].T.tolist())
        ]
        base = np.array([rates[0].dollars if rates else _NOT_SOLD for rates in prices])[price_of]
        for number, rates in enumerate(prices):
            for rate in rates[1:]:
                base[(price_of == number) & (used[0] > rate.above)] = rate.dollars
        return np.einsum("ij,ji->i", base[:, :5], used.astype(np.float64)) + base[:, 5]

    def _model(self, key: _Key) -> _Model:
        found = self._models.get(key)
        if found is None:
            if len(self._models) >= REMEMBERED:
                self._models.clear()
            found = self._models[key] = self._resolved(*key)
        return found

    def _rate(self, key: _Key, when: int) -> tuple[Rate, ...]:
        found = self._rates.get((key, when))
        if found is None:
            if len(self._rates) >= REMEMBERED:
                self._rates.clear()
            model = self._model(key)
            found = self._rates[key, when] = _at(model, when * model.unit_us)
        return found

    def _resolved(self, provider: str | None, request_model: str | None, response_model: str | None) -> _Model:
        models = [name.lower() for name in (response_model, request_model) if name and len(name) <= NAME_CHARACTERS]
        named = provider.lower() if provider else None
        of_models = (
            [one for one in self.own if one.model == model and one.provider in (None, named)] for model in models
        )
        own = sorted(next(filter(None, of_models), ()), key=lambda one: (one.provider is not None, one.since_us))
        sold = next(filter(None, (_sold(*wanted) for wanted in _wanted(named, models))), None)
        return _Model(own, sold, min(_DAY_US if own else _EVER_US, _unit_us(sold)))


def read_prices(path: Path) -> tuple[Own, ...]:
    """Return the prices of a TOML file.

    It has tables `[[price]]` of `model`, `input` and `output`, perhaps `cache_read` and `cache_write` (all dollars per
    million tokens), `request` (dollars of the call itself), `provider` and `since` (a date).

    Raises:
        InputError: the file cannot be read, or is not such a file.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8")).get("price", [])
    except (OSError, ValueError) as error:
        raise InputError(f"the prices of {shown(str(path))} cannot be read: {error}") from error
    if not isinstance(tables, list):
        raise InputError(f"the prices of {shown(str(path))} must be tables [[price]]")
    return tuple(_own(table, path) for table in cast("list[Any]", tables))


_OWN_KEYS = {"model", "provider", "input", "output", "cache_read", "cache_write", "request", "since"}


def _own(table: Any, path: Path) -> Own:
    where = f"a price of {shown(str(path))}"
    if not isinstance(table, dict) or not isinstance(cast("dict[str, Any]", table).get("model"), str):
        raise InputError(f"{where} must have a text as model")
    sent = cast("dict[str, Any]", table)
    about = f"{where} for {shown(sent['model'])}"
    if strange := sent.keys() - _OWN_KEYS:
        raise InputError(f"{about} has {', '.join(sorted(strange))}, allowed are {', '.join(sorted(_OWN_KEYS))}")
    provider, since = sent.get("provider"), sent.get("since", dt.date(1970, 1, 1))
    if provider is not None and not isinstance(provider, str):
        raise InputError(f"{about} must have a text as provider")
    if not isinstance(since, dt.date) or isinstance(since, dt.datetime):
        raise InputError(f"{about} must have a date such as 2026-09-01 as since")
    input_ = _dollars(sent, "input", about)
    output = _dollars(sent, "output", about)
    read, write = (_dollars(sent, key, about, input_) for key in ("cache_read", "cache_write"))
    per_call = _dollars(sent, "request", about, 0.0)
    rate = _rate_of(-1, (input_, output, read, write, output), per_call)
    return Own(sent["model"].lower(), provider and provider.lower(), (since - dt.date(1970, 1, 1)).days * _DAY_US, rate)


def _dollars(sent: Mapping[str, Any], key: str, about: str, otherwise: float | None = None) -> float:
    value = sent.get(key, otherwise)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise InputError(f"{about} has {key} {shown(repr(value))}, must be a number from 0")
    return float(value)


def _rate_of(above: int, per_million: tuple[float, float, float, float, float], per_call: float) -> Rate:
    """Return a rate, given dollars per million tokens in, out, read, written, of reasoning, and dollars of a call."""
    input_, output, read, write, reasoning = (dollars / _MILLION for dollars in per_million)
    return Rate(above, (input_, output, read - input_, write - input_, reasoning - output, per_call))


# Where a model is looked for (reference: ecosystem, prices). genai-prices itself would remember every name it was ever
# asked, so only its tables are used.


@functools.cache
def _providers() -> Mapping[str, Provider]:
    from genai_prices.data_snapshot import get_snapshot  # noqa: PLC0415 - takes half a second, and may never be needed

    return {provider.id: provider for provider in get_snapshot().providers}


def _wanted(provider: str | None, models: Sequence[str]) -> Iterator[tuple[str | None, str]]:
    """Yield (provider's id, model) in the order in which they are tried."""
    id_ = _provider_id(provider)
    if provider and id_ is None:
        return
    if id_:
        yield from ((id_, model) for model in models)
    yield from ((None, model) for model in models)
    for model in models:
        vendor, slash, rest = model.rpartition("/")
        if slash:
            yield _provider_id(vendor.rpartition("/")[2]) or None, rest
            yield None, rest
    for model in models:
        if on_bedrock := _ON_BEDROCK.fullmatch(model):
            yield "aws", on_bedrock[1]


def _provider_id(name: str | None) -> str | None:
    """Return a provider's id in genai-prices, empty when it is not known, None when its models have no public price."""
    if not name:
        return ""
    return PROVIDERS[name] if name in PROVIDERS else PROVIDERS.get(name.partition(".")[0], "")


def _sold(provider: str | None, model: str) -> ModelInfo | None:
    every = _providers()
    if provider is not None:
        sellers = [every[provider]] if provider in every else []
    else:
        sellers = [one for one in every.values() if one.model_match is not None and one.model_match.is_match(model)][:1]
    everyone = list(every.values())
    return next(filter(None, (one.find_model(model, all_providers=everyone) for one in sellers)), None)


def _unit_us(model: ModelInfo | None) -> int:
    if model is None or not isinstance(model.prices, list):
        return _EVER_US
    by_hour = any(hasattr(one.constraint, "start_time") for one in model.prices)
    return _MINUTE_US if by_hour else _DAY_US


def _at(model: _Model, start_us: int) -> tuple[Rate, ...]:
    """Return the rates at a time, those for more tokens later; none where there is no price."""
    begun = [own for own in model.own if own.since_us <= start_us]
    if begun:
        return (begun[-1].rate,)
    if model.sold is None:
        return ()
    return _rates(model.sold.get_prices(_EPOCH + dt.timedelta(microseconds=start_us)))


def _rates(price: ModelPrice) -> tuple[Rate, ...]:
    """Return a model's price as rates; none when it has no price for tokens.

    A cached or reasoning token without a price of its own costs as much as another (`genai_prices.decompose`); beyond
    a tier's start the whole call has the tier's price (`TieredPrices`).
    """
    given: list[Any] = [getattr(price, name) for name in _PRICES]
    if given[0] is None and given[1] is None:
        return ()
    starts = {tier.start for one in given for tier in getattr(one, "tiers", ())}
    rates: list[Rate] = []
    for above in (-1, *sorted(starts)):
        input_, output, read, write, reasoning, calls = (_tier(one, above) for one in given)
        input_, output = input_ or 0.0, output or 0.0
        read, write = (input_ if one is None else one for one in (read, write))
        reasoning = output if reasoning is None else reasoning
        rates.append(_rate_of(above, (input_, output, read, write, reasoning), (calls or 0.0) / _THOUSAND))
    return tuple(rates)


def _tier(price: Any, above: int) -> float | None:
    """Return the dollars per million tokens of a price that holds from a tier's start on."""
    if price is None:
        return None
    reached = [tier.price for tier in getattr(price, "tiers", ()) if tier.start <= above]
    return float(reached[-1] if reached else getattr(price, "base", price))
