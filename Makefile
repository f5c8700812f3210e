# `make help` lists what there is. Nothing is needed but make and Python 3.11.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench peers soak fuzz simulate docs screenshots lock wheel

BIN := .venv/bin

help: ## list the commands
	@awk -F':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install upshot into .venv (quick when nothing changed)
	@scripts/setup.sh product

demo: setup ## start the demo: realistic agent traffic, verdicts, a page
	@$(BIN)/upshot demo

PYTEST ?= -n $(shell expr $$(nproc) \* 3 / 2) --dist loadscope --no-loadscope-reorder

test: ## install what the tests need and run them, three at once on two cores (many wait); PYTEST="-k name" for some
	@scripts/setup.sh tests
	@scripts/chromium.sh
	@scripts/javascript.sh
	@$(BIN)/python -m pytest $(PYTEST)

check: ## format, lint, types, layers, generated docs, locks
	@scripts/setup.sh tests
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python scripts/docs.py --check
	@$(BIN)/python scripts/locks.py --check
	@$(BIN)/pyright

bench: ## measure beside raw DuckDB and SQLite in the same run
	@scripts/setup.sh tests
	@$(BIN)/python -m benchmarks
	@$(BIN)/python -m benchmarks.warehouse
	@$(BIN)/python -m benchmarks.queries
	@$(BIN)/python -m benchmarks.report
	@$(BIN)/python -m benchmarks.notebook
	@$(BIN)/python -m benchmarks.client
	@$(BIN)/python -m benchmarks.pages --only lists

peers: ## OpenTelemetry beside Phoenix and MLflow (installed under benchmarks/data), six minutes; PEERS="--help"
	@scripts/setup.sh tests
	@$(BIN)/python -m benchmarks.otlp $(PEERS)

soak: ## the long tests, 200 kills -9 under load, a trace of a million spans, an hour; SOAK="--seed N" repeats the kills
	@scripts/setup.sh tests
	@$(BIN)/python -m pytest $(PYTEST) -m long
	@$(BIN)/python -m pytest $(PYTEST) --hypothesis-profile=long tests/warehouse tests/queries tests/ingest
	@$(BIN)/python -m tests.soak $(SOAK)
	@$(BIN)/python -m tests.api.test_otlp_bad_input --spans 1000000

fuzz: ## mutate SQL against the guard for 10 minutes; FUZZ="--seconds N --seed S"
	@scripts/setup.sh tests
	@$(BIN)/python -m tests.fuzz $(FUZZ)

simulate: ## how often the experiment report errs, beside the usual methods; SIMULATE="--only late --trials 100"
	@scripts/setup.sh tests
	@$(BIN)/python -m tests.simulate $(SIMULATE)

docs: ## write the generated reference pages
	@scripts/setup.sh product
	@$(BIN)/python scripts/docs.py

screenshots: ## take a picture of every page into docs/images/pages, in Chromium
	@scripts/setup.sh tests
	@scripts/chromium.sh
	@$(BIN)/python scripts/screenshots.py

lock: ## resolve the dependencies anew (a week old at the least)
	@scripts/setup.sh product
	@$(BIN)/python scripts/locks.py

wheel: ## build the wheel
	@scripts/setup.sh product
	@$(BIN)/uv build --wheel --no-build-isolation --python $(BIN)/python
