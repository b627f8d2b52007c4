# `make run`: a real scheduler on a real kernel, from nothing. `make test`: everything. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := qemu-system-x86 busybox-static stress-ng linux-perf clang-19 llvm-19 lld-19 make libelf-dev zlib1g-dev libssl-dev \
            libcap-dev pkg-config xz-utils graphviz jq gcc libc6-dev binutils flex bison bc zstd systemd man-db mandoc \
            redis-server s6 plantuml libxml2-utils libqt6scxml6-bin qt6-scxml-dev g++ chromium fonts-liberation \
            $(if $(shell command -v npm),,nodejs npm)
JOBS ?= $(shell nproc)
RUN ?= --scheduler scx_simple -- sleep 3
SMALL := 6.12

.PHONY: help run test lint drawings pages docs mutants mutation pythons bench packages setup guest kernel clean
.DEFAULT_GOAL := help

help:
	@echo "make run     boot a guest and take scx_simple through its whole life (RUN='…' for other arguments)"
	@echo "make test    all tests, the real-kernel ones included"
	@echo "make kernel  the kernels of the tests: one is fetched, one is built, which takes minutes, once"
	@echo "make lint    ruff and mypy --strict"
	@echo "make drawings renews the checked-in drawings of the machines that come with scxlife"
	@echo "make docs    the site made of docs/, in build/docs; a warning or a link that leads nowhere fails"
	@echo "make pages   renews what is made from the code in the pages of docs/"
	@echo "make mutants puts defects back one by one, and tells which test or property notices"
	@echo "make mutation changes the code at places drawn at random, and tells which test notices"
	@echo "make pythons the simulation's tests under each Python from 3.11 to 3.14 that is here (PYTHONS='…' for more)"
	@echo "make bench   the engine, the boot, an exit noticed, an attach noticed, a quiet run: each beside its peers"
	@echo "make clean   remove the virtual environment and the site (the cache of kernels and schedulers stays)"

# A stamp that is older than pyproject.toml installs again; a broken environment is made anew.
$(VENV)/.ready: pyproject.toml
	@echo "scxlife: making the Python environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "scxlife: python3-venv is missing: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

# Only what is missing is installed, so that a second run asks neither apt nor the network.
packages:
	@missing=""; for p in $(PACKAGES); do \
	  dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then echo "scxlife: installing$$missing"; \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; } \
	    >.packages.log 2>&1 || { tail -n 20 .packages.log >&2; \
	    echo "scxlife: apt-get failed: are you root, and is a Debian mirror set up?" >&2; exit 1; }; fi

setup: packages $(VENV)/.ready

# What a guest needs: a kernel that Debian ships, and schedulers for it.
guest: setup
	@$(BIN)/scxlife kernel fetch
	@$(BIN)/scxlife schedulers build

# The second kernel, which the tests boot too: minutes, once.
kernel: guest
	@$(BIN)/scxlife kernel build $(SMALL)

run: guest
	@$(BIN)/scxlife vm run $(RUN)

# A file's tests stay together: they share what is expensive, such as a boot. What fails has failed: nothing is repeated.
test: kernel lint
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Those in diagrams/drawings; a test tells when they are stale.
drawings: $(VENV)/.ready
	$(BIN)/python -m tests.diagrams.drawings

# The tables of docs/ and what its scenarios print; tests tell when they are stale.
pages: $(VENV)/.ready
	$(BIN)/python -m tests.docs.generated

# Whatever Sphinx warns of fails, and so does a link or an anchor of the pages that leads nowhere.
docs: $(VENV)/.ready
	@rm -rf build/docs build/doctrees
	$(BIN)/sphinx-build -q -W --keep-going -d build/doctrees docs build/docs
	@$(BIN)/python -m tests.docs.built build/docs

# Defects put back one by one: minutes. The page is made of what noticed them.
mutants: $(VENV)/.ready
	$(BIN)/python -m tests.mutants --page docs/mutants.md

# In PATH, pyenv's, and those of PYTHONS.
pythons: setup
	$(BIN)/python -m tests.pythons $(PYTHONS)

# Changes drawn at random: about an hour. Its section of that page is made of what noticed them.
mutation: $(VENV)/.ready
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[mutation]'
	$(BIN)/python -m tests.mutation --page docs/mutants.md

bench: guest
	$(BIN)/python tests/bench/engine.py
	$(BIN)/python tests/bench/boot.py
	$(BIN)/python -m tests.bench.start
	$(BIN)/python tests/bench/simulation.py
	$(BIN)/python tests/bench/diagrams.py
	$(BIN)/python tests/bench/timeline.py
	$(BIN)/python tests/bench/exit.py
	$(BIN)/python tests/bench/attach.py
	$(BIN)/python tests/bench/quiet.py

clean:
	rm -rf $(VENV) .packages.log build/docs build/doctrees
