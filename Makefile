# A thin face over Meson. `make help` lists the targets.
# BUILD=folder builds elsewhere; PREFIX=/usr and DESTDIR=folder direct `make install` and `make uninstall`.
BUILD  ?= build
PREFIX ?= /usr/local
PYTHON := /usr/bin/python3
VENV   := .venv/bin/python
# Of each target of `make fuzz`.
FUZZ_SECONDS ?= 120

# Quiet unless something is wrong; a terminal sees how far the compiler is.
CONFIGURE = test -f $(BUILD)/build.ninja || { echo "configuring $(BUILD)/"; \
	said=$$(meson setup --prefix $(PREFIX) $(BUILD) 2>&1) || { printf '%s\n' "$$said"; exit 1; }; }
COMPILE = if [ -t 1 ]; then ninja -C $(BUILD) $(1); else echo "compiling into $(BUILD)/"; ninja --quiet -C $(BUILD) $(1); fi

# The nearest folder that there is on the way to the prefix must be ours to write.
WRITABLE = at="$(DESTDIR)$(PREFIX)"; while [ ! -e "$$at" ]; do at=$$(dirname "$$at"); done; [ -w "$$at" ] || \
	{ echo "install: you may not write to $$at; use sudo, or a folder of yours: make install PREFIX=$$HOME/.local"; exit 1; }

.DEFAULT_GOAL := build
.PHONY: help build product demo test conformance check asan fuzz fuzz-short bench bench-http soak compare install uninstall dev-install dev serve-http test-fresh test-vm format clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 16

build: ## build everything into build/ (installs what is missing first)
	@scripts/setup build
	@$(CONFIGURE)
	@$(call COMPILE)

product:
	@scripts/setup build
	@$(CONFIGURE)
	@$(call COMPILE,product)

demo: product ## run the examples of the requirements through the real server
	@$(PYTHON) scripts/demo.py $(BUILD)/vivarium

test: build ## every test: units, end to end as root and as an ordinary user
	@scripts/setup test
	@tests/run --build $(BUILD) unit lint e2e

conformance: build ## the official conformance suite of the protocol, on both legs
	@scripts/setup test conformance
	@tests/conformance/run --build $(BUILD)

check: ## format, clang-tidy, include lint, shellcheck, ruff
	@scripts/setup build check
	@$(CONFIGURE)
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

bench-http: build ## measure the server over HTTP, against the official TypeScript SDK
	@scripts/setup test bench
	@$(VENV) tests/bench/http_bench.py $(BUILD)

soak: build ## mixed load over HTTP, with clients that vanish: SOAK_MINUTES, 30 by default
	@scripts/setup test
	@$(VENV) tests/bench/soak.py $(BUILD)

compare: build ## the language policy beside RestrictedPython's, one table
	@scripts/setup test compare
	@$(VENV) tests/bench/restrictedpython.py $(BUILD)

test-fresh: ## make demo and make test in bare Debian 12 and 13 roots
	@scripts/setup fresh
	@tests/fresh/run

test-vm: build ## the delegated cgroup, in a virtual machine that has nothing but cgroup v2
	@scripts/setup vm
	@tests/vm/run.sh $(BUILD)

install: product ## install below PREFIX, /usr/local by default
	@$(WRITABLE)
	@meson configure $(BUILD) --prefix $(PREFIX)
	@$(call COMPILE,product)
	@meson install -C $(BUILD) --no-rebuild --quiet
	@echo "installed below $(DESTDIR)$(PREFIX); vivarium doctor examines the walls"

uninstall: ## remove what install put there; PREFIX and DESTDIR as they were
	@scripts/setup build
	@$(CONFIGURE)
	@meson configure $(BUILD) --prefix $(PREFIX) && ninja --quiet -C $(BUILD) build.ninja >/dev/null
	@scripts/uninstall $(BUILD)

dev-install: product ## a virtual environment in .venv with test tools and the Python launcher
	@scripts/setup test dev

dev: product ## the server on stdio
	@exec $(BUILD)/vivarium serve

serve-http: product ## the server over HTTP, at http://127.0.0.1:9000/mcp
	@exec $(BUILD)/vivarium serve --http

format: ## lay out C and Python sources
	@scripts/setup test
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs .venv/bin/clang-format -i
	@.venv/bin/ruff format -q .

clean: ## remove build products, keep .venv
	@rm -rf build build-asan build-fuzz
