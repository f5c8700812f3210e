"""Speed and size beside raw DuckDB, in one run: `make bench`. Ratios are what counts; the machine is shared."""
