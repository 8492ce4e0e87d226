# kyber: `make scan` shows it at work, `make test` checks everything. Needs Python >= 3.11 with venv, and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help scan test native pictures prove bench wheels format clean

help:            ## What can be made
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/ -/'

$(VENV)/.run: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

scan: $(VENV)/.run         ## Scan the shipped sample logs with the shipped rules
	@$(BIN)/kyber scan samples

test: $(VENV)/.dev         ## Format, types, imports, every test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -n auto --dist worksteal

native: $(VENV)/.run       ## Build the extension that reads JSON lines faster; needs Rust's cargo
	$(BIN)/python -m pip install --quiet --disable-pip-version-check ./native

pictures: $(VENV)/.dev     ## Make the README's pictures of the report again; needs Chromium and pdftoppm
	$(BIN)/python -m tests.pictures

prove: $(VENV)/.dev        ## The proofs too large for CI; their output goes to docs/proofs
	$(BIN)/python -m tests.prove

bench: $(VENV)/.dev        ## Ratios within one run: make bench INPUT=events.jsonl RULES=rules
	$(BIN)/python -m bench $(if $(INPUT),--input $(INPUT)) $(if $(RULES),--rules $(RULES))

wheels: $(VENV)/.run       ## Fill dist/wheels with kyber and all that it needs, to install it without a network
	rm -rf dist/wheels
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --constraint constraints.txt --wheel-dir dist/wheels '.[elasticsearch,geo,sigma,sql]'

format: $(VENV)/.dev       ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:           ## Remove what was built
	rm -rf $(VENV) native/target .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
