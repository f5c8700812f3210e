"""The web pages: report and query bodies of the HTTP API -> HTML, drawn on the server, whole without JavaScript.

Every function is pure and returns a complete document; charts are drawn elsewhere (`api.drawing`) and handed in. What
strangers named is escaped in text and percent-encoded in addresses; nothing is loaded from another host, no style or
handler stands inline (so a strict Content-Security-Policy of `default-src 'none'; style-src 'self'; img-src data:;
form-action 'self'; base-uri 'none'` fits; a report that stands alone has its own). The addresses the pages use are `/`,
`/experiments/{name}`, `/sql?q=`, the report's own, and `/static/style.css`, a file of the folder `STATIC`.
"""

from __future__ import annotations

from api.pages.render import STATIC, error, experiment, home, sql, standalone

__all__ = ["STATIC", "error", "experiment", "home", "sql", "standalone"]
