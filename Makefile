# Every target sets up what it needs on a bare Debian 12 (git and make are enough); a second run starts at once.
#   make demo    the whole way on real data, to winds.png
#   make test    build, unit tests, conformance suites, interop, faults
#   make check   what CI runs: test, lint, sanitizers
#   make build   the command, build/release/src/cli/seamount, and the Python package's extension
#   make wheel   dist/*.whl, for pip, tried with every Python that they are for
#   make bench   the races against rivals
#   make fuzz, make tsan, make lint, make format, make clean
.PHONY: help demo test check build build-asan lint tidy format bench wheel tsan fuzz clean

SHELL := /bin/bash
JOBS ?= $(shell nproc)
BINARY := build/release/src/cli/seamount
# Throw-away machines and mounts need root.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
# The compiler cache sees paths relative to the checkout, so that another checkout of the same code hits it.
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1

demo: build
	@$(SUDO) $(BINARY) demo --output winds.png

help:
	@sed -n 's/^#   //p' Makefile

test: setup-test build
	tools/test.sh

check: test lint build-asan
	tools/sanitize.sh asan

build: setup-build
	@tools/build.sh release

# Tests of what a race detector alone can see: slow, so run by hand before a change of threads lands.
tsan: setup-test
	@tools/build.sh tsan
	tools/sanitize.sh tsan

build-asan: setup-test
	@tools/build.sh asan

lint: setup-test build
	tools/lint.sh

format: setup-test
	git ls-files '*.cc' '*.h' | xargs clang-format-14 -i

bench: setup-bench build
	tools/bench.sh

wheel: setup-test
	tools/wheel.sh
	tools/try_wheels.sh

fuzz: setup-test
	@tools/build.sh fuzz
	tools/fuzz.sh

.PHONY: setup-build setup-test setup-bench
setup-build setup-test setup-bench: setup-%:
	@tools/setup.sh $*

clean:
	rm -rf build dist
