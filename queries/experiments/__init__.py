"""Experiments: rows -> the report of DESIGN section 11, and what experiments and scores there are."""
