# A thin face over Meson. `make help` lists the targets.
# BUILD=folder builds elsewhere; PREFIX=/usr and DESTDIR=folder direct `make install` and `make uninstall`.
BUILD  ?= build
PREFIX ?= /usr/local
PYTHON := /usr/bin/python3
VENV   := .venv/bin/python
# Of each target of `make fuzz`.
FUZZ_SECONDS ?= 120

.DEFAULT_GOAL := build
.PHONY: help build demo test conformance check asan fuzz fuzz-short bench compare install uninstall dev-install dev serve-http test-fresh test-vm format clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 16

build: ## build everything into build/ (installs what is missing first)
	@scripts/setup build
	@test -f $(BUILD)/build.ninja || meson setup --prefix $(PREFIX) $(BUILD)
	@meson compile -C $(BUILD)

demo: build ## run the examples of the requirements through the real server
	@$(PYTHON) scripts/demo.py $(BUILD)/vivarium

test: build ## every test: units, end to end as root and as an ordinary user
	@scripts/setup test
	@tests/run --build $(BUILD) unit lint e2e

conformance: build ## the official conformance suite of the protocol, on both legs
	@scripts/setup test conformance
	@tests/conformance/run --build $(BUILD)

check: ## format, clang-tidy, include lint, shellcheck, ruff
	@scripts/setup build check
	@test -f $(BUILD)/build.ninja || meson setup --prefix $(PREFIX) $(BUILD)
	@tests/run --build $(BUILD) check

asan: ## units and end to end under AddressSanitizer and UBSan, in build-asan/
	@scripts/setup build test
	@tests/run --build build-asan asan

fuzz: build ## every fuzz target for FUZZ_SECONDS, in build-fuzz/ with clang
	@scripts/setup fuzz
	@tests/fuzz/run --product $(BUILD) --seconds $(FUZZ_SECONDS)

fuzz-short: build ## every fuzz target for some seconds
	@scripts/setup fuzz
	@tests/fuzz/run --product $(BUILD)

bench: build ## measure, one table
	@scripts/setup test bench
	@$(VENV) tests/bench/bench.py $(BUILD)

compare: build ## the language policy beside RestrictedPython's, one table
	@scripts/setup test compare
	@$(VENV) tests/bench/restrictedpython.py $(BUILD)

test-fresh: ## make demo and make test in bare Debian 12 and 13 roots
	@scripts/setup fresh
	@tests/fresh/run

test-vm: build ## the delegated cgroup, in a virtual machine that has nothing but cgroup v2
	@scripts/setup vm
	@tests/vm/run.sh $(BUILD)

install: build ## install below PREFIX, /usr/local by default
	@meson configure $(BUILD) --prefix $(PREFIX)
	@meson compile -C $(BUILD)
	@meson install -C $(BUILD) --no-rebuild --quiet

uninstall: ## remove what install put there; PREFIX and DESTDIR as they were
	@scripts/setup build
	@test -f $(BUILD)/build.ninja || meson setup --prefix $(PREFIX) $(BUILD) >/dev/null
	@meson configure $(BUILD) --prefix $(PREFIX) && ninja --quiet -C $(BUILD) build.ninja
	@scripts/uninstall $(BUILD)

dev-install: build ## a virtual environment in .venv with test tools and the Python launcher
	@scripts/setup test dev

dev: build ## the server on stdio
	@exec $(BUILD)/vivarium serve

serve-http: build ## the server over HTTP, at http://127.0.0.1:9000/mcp
	@exec $(BUILD)/vivarium serve --http

format: ## lay out C and Python sources
	@scripts/setup test
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs .venv/bin/clang-format -i
	@.venv/bin/ruff format -q .

clean: ## remove build products, keep .venv
	@rm -rf build build-asan build-fuzz
