# Each target makes its own virtual environment when there is none. PYTHON=python3.12 make test chooses the interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: test check demo format clean

test: $(VENV)/.ready
	$(BIN)/python -m pytest

check: $(VENV)/.ready
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

demo: $(VENV)/.ready
	$(BIN)/nvc-demo -o demo

format: $(VENV)/.ready
	$(BIN)/python -m ruff format .
	$(BIN)/python -m ruff check --fix .

# The stamp is newer than what it was made from, so a changed dependency reinstalls.
$(VENV)/.ready: setup.cfg pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build demo *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
