"""Scheduled notebook reports: defined, run in a sandbox, rendered, kept as editions, delivered."""
