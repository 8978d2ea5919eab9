# Needs Python 3.11 or newer, make and a package index; everything else goes into .venv, once, in the versions and with the
# hashes of requirements/*.txt.

VENV := .venv
BIN := $(VENV)/bin
DEMO := $(VENV)/.demo
STAMP := $(VENV)/.dev
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
EXAMPLES ?= 2000
COUNT ?= 100
CELLS ?= 1000000
SIZE ?= small
ONLY ?= training,loading,lookup,serving,scaling

# A version manager may leave a `python3.13` on the path that does not run, and some systems ship Python
# without ensurepip: a Python is fit when it says so itself.
FIT := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for each in python3.13 python3.12 python3.11 python3; do \
	"$$each" -c '$(FIT)' >/dev/null 2>&1 && echo "$$each" && break; done)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help demo test test-newest lint format lock fuzz mutants soak bench bench-peers bench-page clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' Makefile

demo: $(DEMO)  ## the flights example from end to end
	@$(BIN)/featurestore demo

# The tests run and close the output even where lint has found something; either one makes it fail.
test: $(STAMP)  ## lint, types and every test
	@status=0; \
	$(MAKE) --no-print-directory lint || status=1; \
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -q || status=1; \
	exit $$status

# pip's newest versions within the bounds of pyproject.toml, and what the tests say of them: docs/versions.md.
test-newest:  ## every test with the newest allowed versions, noted in docs/versions.md
	@$(MAKE) --no-print-directory VENV=.venv-newest .venv-newest/bin/pip
	.venv-newest/bin/python -m pip install --quiet --upgrade --editable '.[dev]'
	.venv-newest/bin/python tests/versions.py --jobs $(JOBS)

lint: $(STAMP)  ## rules, layout and types, changing nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)  ## lay the code out as lint wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# One resolution for every supported Python and platform; the smaller lists take their versions from the largest.
COMPILE = .venv-lock/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-annotate \
	--custom-compile-command 'make lock' pyproject.toml requirements/build.in
lock:  ## write requirements/*.txt: the newest allowed versions with their hashes
	@$(MAKE) --no-print-directory VENV=.venv-lock .venv-lock/bin/pip
	.venv-lock/bin/python -m pip install --quiet 'uv==0.13.9'
	$(COMPILE) --upgrade --extra dev --output-file requirements/dev.txt
	$(COMPILE) --upgrade --extra local --extra demo --constraints requirements/dev.txt --output-file requirements/demo.txt
	$(COMPILE) --upgrade --constraints requirements/dev.txt --output-file requirements/base.txt

fuzz: $(STAMP)  ## the generated tests with new random examples (EXAMPLES=2000 each)
	EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -q -m hypothesis --hypothesis-profile=fuzz

mutants: $(STAMP)  ## faults planted one by one, and whether the tests notice (COUNT=100)
	$(BIN)/python tests/mutants.py --count $(COUNT) --jobs $(JOBS)

soak: $(STAMP)  ## a service under lookups, events and rebuilds; every served cell computed again (CELLS=1000000)
	$(BIN)/python tests/soak.py --cells $(CELLS)

bench: $(STAMP)  ## ours beside the bare engine and installed peers (SIZE=small|full ONLY=training,lookup,...)
	$(BIN)/python benchmarks/run.py --size $(SIZE) --only $(ONLY)

bench-peers: $(STAMP)  ## Feast into .venv-feast, so that `make bench` runs it too
	$(BIN)/python -m venv .venv-feast
	.venv-feast/bin/pip install --quiet --requirement benchmarks/feast.txt

bench-page: $(STAMP)  ## docs/benchmarks.md from the newest run in benchmarks/results
	$(BIN)/python benchmarks/page.py

clean:  ## remove the venvs and every cache; state folders stay
	rm -rf $(VENV) .venv-feast .venv-lock .venv-newest .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What the demo needs is a part of what development needs, in the same versions.
$(DEMO): requirements/demo.txt pyproject.toml | $(BIN)/pip
	@echo "installing what the demo needs into $(VENV) (once; about half a minute)"
	@$(INSTALL) --require-hashes --requirement requirements/demo.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(STAMP): requirements/dev.txt $(DEMO)
	@echo "installing the tools of development into $(VENV) (once; about a minute)"
	@$(INSTALL) --require-hashes --requirement requirements/dev.txt
	@touch $@

INSTALL = $(BIN)/python -m pip install --quiet

# pip is the last thing a new venv gets: when it is there, the venv is whole.
$(BIN)/pip:
	@python="$(PYTHON)"; "$${python:-none}" -c '$(FIT)' >/dev/null 2>&1 || { \
		echo "error: no fit Python: looked for $${python:-python3.13, python3.12, python3.11, python3}" >&2; \
		echo "  has  $$(python3 --version 2>/dev/null || echo "no python3 on the path")" >&2; \
		echo "  fix  install Python 3.11 or newer with its venv module, or name one: make PYTHON=/path/to/python3" >&2; \
		exit 1; }
	@"$(PYTHON)" -m venv $(VENV)
