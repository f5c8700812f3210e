"""Reports of a server, as these tests save and run them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.crash import wait_for

if TYPE_CHECKING:
    from tests.support.server import Server


def put(server: Server, name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Save a report and return the answer."""
    response = server.http.put(f"/v1/reports/{name}", json=body)
    assert response.is_success, response.text
    return response.json()


def run(server: Server, name: str, **params: Any) -> dict[str, Any]:
    """Run a report and return its edition."""
    asked = server.http.post(f"/v1/reports/{name}/run", json={"params": params})
    assert 202 == asked.status_code, asked.text
    return ended(server, asked.json()["place"])


def ended(server: Server, place: str) -> dict[str, Any]:
    """Return an edition once it is done or failed."""
    found: dict[str, Any] = {}

    def there() -> bool:
        found.update(server.http.get(place).json())
        return found["status"] in ("done", "failed")

    assert wait_for(there, 120), found
    return found
