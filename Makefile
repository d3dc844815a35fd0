# Needs only make and python3 (3.10 or newer) with its venv module: apt-get install make python3 python3-venv
# Everything else goes into .venv and .cache of this folder. `make PYTHON=python3.12 ...` takes another interpreter.

PYTHON ?= python3
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup setup-sdks demo test lint unit sdk-v2 sdk-v3 bench examples clean

BIN := .venv/bin
RUN := $(BIN)/selfmaker run
# Framework environments are built once for this user: the demo, the tests, the benches and other clones share them.
export SELFMAKER_ENVIRONMENTS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/selfmaker/environments
# Bytecode is kept whatever the caller's habit: without it each import of an SDK takes many times as long.
unexport PYTHONDONTWRITEBYTECODE

PYTHON_FOUND = command -v $(PYTHON) >/dev/null 2>&1 || \
	{ echo "$(PYTHON) is missing: apt-get install python3 python3-venv (as root), then run make again" >&2; exit 1; }

help:
	@echo "make demo      set up everything, then train, deploy and predict with the unmodified SageMaker SDK v2 and v3"
	@echo "make test      lint, types, unit and conformance tests, and the suites that drive boto3 and both SDKs"
	@echo "make lint      ruff and mypy"
	@echo "make bench     one table of all benches"
	@echo "make examples  run every example"
	@echo "make clean     remove .venv, .cache and what tools left behind"

setup:
	@$(PYTHON_FOUND)
	@$(PYTHON) scripts/setup.py dev

setup-sdks:
	@$(PYTHON_FOUND)
	@$(PYTHON) scripts/setup.py dev sdk-v2 sdk-v3

demo: setup-sdks
	@$(BIN)/python examples/quickstart/demo.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/mypy

# Every suite runs even when one before it has failed, and each ends with pytest's own summary.
test: setup-sdks
	@$(BIN)/python scripts/test.py

unit: setup
	@$(BIN)/python scripts/test.py lint unit

sdk-v2 sdk-v3: setup-sdks
	@$(BIN)/python scripts/test.py $@

bench: setup-sdks
	@$(BIN)/python bench/run.py

examples: demo
	@$(BIN)/python examples/workshop/run_finals.py
	@$(BIN)/python examples/churn/run_demo.py
	@$(BIN)/python examples/challenge/run_demo.py

clean:
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
