"""The HTTP routes, one module a family (DESIGN section 5)."""
