# The commands of the project. `make` alone lists them.
# Variables: PYTHON=python3.12 picks the interpreter of the environment, PYTEST_ARGS="-x -k name" goes to pytest,
# WORKERS=0 runs the tests in one process, for a debugger. Four keep two cores busy: sessions in real time mostly wait.

PYTHON ?= python3
VENV := .venv
PYTEST_ARGS ?=
WORKERS ?= 4

BIN := $(VENV)/bin
# Newer than pyproject.toml: the environment holds what `arb` needs; what its development needs, too.
RUNTIME := $(VENV)/runnable
STAMP := $(VENV)/installed
# What `make demo` writes; made anew each time.
DEMO := runs/demo
# Where mutants are made, of a copy of the sources.
MUTANTS := build/mutants

.DEFAULT_GOAL := help
.PHONY: help install demo test mutants lint format types clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-9s %s\n", $$1, $$2}' Makefile

install: $(STAMP) ## make the environment and install the project into it

demo: $(RUNTIME) ## a simulated recording of two venues, a backtest on it, where its report is
	rm -rf $(DEMO)
	$(BIN)/arb sandbox record --config examples/demo/arbitrage.toml --seed 7 --duration 10m --out $(DEMO)/recordings
	$(BIN)/arb backtest --config examples/demo/arbitrage.toml --start 2024-01-01 --out $(DEMO)/backtest
	@echo "report: $(CURDIR)/$(DEMO)/backtest$$(test -e $(DEMO)/backtest/report.html && echo /report.html)"

test: lint types ## install, lint, types, layers, all tests
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(PYTEST_ARGS) || $(BIN)/pytest -n 0 --again

mutants: $(STAMP) ## mutants of the strategy and the limits, of a copy; hours; docs/testing.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[mutation]'
	rm -rf $(MUTANTS) && mkdir -p $(MUTANTS) && cp -r arb connectors tests config examples pyproject.toml README.md $(MUTANTS)
	cd $(MUTANTS) && export PATH="$(CURDIR)/$(BIN):$$PATH" PYTHONPATH=. && \
	  cosmic-ray init tests/mutants.toml mutants.sqlite && cr-filter-operators mutants.sqlite tests/mutants.toml && \
	  nice -n 10 cosmic-ray exec tests/mutants.toml mutants.sqlite && cr-report --show-diff --surviving-only mutants.sqlite

lint: $(STAMP) ## ruff: rules and format; import-linter: which folder may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(STAMP) ## ruff: rewrite the files in the format
	$(BIN)/ruff format .

types: $(STAMP) ## mypy, strict
	$(BIN)/mypy

clean: ## remove the environment and every cache
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): $(RUNTIME)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

$(RUNTIME): pyproject.toml
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { \
	  echo "$(PYTHON) is missing: install Python 3.11 or newer, or name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is older than Python 3.11: name a newer one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) has no venv module: install it (Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@
