# Everything runs in .venv. `make help` lists the targets.
PYTHON ?= python3.11
ifeq (,$(shell command -v $(PYTHON) 2>/dev/null))
PYTHON := python3
endif
BIN := .venv/bin
# Tests start hundreds of processes: none shall compile anew what another has compiled, whatever this shell says.
export PYTHONDONTWRITEBYTECODE :=
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help install install-dev demo up check test lint types arch bench leak-check nightly lock reliability-report test-servers

help: ## List the targets.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.venv/.installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) install --progress-bar on --require-hashes -r requirements.txt
	$(PIP) install --no-deps --no-build-isolation -q --editable .
	@touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.txt
	$(PIP) install --progress-bar on --require-hashes -r requirements-dev.txt
	@touch $@

install: .venv/.installed ## Install Signoff into .venv, from hashed requirements.

install-dev: .venv/.installed-dev ## Install what the tests and checks need as well.

demo: install ## Start Signoff and replay an incident; follow the approval link. ENGINE=recorded shows a model.
	$(if $(ENGINE),SIGNOFF_DIAGNOSER__ENGINE=$(ENGINE)) $(BIN)/signoff up --replay high_cpu

up: install ## Start Signoff in one process.
	$(BIN)/signoff up

test-servers: install-dev ## Fetch the servers that tests need: Apache Kafka, PostgreSQL, Chromium.
	$(BIN)/python -m tests.support.install

lint: install-dev ## Check style and formatting.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install-dev ## Check types, strictly.
	$(BIN)/mypy

arch: install-dev ## Check the import rules.
	$(BIN)/lint-imports

check: install-dev ## Unit, contract and embedded scenario tests: Python alone, no servers, no root.
	$(BIN)/pytest -q -n 4 --dist loadfile -m "not kafka and not postgres and not browser and not slow and not crash and not nightly" \
		tests/architecture tests/unit tests/contract tests/scenarios

test: install-dev test-servers lint types arch ## Everything: all checks, all tests, real servers.
	$(BIN)/pytest -q -m "not nightly"

nightly: install-dev test-servers ## The long runs: more rounds of the crash suites; their rows of docs/reliability.md.
	SIGNOFF_RELIABILITY_REPORT=docs/reliability.md $(BIN)/pytest -q -m nightly

leak-check: install-dev ## Seed secrets everywhere, replay an incident, and look for them in all that can be seen.
	$(BIN)/python -m tests.resilience.leaks

SUITES := await_points broker crash cuts faults_database faults_files faults_poison faults_senders kafka_under_load \
	killed_replays killed_stories model storms
FAULTS := $(foreach name,$(SUITES),tests/resilience/test_$(name).py)
reliability-report: install-dev test-servers ## Break everything there is to break and write docs/reliability.md.
	SIGNOFF_RELIABILITY_REPORT=docs/reliability.md $(BIN)/pytest -q -m "not nightly" $(FAULTS) $$($(BIN)/python -m tests.resilience.elsewhere)

bench: install-dev test-servers ## Measure; prints ratios and medians and writes docs/performance.md.
	$(BIN)/python -m benchmarks --write docs/performance.md

lock: ## Pin every dependency by hash, without index addresses.
	$(BIN)/uv pip compile -q pyproject.toml --group build --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header -o requirements.txt
	$(BIN)/uv pip compile -q pyproject.toml --group dev --group build --generate-hashes --universal --python-version 3.11 --no-emit-index-url --no-header -c requirements.txt -o requirements-dev.txt
