"""Every limit of what may come in, in bytes unless its name says otherwise."""

from __future__ import annotations

from dataclasses import dataclass

ID_BYTES = 512
"""Longest id, and longest word (a status, a label, a version) that a record may carry."""

NAME_BYTES = 128
"""Longest name of a score, an experiment, a variant, a kind of metadata or a session key."""

EVENT_SESSIONS = 5
RUN_SESSIONS = 25
"""Most session pairs of an event, and of a run or of a score for its run."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one request may bring (DESIGN section 5)."""

    body_bytes: int = 32 << 20
    """As sent."""

    unpacked_bytes: int = 128 << 20
    """After decompression."""

    record_bytes: int = 4 << 20

    records: int = 1 << 20
    """Records of one request: 128 MiB could otherwise hold 64 million one-byte records, each with its rejection."""
