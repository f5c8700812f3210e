"""Tests of the drill-down."""
