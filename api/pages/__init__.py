"""The web pages: bodies of the HTTP API -> HTML, drawn on the server, whole without JavaScript.

Every function is pure and returns a complete document, or a part of one; charts of reports are drawn elsewhere
(`api.drawing`) and handed in. What strangers named is escaped in text, percent-encoded in addresses, and shown as code
points where it would turn the text around it; nothing is loaded from another host, no style or script stands inline
(the policy is `api.routes.html.POLICY`; a report that stands alone has its own). Scripts (`web/`) add keys, folding and
parts that come by themselves.
"""
