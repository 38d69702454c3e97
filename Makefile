# Everything a newcomer needs: the first call makes .venv and installs into it. 'make help' lists the targets.
#   make train ARGS="model=published dataset=my_recordings"     options of 'python train.py'
#   make test ARGS="-m slow"                                    options of pytest
#   make PYTHON=python3.12 train                                another interpreter
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --no-compile --disable-pip-version-check
NATIVE := $(wildcard stcnn/nn/kernels/native/csrc/*.h stcnn/nn/kernels/native/csrc/*.cpp)
export NO_MKDOCS_2_WARNING := 1

.PHONY: help train test check wheel sanitize docs bench lock clean
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

train: .venv/run ## train a network; without ARGS on a small simulated data set
	cd stcnn && ../$(BIN)/python train.py $(ARGS)

test: .venv/dev ## run the tests
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal $(ARGS)

check: .venv/dev ## lint, format, types, direction of imports, documentation
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/clang-format --dry-run --Werror $(NATIVE)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/mkdocs build --strict --quiet

wheel: .venv/dev ## build the wheel and test the native core where it is installed
	.ci/wheel

sanitize: .venv/dev ## test the native core with sanitizers of addresses, undefined behaviour and threads (half an hour)
	.ci/sanitize

docs: .venv/dev ## serve the documentation at http://127.0.0.1:8000
	$(BIN)/mkdocs serve

bench: .venv/dev ## run every benchmark in benchmarks/ and draw their figure
	set -e; for script in $(filter-out %/record.py %/direct_form.py %/figure.py %/same_numbers.py %/two_commits.py,$(wildcard benchmarks/*.py)) benchmarks/figure.py; do \
		$(BIN)/python $$script; done

lock: ## pin the newest releases that pyproject.toml allows
	PYTHON=$(PYTHON) .ci/lock

clean: ## remove .venv and everything built
	rm -rf .venv build site *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

.venv/run: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("This is Python %d.%d, stcnn needs 3.11 or newer: make PYTHON=python3.12 ..." % sys.version_info[:2])'
	@echo "Installing into .venv, once (a minute and 1.3 GB; with the CUDA build of torch 5 GB)"
	@$(PYTHON) -m venv .venv
	@$(PIP) -r requirements.txt
	@touch $@

.venv/dev: requirements-dev.txt .venv/run
	@echo "Installing the tools for tests and documentation, once"
	@$(PIP) -r requirements-dev.txt
	@touch $@
