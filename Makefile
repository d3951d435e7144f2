# Each target installs what it needs into .venv. Python 3.11 or newer is enough.
#
#   make demo          find, explain and generate rows of a simulated table, next to scikit-learn
#   make test          linters, type checks, tests and doctests
#   make lint          linters and type checks alone
#   make pytest        tests and doctests alone; TESTS=tests/cli selects some
#   make fuzz          draw FUZZ_EXAMPLES=10000 odd inputs, some minutes on one core
#   make doc           build the documentation in doc/_build/html and look at it in a browser
#   make gpu           test and measure the detectors on a GPU; DEVICE=cpu tries the script
#   make golden        update the reference scores of the tests
#   make format        format the code
#   make dist          build and check the sdist and the wheel in dist/
#   make test-oldest   run the tests on the oldest supported versions, in .venv-oldest
#   make test-newest   run the tests on the newest released versions, in .venv-newest
#   make test-sdist    build the sdist, unpack it elsewhere and run its `make test` there
#   make clean         remove everything that make has created

PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints.txt
DEVICE ?= cuda
TEST_EXTRAS ?= test integrations
FUZZ_EXAMPLES ?= 10000
BIN := $(VENV)/bin

# Without a network, packages come from this folder: see "GPU" in benchmarks/README.md.
WHEELS ?= wheels
FROM_WHEELS := $(if $(wildcard $(WHEELS)/*.whl),--no-index --find-links $(WHEELS))

# The networks are small, and torch is slower with two threads than with one.
export OMP_NUM_THREADS ?= 1

.PHONY: demo test lint pytest fuzz doc gpu golden format dist test-oldest test-newest test-sdist clean

demo: $(VENV)/.demo
	$(BIN)/python examples/demo.py

test: lint pytest

lint: $(VENV)/.test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy
	$(BIN)/codespell

pytest: $(TEST_EXTRAS:%=$(VENV)/.%)
	$(BIN)/python -m pytest $(TESTS)

fuzz: $(TEST_EXTRAS:%=$(VENV)/.%)
	FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) $(BIN)/python -m pytest $(or $(TESTS),tests/fuzz)

doc: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -b html doc doc/_build/html
	$(BIN)/python doc/check_site.py doc/_build/html
	@echo "Open doc/_build/html/index.html"

gpu: $(VENV)/.test
	$(BIN)/python -m benchmarks.studies.gpu --device $(DEVICE)

golden: $(VENV)/.test
	$(BIN)/python tests/golden.py

format: $(VENV)/.test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

dist: $(VENV)/.release
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

# Doctests show the output of current versions, so they are left out here.
test-oldest:
	$(MAKE) pytest VENV=.venv-oldest CONSTRAINTS=constraints-oldest.txt TEST_EXTRAS=test \
		TESTS="$(or $(TESTS),tests)"

test-newest:
	$(MAKE) pytest VENV=.venv-newest CONSTRAINTS=

test-sdist: dist
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	tar -xzf dist/*.tar.gz -C "$$folder" --strip-components=1 && \
	$(MAKE) -C "$$folder" test VENV=.venv

clean:
	rm -rf $(VENV) .venv-oldest .venv-newest build dist *.egg-info doc/_build doc/api doc/gallery
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	rm -rf examples/.ruff_cache demo.png
	find . -name __pycache__ -prune -exec rm -rf {} +

# One stamp per extra: .venv/.test means that skgad[test] is installed.
$(VENV)/.%: pyproject.toml $(CONSTRAINTS) | $(BIN)/python
	@echo "Installing skgad[$*] into $(VENV). This takes a minute or more the first time."
	$(BIN)/python -m pip install $(FROM_WHEELS) $(CONSTRAINTS:%=-c %) -e ".[$*]"
	@touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
