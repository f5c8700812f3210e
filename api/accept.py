"""The Accept header: what a caller would like best."""

from __future__ import annotations


def by_preference(accept: str) -> list[str]:
    """Return the media types of an Accept header, the liked best first (RFC 9110, section 12.5.1)."""
    ranked: list[tuple[float, str]] = []
    for part in accept.split(","):
        name, _, parameters = part.partition(";")
        quality = 1.0
        for parameter in parameters.split(";"):
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 0.0
        if quality > 0:
            ranked.append((quality, name.strip().lower()))
    return [name for _, name in sorted(ranked, key=lambda pair: -pair[0])]
