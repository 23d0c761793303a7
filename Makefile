# What can be done here. `make` alone prints the list, made from the comments behind the targets.
# Needs Python 3.11 or newer with venv, make and git; everything else is installed into .venv, by hash.

PYTHON     ?=
RECIPIENTS ?= 10000
PORT       ?= 8080
EXIT       ?=
KILLS      ?= 200
ENGINE     ?= sqlite
SOAK_ARGS  ?=
PYTEST_ARGS ?=
# One more than the two cores that a small machine has: many tests wait.
WORKERS    ?= 3
BENCH_ARGS ?=
PEERS_ARGS ?=

# Of one, so that a newer uv writes the same lock; only `make lock` installs it, outside .venv.
UV_VERSION := 0.13.9

RUN := .venv/bin/python
# Errors alone: what goes well needs no words.
PIP := $(RUN) -m pip --disable-pip-version-check --no-input --quiet --quiet
PYTHONS := python3 python3.11 python3.12 python3.13 python3.14 python
LOCK := .cache/lock/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --group build
# What the program and its checks are made of: a folder that is not there yet is left out.
CODE := src tests tools $(wildcard bench)

SHELL := /bin/sh
# Hundreds of processes are started by the tests: without bytecode each would compile what it imports.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo test check format bench bench-peers soak lock clean

help: ## print this list
	@awk 'BEGIN {FS = ":[^#]*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile
	@printf '\nVariables: RECIPIENTS=%s PORT=%s EXIT=%s for demo, PYTEST_ARGS and WORKERS=%s for test, KILLS=%s ENGINE=%s and SOAK_ARGS for soak, BENCH_ARGS for bench, PEERS_ARGS for bench-peers, PYTHON.\n' \
		'$(RECIPIENTS)' '$(PORT)' '$(EXIT)' '$(WORKERS)' '$(KILLS)' '$(ENGINE)'

install: .venv/.runtime ## make .venv with the command .venv/bin/clarion (light core only)

demo: .venv/.runtime ## send RECIPIENTS texts through a simulated carrier and leave the server on PORT (EXIT=1: stop it)
	.venv/bin/clarion demo --recipients $(RECIPIENTS) --port $(PORT) --data-dir ./demo-data $(if $(EXIT),--exit)

test: .venv/.dev ## run every test, on SQLite and on a real PostgreSQL (PYTEST_ARGS="-k money -x"; WORKERS=0 for -s and --pdb)
	$(RUN) -m pytest --numprocesses=$(WORKERS) --dist=worksteal --durations=15 $(PYTEST_ARGS)

check: .venv/.dev ## lint, formatting, types, the rooms' imports and law 6
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy $(CODE)
	.venv/bin/lint-imports --no-logo
	$(RUN) -m pytest --quiet tests/house

format: .venv/.dev ## write the code the way `check` wants it
	.venv/bin/ruff check --fix-only --quiet .
	.venv/bin/ruff format --quiet .

bench: .venv/.dev ## measure, and print each figure with what dominates it
	$(RUN) bench/run.py $(BENCH_ARGS)

bench-peers: .venv/.dev ## measure beside Kannel and Jasmin, and write docs/benchmark.md in half an hour (PEERS_ARGS="--quick")
	$(RUN) bench/compare.py $(PEERS_ARGS)

soak: .venv/.dev ## everything at once with faults by plan and KILLS of the server, one table in the end (ENGINE=postgres, SOAK_ARGS="--seed 7")
	$(RUN) -m tests.soak --kills $(KILLS) --engine $(ENGINE) $(SOAK_ARGS)

lock: .cache/lock/bin/uv ## write requirements/*.txt anew from pyproject.toml (the newest versions that fit)
	$(LOCK) --upgrade --output-file requirements/runtime.txt
	$(LOCK) --upgrade --extra dev --constraint requirements/runtime.txt --output-file requirements/dev.txt

clean: ## remove all that make made, the demo's data too
	rm -rf .venv .cache dist demo-data .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: each names what it was made from, so that a second run does nothing and a changed lock is installed.

.venv/.made:
	@for python in $(if $(PYTHON),"$(PYTHON)",$(PYTHONS)); do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
				echo "$$python has no venv: install it (on Debian and Ubuntu: apt install python3-venv), then run make again." >&2; exit 1; \
			fi; \
			echo "Making .venv with $$("$$python" --version)"; \
			"$$python" -m venv .venv && touch $@; exit; \
		fi; \
		seen="$$seen $$python is $$("$$python" --version 2>/dev/null || echo not there);"; \
	done; \
	echo "Clarion needs Python 3.11 or newer, but$${seen%;}." >&2; \
	echo "Name one: make install PYTHON=/path/to/python3.11" >&2; \
	exit 1

.venv/.runtime: requirements/runtime.txt pyproject.toml | .venv/.made
	@echo "Installing the light core"
	@$(PIP) install --require-hashes --requirement requirements/runtime.txt
	@$(PIP) install --no-deps --no-build-isolation --no-index --editable .
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.runtime
	@echo "Installing what tests and checks need"
	@$(PIP) install --require-hashes --requirement requirements/dev.txt
	@touch $@

.cache/lock/bin/uv: | .venv/.made
	@$(RUN) -m venv .cache/lock
	@.cache/lock/bin/python -m pip --disable-pip-version-check --quiet install uv==$(UV_VERSION)
