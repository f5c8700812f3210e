"""Tests of the client package against a real server, or a real socket that misbehaves."""
