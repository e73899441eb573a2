# `make demo`, `make quick` and `make test` need Python 3.11 or later and make, nothing else: they set up what they need, in this folder only.

PYTHON ?= $(shell for python in python3 python3.15 python3.14 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
# Interpreters that pyenv and uv keep off the PATH are tested as well.
MORE_PYTHONS := for bin in "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.*/bin "$$HOME"/.local/share/uv/python/*/bin; do \
	if [ -d "$$bin" ]; then PATH="$$PATH:$$bin"; fi; done; export PATH;
TOX := $(MORE_PYTHONS) $(VENV)/bin/python -m tox run

.PHONY: help demo quick test nightly services spark readers answers endpoint gateway merge check lint types docs dist bench fuzz clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   build a report around a sample message and read it back"
	@echo "make quick  run the tests that are not slow, with few examples for each property, in about a minute"
	@echo "make test   run the suite on every Python from 3.11 up that is here; its slow tests and its coverage on one of them"
	@echo "make nightly  run the whole suite with ten times the examples"
	@echo "make services  run the tests that need real servers (redis-server, postfix) or a browser (chromium; as root), which must be installed"
	@echo "make answers  answer who received what with jq, duckdb and pandas: needs jq"
	@echo "make spark  run the tests on Apache Spark, which need Java"
	@echo "make readers  compare with other mail readers, and read the bounces of flufl.bounce: needs node, npm and GMime's bindings (python3-gi, gir1.2-gmime-3.0)"
	@echo "make endpoint, make gateway, make merge  run an example: the archive endpoint, Postfix, Apache Spark"
	@echo "make check  lint, types and the built distributions"
	@echo "make docs  build the documentation as a site with search into build/site, strictly"
	@echo "make bench  measure, print the tables, and write them into benchmarks/RESULTS.md"
	@echo "make fuzz   run the fuzz harnesses for a minute each"

demo: python
	@PYTHONPATH=src $(PYTHON) examples/demo.py

# One interpreter runs the whole suite, the others all but its slow tests.
test: $(VENV)/tox
	@$(TOX) -m test --skip-env "$$($(VENV)/bin/python -c 'import sys; print("py%d%d" % sys.version_info[:2])')"

quick: $(VENV)/tox
	@$(TOX) -q -e quick

nightly: $(VENV)/tox
	@HYPOTHESIS_PROFILE=nightly $(TOX) -e whole

services spark readers answers: $(VENV)/tox
	@$(TOX) -e $@

# The live integrations: `make endpoint FOLDER=/srv/journal PEER=192.0.2.0/24`, `make gateway` as root where Postfix is installed,
# `make merge FOLDER=mail OUT=merged.parquet` where Java is.
FOLDER ?= journal
PEER ?= 127.0.0.1/32
OUT ?= merged.parquet

endpoint: $(VENV)/tox
	@$(TOX) -q -e example -- examples/endpoint.py "$(FOLDER)" --peer "$(PEER)"

gateway: $(VENV)/tox
	@$(TOX) -q -e example -- examples/postfix/run.py

merge: $(VENV)/tox
	@$(TOX) -q -e spark-example -- "$(FOLDER)" "$(OUT)"

check: lint types dist

lint types docs dist: $(VENV)/tox
	@$(TOX) -e $@

bench: $(VENV)/tox
	@$(TOX) -q -e bench

fuzz: $(VENV)/tox
	@$(TOX) -q -e fuzz

.PHONY: python
python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed (make PYTHON=/path/to/python …)" >&2; exit 1; }

# Made whole or not at all: a stamp stands for an environment that is complete.
$(VENV)/tox: Makefile | python
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) || { echo "this Python has no venv module (on Debian and Ubuntu: install python3-venv)" >&2; exit 1; }
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check "tox==4.67.15"
	@touch $@

clean:
	rm -rf $(VENV) .tox .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
