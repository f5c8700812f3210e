"""Pure statistics: sufficient figures in, estimates and tests out; no rows, no JSON, and SQL in `sql` only."""
