# Everything a contributor needs. Each target makes the virtual environment that it needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# Python keeps the byte code of the tests: it takes each worker twenty seconds to make it anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo demo-keyword test tiny lint coverage soak mutants fuzz bench conformance clean

help:
	@echo "make demo   heart rhythm: learn, compress, compile, run on a virtual nRF52840, report (six minutes)"
	@echo "make demo-keyword  compile a keyword network, run it on a virtual nRF52840, print the report"
	@echo "make test   lint, types, room doors, and every test (13 minutes on two cores, less from the second time on)"
	@echo "make tiny   the tests that answer in ten seconds"
	@echo "make lint   style, types and room doors alone"
	@echo "make coverage  lines of graph, importers, memory_plan and c_emitter that tests reach (95 %)"
	@echo "make soak   the long sweeps; their summaries go to bench/results/"
	@echo "make mutants  which faults in the kernels' C no test would notice"
	@echo "make fuzz   an hour of coverage-guided fuzzing of everything that reads a .tflite file"
	@echo "make bench  the figures; they go to bench/results/"
	@echo "make conformance  the ONNX backend node tests on the emitted C; results go to bench/results/"

$(VENV)/.demo: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.demo
	$(BIN)/python -m pip install --quiet --editable ".[test,lint]"
	@touch $@

# PyTorch is pinned as the tests pin it: an open range gets gigabytes of CUDA.
$(VENV)/.recipes: $(VENV)/.demo
	$(BIN)/python -m pip install --quiet "torch==2.13.0" --editable ".[ecg]"
	@touch $@

# The recordings are those of MIDGE_DATA; without it they are fetched, or else made up, and said so.
demo: $(VENV)/.recipes
	$(BIN)/midge recipe run ecg --target nrf52840 --out build/ecg

demo-keyword: $(VENV)/.demo
	$(BIN)/python examples/keyword_demo.py build/demo

test: lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

tiny: $(VENV)/.test
	$(BIN)/python -m pytest -m tiny -q

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

coverage: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 -q tests/graph tests/importers tests/memory_plan tests/c_emitter \
	    tests/passes --cov=src/midge/graph --cov=src/midge/importers \
	    --cov=src/midge/memory_plan --cov=src/midge/c_emitter --cov-report=term:skip-covered --cov-fail-under=95

soak: $(VENV)/.test
	$(BIN)/python -m bench.soak
	$(BIN)/python -m bench.ecg_soak
	$(BIN)/python -m bench.adapt_soak
	$(BIN)/python -m pytest -n 2 --dist worksteal -q --thorough tests/c_emitter tests/device/test_sanitizers.py tests/adapt/test_learner_on_cores.py

mutants: $(VENV)/.test
	$(BIN)/python -m bench.mutants

fuzz: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --editable ".[fuzz]"
	$(BIN)/python -m bench.fuzz_tflite

bench: $(VENV)/.test
	$(BIN)/python -m bench.table
	$(BIN)/python -m bench.kernels
	$(BIN)/python -m bench.ram
	$(BIN)/python -m bench.accuracy
	$(BIN)/python -m bench.compression
	$(BIN)/python -m bench.adapt_device
	$(BIN)/python -m bench.adapt_alarms
	$(BIN)/python -m bench.adapt_flags
	$(BIN)/python -m bench.adapt_vibration

conformance: $(VENV)/.test
	$(BIN)/python -m bench.conformance

clean:
	rm -rf build $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
