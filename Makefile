# make demo: an audit of a real device model on real digits, with its report
# make test: everything the tests check
# Both install what is missing into .venv first, and are quick when it is there.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test check docs install clean

demo: $(VENV)/.installed
	$(BIN)/nanoneurons audit examples/demo.toml --out results/demo

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --maxprocesses 4

check: $(VENV)/.installed-dev
	scripts/check

docs: $(VENV)/.installed-dev
	$(BIN)/mkdocs build --strict

install: $(VENV)/.installed-dev

# The stamps are newer than what they were made from, so an unchanged project is not installed again. The constraints
# pick the same versions everywhere; torch comes first because it is by far the largest.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "nanoneurons needs Python 3.11 or newer; say which: make PYTHON=python3.12 ..." >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) -e '.[mnist,cifar]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) results site .pytest_cache .ruff_cache .import_linter_cache
