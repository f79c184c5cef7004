# Countersign. `make` alone tells what there is. Nothing has to be installed before but Python 3.11 or newer.

.DEFAULT_GOAL := help
.PHONY: help run test check prove chaos bench mutants browser clients lock install clean
SHELL := /bin/sh
PYTHON ?= python3
ARGS ?=

# The path is part of the stamp: a virtual environment that was moved or copied still points to where it was.
STAMP := .venv/installed-$(shell { pwd; cat requirements.lock pyproject.toml; } | cksum | cut -d ' ' -f 1)
RUN := .venv/bin/python -m
FILLED := tests/deployment/filled.env
PIP := $(RUN) pip --quiet --disable-pip-version-check --no-input

help:  ## List what there is
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' Makefile | while IFS='	' read -r name what; do printf '  make %-8s %s\n' "$$name" "$$what"; done

run: $(STAMP)  ## Start the local stack (ARGS=--fresh: with empty data)
	@exec $(RUN) countersign up $(ARGS)

test: browser clients  ## Run the whole suite, in three processes (ARGS="-k whitelist": a part of it)
	@exec $(RUN) pytest -m "not prove" -n 3 --dist loadfile $(ARGS)

prove: browser clients  ## Run the long proofs
	@$(RUN) pytest -m prove $(ARGS)
	@$(RUN) tests.chaos --journeys 120 --faults 40 --seed 1
	@$(RUN) tests.mutation

chaos: $(STAMP)  ## Run 500 journeys under 100 faults and check what came of them (ARGS="--seed 2 --journeys 60")
	@exec $(RUN) tests.chaos $(ARGS)

bench: $(STAMP)  ## Measure what an approval costs (ARGS="waiting": with 20,000 that wait)
	@exec $(RUN) tests.bench $(ARGS)

mutants: $(STAMP)  ## Run the mutation tests (ARGS="codes seal": of these groups or modules)
	@exec $(RUN) tests.mutation $(ARGS)

check: $(STAMP)  ## Lint, format, types, architecture, known holes in dependencies, files of the deployment
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy
	@.venv/bin/python -c 'from importlinter.cli import lint_imports_command as lint; lint()'
	@$(RUN) tests.support.audit_dependencies requirements.lock
	@.venv/bin/hadolint Dockerfile
	@.venv/bin/shellcheck deploy/*.sh deploy/make-secrets .ci/run
	@.venv/bin/yamllint --strict docker-compose.yml deploy
	@$(RUN) tests.kubernetes
	@$(RUN) tests.telemetry.check_deployed
	@.venv/bin/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	@.venv/bin/podman-compose --env-file $(FILLED) config >/dev/null
	@.venv/bin/caddy fmt --diff deploy/Caddyfile >/dev/null
	@said=$$(.venv/bin/caddy validate --config deploy/Caddyfile --adapter caddyfile --envfile $(FILLED) 2>&1) || { echo "$$said"; exit 1; }

# Where the browser is stands in the file: one that was removed meanwhile is looked for again.
browser: $(STAMP)  ## See that there is a Chromium for the browser tests
	@test -x "$$(cat .venv/browser 2>/dev/null)" || $(RUN) tests.support.install_browser .venv/browser

clients: $(STAMP)  ## See that the trading clients for the tests of the example gateway are installed
	@$(RUN) tests.support.install_clients ccxt

COMPILE := UV_CUSTOM_COMPILE_COMMAND='make lock' $(RUN) uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links

# One lock for all, and of the same versions two for the image: what runs there, and what builds the package.
lock: $(STAMP)  ## Pin the dependencies anew (ARGS=--upgrade: to their newest versions)
	@$(COMPILE) --extra dev --extra local $(ARGS) pyproject.toml -o requirements.lock
	@$(COMPILE) --constraint requirements.lock pyproject.toml -o requirements-run.lock
	@$(COMPILE) --constraint requirements.lock --group build -o requirements-build.lock

install: $(STAMP)  ## Install everything into .venv

clean:  ## Remove what was installed and built; the data of the local stack stays
	@rm -rf .venv build dist .coverage htmlcov .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Countersign needs Python 3.11 or newer: make PYTHON=/path/to/python3")'
	@echo 'Installing into .venv …'
	@rm -rf .venv
	@$(PYTHON) -m venv .venv
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@
