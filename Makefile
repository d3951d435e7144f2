# Each target makes the environment it needs in .venv: Python >= 3.11 is enough.
#
#   make demo     ALAD beside scikit-learn's detectors on the breast cancer data
#   make test     linters, tests and doctests
#   make doc      the documentation, in doc/_build/html
#   make golden   write the reference scores of the tests again
#   make format   format the code
#   make clean    remove all that make has made

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# One torch thread: the networks are small, and two threads are slower.
export OMP_NUM_THREADS ?= 1

.PHONY: demo test lint format doc golden clean

demo: $(VENV)/.demo
	$(BIN)/python examples/demo.py

test: lint
	$(BIN)/python -m pytest

lint: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell

format: $(VENV)/.test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

doc: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -b html doc doc/_build/html
	@echo "Open doc/_build/html/index.html"

golden: $(VENV)/.test
	$(BIN)/python tests/golden.py

clean:
	rm -rf $(VENV) build *.egg-info doc/_build doc/api doc/gallery
	rm -rf .hypothesis .pytest_cache .ruff_cache examples/.ruff_cache demo.png
	find . -name __pycache__ -prune -exec rm -rf {} +

# A stamp per extra: .venv/.test says that skgad[test] is installed.
$(VENV)/.%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing skgad[$*] into $(VENV); the first time takes a minute or more"
	$(BIN)/python -m pip install -c constraints.txt -e ".[$*]"
	@touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
