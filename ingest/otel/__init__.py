"""OpenTelemetry in: requests of any encoding become columns (`decoded`), columns become rows, rows are logged."""
