"""Pure statistics: sufficient figures in, estimates and tests out; no rows, no SQL, no JSON."""
