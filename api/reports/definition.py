"""What a report is: a notebook, its parameters, when it runs, where its editions go. Read here, and nowhere else.

A definition is a named object of its workspace (`KIND`) as queries and dashboards are: every version is kept, and an
edition names the one it was made of.
"""

from __future__ import annotations

import ast
import datetime as dt
import difflib
import hashlib
import json
import re
import zoneinfo
from email.utils import parseaddr
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import urlsplit

import msgspec

from api.reports.deliveries.outcome import MASK, masked_url
from warehouse.errors import InputError, NotFoundError, UpshotError, did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

KIND = "report"
"""Their kind among the named objects of a workspace."""

NAME = re.compile(r"(?!new$)[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
"""What a report can be called; `new` is where one is made."""

MAX_DELIVERIES = 20
MAX_ADDRESSES = 50
MAX_PARAMS = 100
MAX_PARAMS_BYTES = 64 << 10
MAX_NOTEBOOK_BYTES = 4 << 20
MAX_CELLS = 500
MAX_SECONDS = 3600
MIN_MEMORY_MB, MAX_MEMORY_MB = 128, 8192
MAX_URL = 2000
TAG = "parameters"
"""Tag of the cell whose names a run may set; papermill's."""

_NEWEST_MINOR = 5
_CRON_FIELDS = 5
_YEARS = 8
"""A cron expression that has no time so many years long, leap days included, never has one."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When a report runs by itself."""

    cron: str
    """Five fields: minute, hour, day of the month, month, day of the week."""
    timezone: str = "UTC"
    missed: Literal["skip", "latest", "all"] = "latest"
    """What of the times that passed while nothing could run is made up for."""


class Webhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="to", tag="webhook"):
    """An address that is sent signed JSON."""

    url: str
    secret: str = ""
    """Signs what is sent: `whsec_` and base64 of 24 to 64 bytes."""


class Slack(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="to", tag="slack"):
    """An incoming webhook as Slack has them; its address is the secret."""

    url: str


class Email(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="to", tag="email"):
    """Mail, to each address a message of its own."""

    addresses: tuple[str, ...]


Delivery = Webhook | Slack | Email


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one run may take."""

    seconds: float = 600
    memory_mb: int = 1024


class Definition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A report as somebody defined it; made by `defined`, which checks it."""

    title: str
    description: str = ""
    template: str | None = None
    """Name of a shipped notebook; either this or `notebook`."""
    notebook: dict[str, Any] | None = None
    """A notebook of nbformat 4."""
    params: dict[str, Any] = {}
    """Values of names that the parameters cell sets."""
    schedule: Schedule | None = None
    deliver: tuple[Delivery, ...] = ()
    only_when_changed: bool = False
    limits: Limits = Limits()


def defined(body: object, before: Definition | None = None) -> Definition:
    """Return the definition that JSON says.

    Args:
        body: as `json.loads` gives it.
        before: the version that stands; where `body` has a mask that `written` wrote, its secret is kept.

    Raises:
        InputError: names the first field that cannot be, its value and its bound.
    """
    given = _object(body)
    for name, bound in _BOUNDS.items():
        if name in given:
            _converted(name, given[name], bound)
    if "title" not in given:
        if not isinstance(given.get("template"), str):
            raise InputError("title is missing, must be text of 1 to 200 characters")
        given = {**given, "title": given["template"].replace("-", " ").capitalize()}
    made = _unmasked(msgspec.convert(given, Definition), before)
    for check in _CHECKS:
        check(made)
    return made


def written(definition: Definition, *, mask: bool = True) -> dict[str, Any]:
    """Return a definition as JSON, what `defined` reads; secrets masked unless it is for the workspace to keep."""
    shown_as = definition
    if mask:
        shown_as = msgspec.structs.replace(definition, deliver=tuple(map(masked, definition.deliver)))
    return msgspec.to_builtins(shown_as)


def masked(delivery: Delivery) -> Delivery:
    """Return a delivery as it may be shown: where it goes, and of a secret only which one it is."""
    match delivery:
        case Webhook(url=url, secret=secret):
            return Webhook(_masked_url(url), f"{MASK}{_which(secret)}" if secret else "")
        case Slack(url=url):
            return Slack(_masked_url(url))
        case Email():
            return delivery


