# The targets a person calls. Included by the top Makefile.
.PHONY: help deps build check test demo up down lint bench chaos fuzz simulate requirements clean unit unit-asan

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' tools/targets.mk

build: $(BINS) ## build every service and tool
	@echo "built: $(words $(BINS)) programs in $(B)/bin"

unit-build: $(TESTS)
