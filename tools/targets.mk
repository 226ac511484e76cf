# The targets a person calls. Included by the top Makefile. Everything longer than a line is a script in tools/.
.PHONY: help deps build check unit unit-asan itest simulate test demo up down bench chaos hostile lint format fuzz requirements clean \
	unit-build itest-build asan-build fuzz-build scenario scenario-asan scenario-tsan valgrind alloc-failures upgrade-test fuzz-corpus
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' tools/targets.mk

deps: ## install what this machine lacks (Debian packages, nats-server, Kafka)
	@tools/deps

build: $(BINS) ## build every service and tool (VARIANT=release|asan|tsan)
	@echo "$(B)/bin: $(words $(BINS)) programs, up to date"

# The fuzz targets are compiled beside the unit tests (linked only with VARIANT=fuzz): an interface changed under them shows at once.
unit-build: $(TESTS) $(FUZZOBJ)
itest-build: $(ITESTS)
asan-build:
	@$(MAKE) --no-print-directory -j$(JOBS) VARIANT=asan unit-build

check: unit ## the quick tests: unit tests only

unit: unit-build ## unit tests (ONLY=pattern chooses)
	@tools/run-tests --suite unit $(if $(ONLY),--only '$(ONLY)') $(TESTS) tools/tools_test tests/chaos/test_judge.py

unit-asan: asan-build ## unit tests under AddressSanitizer and UBSan
	@tools/run-tests --suite unit-asan $(if $(ONLY),--only '$(ONLY)') $(TESTS:build/$(VARIANT)/%=build/asan/%)

alloc-failures: asan-build ## every unit test with the allocator failing after N blocks, for every N (ALLOC_SECONDS: a sample of so long)
	@tools/alloc-failures $(if $(ALLOC_SECONDS),--seconds $(ALLOC_SECONDS),--all) $(TESTS:build/$(VARIANT)/%=build/asan/%)

itest: itest-build build ## tests that start real NATS, Kafka, PostgreSQL or services by themselves
	@tools/run-tests --suite itest --timeout 900 $(if $(ONLY),--only '$(ONLY)') $(ITESTS) tools/cluster_itest

simulate: unit-build ## the cores of router and call-control: 10 million random steps with crashes, lost messages, two leaders (SIM_STEPS, SIM_SEED)
	@SIM_STEPS=$${SIM_STEPS:-10000000} tools/run-tests --suite simulator --timeout 7200 $(filter %_sim_test,$(TESTS))

test: ## everything: unit, sanitizers, components, simulator, scenarios on a real cluster
	@tools/test

scenario: build ## real phones on a real cluster (K='hang_up' chooses)
	@tools/scenarios $(if $(K),-k '$(K)')

scenario-asan scenario-tsan: scenario-%: ## the scenarios on a cluster built with AddressSanitizer and UBSan, or ThreadSanitizer
	@tools/scenarios --variant $* $(if $(K),-k '$(K)')

upgrade-test: ## from another version to this one and back, under load (FROM=revision)
	@tools/upgrade-test $(FROM)

valgrind: build ## each service under valgrind: started, a call, SIGTERM; no error, no leak (ONLY='media router')
	@tools/deps test
	@tools/valgrind $(ONLY)

demo: ## installs, builds, starts a cluster, places real calls, shows what happened
	@tools/demo

up: ## start the local cluster and say how to place a call
	@tools/deps build run
	@$(MAKE) --no-print-directory -j$(JOBS) build
	@tools/cluster up $(if $(BASE),--base $(BASE))
	@if [ -x tools/demo ]; then tools/demo --how; fi

down: ## stop the local cluster (its data stays; tools/cluster down --wipe forgets it)
	@tools/cluster down

bench: ## what a call costs, all of it (30 min); writes tests/perf/results/latest.json
	@tools/bench

BENCHES := tenants queue ivr media router events memory
.PHONY: $(BENCHES:%=bench-%)
$(BENCHES:%=bench-%): bench-%: ## one of tenants queue ivr media router events memory
	@tools/bench $*

chaos: ## processes killed, stopped, taken away under load, and an offline judge (ROW=name RUNS=20 SEED=n)
	@ROW='$(ROW)' RUNS='$(RUNS)' SEED='$(SEED)' tools/chaos

hostile: ## a million malformed messages, good calls beside them (SIP, MEDIA, OTHER, SEED; VARIANT=asan)
	@tools/hostile

lint: $(PBSTAMP) $(TEXTS) ## format, clang-tidy, cppcheck, schemas, layer law
	@tools/lint $(if $(ONLY),--only '$(ONLY)')

format: ## clang-format on every C file (tables aligned by hand stay)
	@tools/format

fuzz-build: $(FUZZERS)
fuzz: ## run every fuzz target for FUZZ_SECONDS (60) each; FUZZ_STILL=600: until coverage stands still so long
	@tools/deps build lint
	@$(MAKE) --no-print-directory -j$(JOBS) VARIANT=fuzz fuzz-run
fuzz-corpus: ## keep what fuzzing has learnt, minimised, in tests/fuzz
	@$(MAKE) --no-print-directory -j$(JOBS) VARIANT=fuzz fuzz-corpus-run
fuzz-corpus-run: fuzz-build
	@tools/fuzz --corpus $(FUZZERS)
.PHONY: fuzz-run fuzz-corpus-run
fuzz-run: fuzz-build
	@tools/fuzz $(FUZZERS)

requirements: ## what docs/requirements.md claims, against the last test run
	@tools/check-requirements

clean: ## remove what was built (clusters and the cache stay)
	@rm -rf build