def notebook_of(definition: Definition) -> dict[str, Any]:
    """Return the notebook that a definition runs: its own, or the shipped one; raises NotFoundError for no such."""
    if definition.notebook is not None:
        return definition.notebook
    name = str(definition.template)
    if name not in (known := templates()):
        hint = did_you_mean(name, known) or f"there are {', '.join(known) or 'none'}"
        raise NotFoundError(f"template {shown(name)} is not one of the shipped notebooks", hint=hint)
    return json.loads((_shipped() / f"{name}.ipynb").read_text(encoding="utf-8"))


def templates() -> list[str]:
    """Return the names of the shipped notebooks."""
    folder = _shipped()
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return sorted(name.removesuffix(".ipynb") for name in names if name.endswith(".ipynb"))


def parameters(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names that the parameters cell of a notebook sets, with their defaults where those are literals.

    A default that is no literal is None. Raises InputError when the notebook has no such cell, or it is no Python.
    """
    cell = next((one for one in notebook["cells"] if TAG in one.get("metadata", {}).get("tags", [])), None)
    if cell is None or cell.get("cell_type") != "code":
        raise InputError(f"notebook has no code cell with the tag {TAG!r}, must have one, which may be empty")
    try:
        tree = ast.parse(_joined(cell["source"]))
    except (SyntaxError, ValueError) as error:
        raise InputError(f"notebook: its parameters cell is not Python: {error}") from None
    found: dict[str, Any] = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=targets, value=value):
                found |= {target.id: _literal(value) for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None:
                found[name] = _literal(value)
            case _:
                pass
    return found


def _literal(value: ast.expr) -> Any:
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _shipped() -> Any:
    return resources.files("api.reports") / "templates"


def _joined(source: str | Sequence[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


def _object(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise InputError(f"a report is {shown(_text(body))}, must be a JSON object")
    given = cast("dict[str, Any]", body)
    for name in given:
        if name not in Definition.__struct_fields__:
            hint = did_you_mean(str(name), Definition.__struct_fields__)
            known = ", ".join(Definition.__struct_fields__)
            raise InputError(f"a report has no field {shown(str(name))}, must be one of {known}", hint=hint)
    return given


_TYPES: dict[str, Any] = {field.name: field.type for field in msgspec.structs.fields(Definition)}

_BOUNDS = {
    "title": "text of 1 to 200 characters",
    "description": "text of at most 10000 characters",
    "template": "the name of a shipped notebook",
    "notebook": "a notebook of nbformat 4 as a JSON object",
    "params": "an object, name -> value",
    "schedule": "null, or an object with cron, timezone and missed (skip, latest or all)",
    "deliver": (
        'a list of {"to": "webhook", "url", "secret"}, {"to": "slack", "url"} and {"to": "email", "addresses"} objects'
    ),
    "only_when_changed": "true or false",
    "limits": "an object with seconds and memory_mb",
}
"""Field -> what it must be, in words."""


def _converted(name: str, value: object, bound: str) -> None:
    try:
        msgspec.convert(value, _TYPES[name])
    except msgspec.ValidationError as error:
        path = re.search(r" - at `\$([^`]*)`", str(error))
        said = str(error).partition(" - at ")[0]
        where = f"{name}{path[1] if path else ''}"
        told = f"is {shown(_text(value))}, must be {bound}"
        raise InputError(f"{where} {told}", hint=f"{said[:1].lower()}{said[1:]}") from None


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text[:2000]


def _which(secret: str) -> str:
    """Return what tells one secret from another and does not give it away: 16 bits of its digest."""
    return hashlib.sha256(b"upshot report\0" + secret.encode()).hexdigest()[:4]


def _masked_url(url: str) -> str:
    told = masked_url(url)
    return f"{told}{_which(url)}" if told.endswith(MASK) else told


def _unmasked(made: Definition, before: Definition | None) -> Definition:
    """Put the secrets back that stand masked; each of the version before is given out once, first to its like."""
    kept = list(before.deliver) if before else []
    return msgspec.structs.replace(
        made, deliver=tuple(_with_secret(at, one, kept) for at, one in enumerate(made.deliver))
    )


def _with_secret(at: int, given: Delivery, kept: list[Delivery]) -> Delivery:
    if isinstance(given, Email) or MASK not in given.url + getattr(given, "secret", ""):
        return given
    for old in kept:
        if isinstance(old, type(given)) and (restored := _restored(given, old)) is not None:
            kept.remove(old)
            return restored
    raise InputError(f"deliver[{at}] is masked ({MASK}), and no delivery that was kept is that one; give it in full")


def _restored(given: Webhook | Slack, old: Delivery) -> Delivery | None:
    """Return what was given with the masked parts of `old` in full, None when they are of another."""
    hidden = masked(old)
    assert not isinstance(hidden, Email) and not isinstance(old, Email)  # noqa: S101, PT018 - asked for by its type
    if given.url not in {hidden.url, old.url}:
        return None
    if isinstance(given, Webhook) and isinstance(old, Webhook) and isinstance(hidden, Webhook):
        if MASK not in given.secret:
            return Webhook(old.url, given.secret)
        return old if given.secret in {hidden.secret, MASK} else None
    return old


def _check_texts(made: Definition) -> None:
    _length("title", made.title, 1, 200)
    _length("description", made.description, 0, 10_000)
    if not made.title.strip() or _CONTROL.search(made.title):
        raise InputError(f"title is {shown(made.title)}, must be one line of text")


def _length(name: str, text: str, least: int, most: int) -> None:
    if not least <= len(text) <= most:
        raise InputError(f"{name} has {len(text)} characters, must have {least} to {most}")


def _check_source(made: Definition) -> None:
    if (made.template is None) == (made.notebook is None):
        is_ = "are both missing" if made.template is None else "are both given"
        raise InputError(f"template and notebook {is_}, must be exactly one of them")
    if made.notebook is not None:
        check_notebook(made.notebook)


def check_notebook(notebook: dict[str, Any]) -> None:
    """Refuse what is no Python notebook of nbformat 4 with a parameters cell, by an InputError."""
    size = len(msgspec.json.encode(notebook))
    if size > MAX_NOTEBOOK_BYTES:
        raise InputError(f"notebook has {size} bytes, must have at most {MAX_NOTEBOOK_BYTES}; clear its outputs")
    if (major := notebook.get("nbformat")) != 4:  # noqa: PLR2004 - the format's own number
        raise InputError(f"notebook: nbformat is {shown(_text(major))}, must be 4")
    from nbformat import validator  # noqa: PLC0415 - of the extra `reports`, and slow

    minor = notebook.get("nbformat_minor")
    if not isinstance(minor, int) or not 0 <= minor <= _NEWEST_MINOR:
        raise InputError(f"notebook: nbformat_minor is {shown(_text(minor))}, must be 0 to {_NEWEST_MINOR}")
    flaws = cast("Any", validator).iter_validate(notebook, version=4, version_minor=minor, relax_add_props=True)
    if (flaw := next(iter(flaws), None)) is not None:
        raise InputError(f"notebook is not one of nbformat 4: {str(flaw).partition(chr(10))[0][:300]}")
    language = _language(notebook)
    if language.lower() not in {"python", "ipython"}:
        raise InputError(f"notebook is written in {shown(language)}, must be in Python")
    cells = len(notebook["cells"])
    if cells > MAX_CELLS:
        raise InputError(f"notebook has {cells} cells, must have at most {MAX_CELLS}")
    parameters(notebook)


def _language(notebook: Mapping[str, Any]) -> str:
    metadata = notebook["metadata"]
    kernel = metadata.get("kernelspec", {})
    return str(metadata.get("language_info", {}).get("name") or kernel.get("language") or "python")


def _check_params(made: Definition) -> None:
    check_params(made, made.params)


def check_params(definition: Definition, params: Mapping[str, Any]) -> None:
    """Refuse values for names that the parameters cell does not set; of a run's own parameters too."""
    if len(params) > MAX_PARAMS:
        raise InputError(f"params has {len(params)} names, must have at most {MAX_PARAMS}")
    size = len(json.dumps(params))
    if size > MAX_PARAMS_BYTES:
        raise InputError(f"params has {size} bytes as JSON, must have at most {MAX_PARAMS_BYTES}")
    known = [*parameters(notebook_of(definition))]
    for name in params:
        if name not in known:
            hint = did_you_mean(name, known) or f"it sets {', '.join(known) or 'none'}"
            raise InputError(f"params: {shown(name)} is not set in the notebook's parameters cell", hint=hint)


def _check_schedule(made: Definition) -> None:
    if made.schedule is None:
        return
    from croniter import CroniterError, croniter  # noqa: PLC0415 - of the extra `reports`

    cron, zone = made.schedule.cron, made.schedule.timezone
    five = "five fields such as '0 8 * * 1': minute, hour, day of the month, month, day of the week"
    if len(cron.split()) != _CRON_FIELDS or len(cron) > 200 or _CONTROL.search(cron):  # noqa: PLR2004 - far above any
        raise InputError(f"schedule.cron is {shown(cron)}, must be {five}")
    if any(
        re.fullmatch(r"(?i)[hr](\(.*|/.*)?", field) for field in cron.split()
    ):  # croniter's own: any time, each time
        raise InputError(f"schedule.cron is {shown(cron)}, must be {five}", hint="H and R are no times")
    try:
        croniter(cron, dt.datetime.now(dt.UTC), max_years_between_matches=_YEARS).get_next(dt.datetime)
    except (CroniterError, ValueError, KeyError, OverflowError) as error:
        raise InputError(f"schedule.cron is {shown(cron)}, must be {five}", hint=str(error)[:200]) from None
    check_timezone("schedule.timezone", zone)


def check_timezone(name: str, zone: str) -> None:
    """Refuse what is no time zone of the IANA database, with the nearest name as a hint."""
    known = zoneinfo.available_timezones()
    if zone not in known:
        near = difflib.get_close_matches(zone.title(), known, n=1, cutoff=0.5)
        city = next((one for one in sorted(known) if one.rpartition("/")[2].lower() == zone.lower()), None)
        found = city or (near[0] if near else None)
        raise InputError(
            f"{name} is {shown(zone)}, must be a name of the IANA time zone database such as Europe/Berlin",
            hint=f"did you mean {found!r}?" if found else None,
        )


def _check_deliveries(made: Definition) -> None:
    if len(made.deliver) > MAX_DELIVERIES:
        raise InputError(f"deliver has {len(made.deliver)} entries, must have at most {MAX_DELIVERIES}")
    for at, one in enumerate(made.deliver):
        match one:
            case Webhook() | Slack():
                _check_url(f"deliver[{at}].url", one.url)
                _length(f"deliver[{at}].secret", getattr(one, "secret", ""), 0, 500)
            case Email(addresses=addresses):
                _check_addresses(f"deliver[{at}].addresses", addresses)


def _check_url(name: str, url: str) -> None:
    """Refuse what is no address of http; its text is not repeated, it may be a secret."""
    bound = f"must be an address of http or https of at most {MAX_URL} characters"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InputError(f"{name} cannot be read as an address, {bound}") from None
    if parts.scheme not in {"http", "https"} or not host or len(url) > MAX_URL or re.search(r"[\s\x00-\x20]", url):
        raise InputError(f"{name} is {shown(masked_url(url)) if host else 'no address'}, {bound}")
    if parts.username is not None or parts.password is not None:
        raise InputError(f"{name} holds a user or a password, which would be shown and logged; must be without")


def _check_addresses(name: str, addresses: Sequence[str]) -> None:
    if not 1 <= len(addresses) <= MAX_ADDRESSES:
        raise InputError(f"{name} has {len(addresses)} entries, must have 1 to {MAX_ADDRESSES}")
    for address in addresses:
        if parseaddr(address)[1] != address or not re.fullmatch(r"[^@\s,;<>\"]{1,64}@[^@\s,;<>\"]{1,255}", address):
            raise InputError(f"{name} holds {shown(address)}, must be addresses such as ada@example.com")


def _check_limits(made: Definition) -> None:
    seconds, memory = made.limits.seconds, made.limits.memory_mb
    if not 1 <= seconds <= MAX_SECONDS:
        raise InputError(f"limits.seconds is {seconds:g}, must be 1 to {MAX_SECONDS}")
    if not MIN_MEMORY_MB <= memory <= MAX_MEMORY_MB:
        raise InputError(f"limits.memory_mb is {memory}, must be {MIN_MEMORY_MB} to {MAX_MEMORY_MB}")


_CHECKS: tuple[Callable[[Definition], None], ...] = (
    _check_texts,
    _check_source,
    _check_params,
    _check_schedule,
    _check_deliveries,
    _check_limits,
)


def kept(body: Mapping[str, Any]) -> Definition:
    """Return the definition that a workspace keeps (`written` without the mask); it was checked when it was put."""
    try:
        return msgspec.convert(body, Definition)
    except msgspec.ValidationError as error:
        raise UpshotError(f"a report that was kept cannot be read: {error}", code="internal") from None
