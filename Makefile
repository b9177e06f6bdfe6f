# make demo      install what the demo needs and run it
# make test      everything CI checks: lint, types, layers, tests
# make lint      the same without the tests
# make sanitize  run the native engine's tests with AddressSanitizer and UBSan
# make fuzz      feed a million mutated networks to the native engine
# make clean     remove the virtual environment, caches and build output

PYTHON ?= python3
VENV   ?= .venv

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help

BIN := $(VENV)/bin
# torch comes from pip: other installers rank its CPU build differently.
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
INPUTS := pyproject.toml constraints.txt CMakeLists.txt $(shell find csrc -type f)
# Without pip's isolation only what changed is compiled again. The tools come from PyPI, so that
# the system needs a compiler alone.
BUILD_TOOLS := scikit-build-core nanobind 'cmake>=3.24' ninja
INSTALL := $(PIP) install -q -c constraints.txt $(BUILD_TOOLS) && \
  $(PIP) install -q -c constraints.txt --no-build-isolation

.PHONY: help demo test lint sanitize fuzz clean system

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

demo: system $(VENV)/demo.stamp
	$(BIN)/python examples/digits/demo.py

test: CROSS := arm-none-eabi-gcc:gcc-arm-none-eabi qemu-system-arm:qemu-system-arm \
  riscv64-unknown-elf-gcc:gcc-riscv64-unknown-elf qemu-system-riscv32:qemu-system-misc \
  aarch64-linux-gnu-g++:g++-aarch64-linux-gnu qemu-aarch64:qemu-user \
  chromium:chromium chromedriver:chromium-driver
test: system lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(VENV)/test.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/check_file_length.py

sanitize: system $(VENV)/test.stamp
	$(BIN)/python tools/sanitize.py

fuzz: system $(VENV)/test.stamp
	$(BIN)/python tools/fuzz_native.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests tools examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# Installed again only when the inputs change; editable, so that Python sources need no installing.
$(VENV)/demo.stamp: $(INPUTS) | $(BIN)/pip
	@echo "Installing intact for the demo into $(VENV) (the first time takes a few minutes)"
	$(INSTALL) -e '.[torch,onnx]' 'safetensors>=0.4.3' 'scikit-learn>=1.5'
	@touch $@

$(VENV)/test.stamp: $(INPUTS) | $(BIN)/pip
	@echo "Installing intact and its checks into $(VENV) (the first time takes a few minutes)"
	$(INSTALL) --config-settings cmake.define.INTACT_WERROR=ON -e '.[torch,onnx,images,test]'
	@touch $@ $(VENV)/demo.stamp

# The check comes first: without ensurepip, venv leaves a broken environment behind.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "intact needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot create virtual environments." >&2; \
	  echo "On Debian or Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# What building and the tests need from the system: a Python with venv and its headers, compilers for
# C and C++20, and for `make test` cross compilers with their C libraries, emulators, and a browser.
system:
	@missing=(); \
	test -x $(BIN)/pip || $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv); \
	$(PYTHON) -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' \
	  2>/dev/null || missing+=(python3-dev); \
	echo '#include <stdint.h>' | cc -x c -fsyntax-only - 2>/dev/null || missing+=(gcc libc6-dev); \
	echo '#include <span>' | c++ -std=c++20 -x c++ -fsyntax-only - 2>/dev/null || missing+=(g++); \
	for tool in $(CROSS); do \
	  command -v "$${tool%%:*}" >/dev/null || missing+=("$${tool##*:}"); \
	done; \
	if [[ -n "$(CROSS)" ]]; then \
	  echo '#include <string.h>' | arm-none-eabi-gcc -fsyntax-only -x c - 2>/dev/null \
	    || missing+=(libnewlib-arm-none-eabi); \
	  echo '#include <string.h>' | riscv64-unknown-elf-gcc --specs=picolibc.specs -fsyntax-only -x c - \
	    2>/dev/null || missing+=(picolibc-riscv64-unknown-elf); \
	fi; \
	if (( $${#missing[@]} == 0 )); then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then \
	  echo "Please install, by your system's names: $${missing[*]}" >&2; exit 1; \
	fi; \
	sudo=(); if (( EUID != 0 )); then sudo=(sudo); fi; \
	echo "Installing system packages: $${missing[*]}"; \
	"$${sudo[@]}" apt-get update -qq; \
	"$${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
	  apt-get install -qq -y --no-install-recommends "$${missing[@]}"
