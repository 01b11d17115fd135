# Everything a newcomer needs. `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup run demo migrate bench check fmt test test-slow openapi clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## Install everything into .venv, pinned with hashes

$(READY): requirements-dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

run: setup  ## Start the service with its own PostgreSQL
	$(BIN)/zegel serve $(ARGS)

demo: setup  ## Watch it work; `make demo ARGS=--once` ends by itself
	$(BIN)/zegel demo $(ARGS)

migrate: setup  ## Bring the database's schema up to date
	$(BIN)/zegel migrate $(ARGS)

bench: setup  ## Measure
	$(BIN)/zegel bench $(ARGS)

check: setup  ## Lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: setup  ## Format, and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: setup  ## The suite, on the embedded PostgreSQL
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" $(ARGS)

test-slow: setup  ## The long and the random families at full size
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow $(ARGS)

openapi: setup  ## Write openapi.json anew after a reviewed change
	$(BIN)/python -m tests.api.write_openapi

clean:  ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
