# What one can do here; `make` alone lists it.
SHELL := bash
export PYTHON ?= python3.11
export PYTHONDONTWRITEBYTECODE :=
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup archive demo test services test-airflow test-services test-faults test-fast check format bench bench-gate bench-scale bench-serve bench-watch screenshots lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup:  ## make .venv from the lock, find or install Java, fetch Spark's jars
	@bin/setup

demo: setup  ## the whole pipeline on simulated transactions, the last days through Airflow (about 8 minutes)
	$(BIN)/tollgate demo

archive: setup  ## keep Spark's classes in an archive: each start of Spark 3 s shorter (45 s once, 200 MB)
	@$(BIN)/python -m pipelines.spark.class_archive

test: setup  ## every test, two files at a time (26 minutes on 2 cores)
	@$(MAKE) --no-print-directory -j2 services archive
	$(BIN)/python -m pytest tests --numprocesses 2 --dist loadfile --no-loadscope-reorder

services:  ## what the tests of the production profile need: PostgreSQL, Redis, the jars of a lake on S3
	@bin/services

test-airflow: setup  ## of these, the DAGs under a real Airflow: backfill, re-run, refused day, retrain
	$(BIN)/python -m pytest tests -m airflow

test-services: setup services  ## the whole chain on PostgreSQL, Redis and S3, through Airflow
	$(BIN)/python -m pytest tests -m services

test-faults: setup services  ## the tests of docs/guarantees.md, each fault as often as it says; writes that table (an hour)
	$(BIN)/python -m pytest tests -m guarantee --thorough --guarantees docs/guarantees.md --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-fast: setup  ## the tests that need neither Spark nor Airflow (2 to 2.5 minutes)
	$(BIN)/python -m pytest tests -m "not slow" --numprocesses 2 --dist loadfile

check: setup  ## lint, format, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup  ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup  ## all benchmarks; writes the tables of benchmarks/README.md
	$(BIN)/python -m benchmarks

bench-gate: setup  ## how often the release gate errs, on pairs of models whose difference is known (15 minutes)
	$(BIN)/python -m benchmarks gate

bench-scale: setup  ## nights of 10,000 to 1,000,000 transactions, trainings of up to 8 million rows (40 minutes)
	$(BIN)/python -m benchmarks scale training

bench-serve: setup  ## events a second and latencies of the online scorer, against the usual way to serve (5 minutes)
	$(BIN)/python -m benchmarks serve

bench-watch: setup  ## how often the watch errs, on simulated months with and without incident (15 minutes)
	$(BIN)/python -m benchmarks watch

screenshots: setup  ## the pictures of the README, from the home of `make demo` (needs Chromium)
	$(BIN)/python -m tests.screenshots

lock: setup  ## resolve the environment again: requirements-dev.txt is the lock, requirements.txt its run-time part
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --no-header --no-emit-find-links -q -o requirements-dev.txt
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-emit-find-links -q -c requirements-dev.txt -o requirements.txt

clean:  ## remove caches and build products (not .venv, not the home)
	rm -rf .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache build dist *.egg-info spark-warehouse
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
