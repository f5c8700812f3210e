"""What OTLP answers, read by the stock messages of opentelemetry-proto and google.rpc."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from ingest.otel.answers import (
    INTERNAL,
    JSON_TYPE,
    PERMISSION_DENIED,
    PROTOBUF_TYPE,
    REASONS,
    UNAUTHENTICATED,
    UNAVAILABLE,
    response,
    retry_info,
    retryable_status,
    status,
    status_code,
)
from warehouse.errors import InputError, NotFoundError, TransientError, UpshotError

RESPONSES: list[tuple[str, type[Any]]] = [
    ("rejectedSpans", ExportTraceServiceResponse),
    ("rejectedLogRecords", ExportLogsServiceResponse),
]


@given(
    st.integers(1, 2**63 - 1),
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=8),
    st.sampled_from(RESPONSES),
)
def test_a_partial_success_says_how_many_and_why(rejected: int, reasons: list[str], of: tuple[str, type[Any]]) -> None:
    """Both encodings hold the same message, of either service, whatever the number and the words."""
    counter, kind = of
    binary = kind.FromString(response(rejected, reasons, counter, PROTOBUF_TYPE))
    text = json_format.Parse(response(rejected, reasons, counter, JSON_TYPE), kind())
    assert binary == text
    partial = binary.partial_success
    assert rejected == getattr(
        partial, "rejected_spans" if kind is ExportTraceServiceResponse else "rejected_log_records"
    )
    assert all(reason in partial.error_message for reason in reasons[:REASONS])
    assert (len(reasons) > REASONS) == partial.error_message.endswith("other reasons")


def test_a_full_success_leaves_the_partial_success_unset() -> None:
    """As the specification asks for: unset, not zero."""
    for counter, kind in RESPONSES:
        assert kind() == kind.FromString(response(0, (), counter, PROTOBUF_TYPE))
        assert b"{}" == response(0, (), counter, JSON_TYPE)


@given(st.integers(1, 16), st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 10**6))
def test_a_status_is_google_rpcs(code: int, message: str, seconds: int) -> None:
    """In both encodings; a retryable one holds a RetryInfo."""
    expected = Status(code=code, message=message)
    assert expected == Status.FromString(status(code, message, PROTOBUF_TYPE))
    assert expected == json_format.Parse(status(code, message, JSON_TYPE), Status())
    found = Status.FromString(retryable_status(code, message, seconds))
    info = RetryInfo()
    assert found.details[0].Unpack(info)
    assert (code, message, seconds, 0) == (found.code, found.message, info.retry_delay.seconds, info.retry_delay.nanos)
    assert info == RetryInfo.FromString(retry_info(seconds))


def test_only_what_may_pass_is_unavailable() -> None:
    """UNAVAILABLE is what clients send again after: errors that the caller must mend are others."""
    assert UNAVAILABLE == status_code(TransientError("busy", code="rate_limited"))
    assert UNAVAILABLE == status_code(TransientError("full", code="disk_full"))
    assert UNAUTHENTICATED == status_code(InputError("who", code="unauthorized"))
    assert PERMISSION_DENIED == status_code(InputError("no", code="forbidden"))
    assert INTERNAL == status_code(UpshotError("ours", code="internal"))
    for error in (InputError("bad"), InputError("large", code="too_large"), NotFoundError("none")):
        assert 3 == status_code(error)
