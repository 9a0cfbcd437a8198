# Everything a newcomer needs: `make demo` and `make test` install what they need themselves.
SHELL := /bin/bash
BIN := .venv/bin
ifneq ($(wildcard ../shared/data),)
export INSTABILITY_DATA ?= $(abspath ../shared/data)
endif
LOCK := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q

.PHONY: help setup setup-test demo study test fast lint bench coverage sealed soak frames power bundle lock clean

help:            ## what the targets do
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup:           ## make .venv with what the demo needs, and the default model
	@requirements/setup.sh demo

setup-test:      ## the same with what the tests need (Chromium and OpenSSH too)
	@requirements/setup.sh test

demo: setup      ## the main job on a virtual rack: photographs, predictions, runs/demo/report/index.html
	@$(BIN)/instability demo

study: setup     ## the real thing: 300 scenes or more from SCENES=folder-or-csv, or from INSTABILITY_DATA
	@$(BIN)/instability demo --study $(if $(SCENES),--scenes $(SCENES))

test: setup-test lint  ## every check and every test
	@$(BIN)/python -m pytest -n 3 --dist worksteal

fast: setup-test ## the tests that take less than ten seconds each
	@$(BIN)/python -m pytest -n 3 --dist worksteal -m "not slow"

lint: setup-test ## ruff, mypy --strict, the import contract
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: setup-test ## what is fast, against what, as ratios within one run
	@$(BIN)/python -m benchmarks

coverage: setup-test ## coverage of all intervals and levels of the tests over the whole grid of simulated studies
	@$(BIN)/python -m benchmarks.coverage

sealed: setup-test ## the study of sealed faults: 200 simulated racks, judged blind by `instability diagnose`
	@$(BIN)/python -m benchmarks.sealed_faults --racks 200

soak: setup-test ## an hour with eight virtual devices, random faults and kills, audited
	@$(BIN)/python -m benchmarks.soak

frames: setup-test ## 30,000 stale, torn, blurred and clipped virtual shots, and 5,000 good ones: is a wrong one kept?
	@$(BIN)/python -m benchmarks.wrong_frames

power: setup-test ## a power loss at every write of a session and a batch
	@$(BIN)/python -m benchmarks.power_loss

bundle: setup    ## everything for a machine without a network, in BUNDLE=folder (default: bundle)
	@requirements/bundle.sh $(if $(BUNDLE),$(BUNDLE),bundle)

lock: setup-test ## choose versions anew and write requirements/*.txt
	@$(BIN)/pip install -q uv
	@$(LOCK) --extra test --upgrade -o requirements/test.txt
	@$(LOCK) --extra demo --upgrade -c requirements/test.txt -o requirements/demo.txt

clean:           ## remove .venv and caches; runs stay
	@rm -rf device_agents/web/dist device_agents/web/node_modules .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
