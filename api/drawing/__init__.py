"""Charts as pictures: Vega-Lite specifications drawn by vl-convert in a small process of its own (ADR 0010)."""
