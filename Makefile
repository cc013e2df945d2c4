# make demo   set up, train the embedded scene, say where the pictures are
# make test   set up, run all tests
# make check  format, lint, types, tests
# make bench  the benchmarks that need no data beside the repository

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
OUT ?= runs/nerf/demo
# Files of tests run side by side; a file's own tests one after the other, for they share what is slow to make.
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.PHONY: demo test check format bench clean

# nerfacc's CUDA kernels need nvcc and ninja; without nvcc the CPU does it.
ifneq ($(shell command -v nvcc),)
EXTRAS := [cuda]
else
demo: export ACCELERATE_USE_CPU := true
endif

demo: $(VENV)/.installed
	$(BIN)/accelerate launch -m wsapps_nerf.train out=$(OUT) trainer.max_seconds=175
	@echo "The pictures, the turntable and the scores: $(OUT)/index.html"

test: $(VENV)/.installed-test
	$(PYTEST)

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(PYTEST)

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.installed
	$(BIN)/python benchmarks/field_step.py
	$(BIN)/python benchmarks/nerf_methods.py scene=demo

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis

# torch comes first and by itself: constraints.txt names its version, and what needs it finds it there.
$(VENV)/.torch: constraints.txt
	test -x $(BIN)/pip || { rm -rf $(VENV) && $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; }
	$(PIP) install --quiet --constraint constraints.txt torch
	touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	$(PIP) install --quiet --constraint constraints.txt --editable ".$(EXTRAS)"
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) install --quiet --constraint constraints.txt --editable ".[test]"
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-test
	$(PIP) install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@
