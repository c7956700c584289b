.PHONY: help repro test bench sweep docs lint deps
.DEFAULT_GOAL := help
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

.venv/installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

repro: .venv/installed  ## run the pipeline on params.yaml and show its metrics
	dvc repro
	@dvc metrics show
	@python .ci/compare_metrics.py
	@echo "plots are in plots/ (start with plots/overview.png); dvc plots show makes a page of them"

test: .venv/installed  ## the whole test suite
	python -m pytest --numprocesses 2 --dist loadfile

bench: repro  ## what running frozen layers once saves, and the bundle
	python benchmarks/bench.py

sweep: repro  ## draw plots/sweep.png: six depths, three seeds
	thaw sweep train.freeze_till=all,140,117,100,60,0 seed=1,2,3 split.seed=20
	cp outputs/sweep/sweep.png plots/sweep.png

docs: .venv/installed  ## the documentation as a site, in docs/_build
	sphinx-build -q -W --keep-going docs docs/_build

lint: .venv/installed  ## style, types, who imports whom, Dockerfile, scripts
	ruff check .
	ruff format --check .
	mypy
	PYTHONPATH=src lint-imports --no-cache
	hadolint Dockerfile
	shellcheck .ci/run

deps: .venv/installed  ## write into dvc.yaml which modules each stage imports
	python .ci/stage_deps.py
