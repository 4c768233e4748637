# Everything a person does with this repository, one target each. `make` or `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# Tests start many processes, and where the environment forbids bytecode each would compile all that it imports.
export PYTHONDONTWRITEBYTECODE :=
# The tests of a file share a worker, and so its servers. More workers than cores, since many tests wait for processes.
WORKERS_unit := -n 3 --dist loadfile
# Each has a control plane and an operator, and mostly waits for them.
WORKERS_integration := -n 4 --dist loadfile
# One for each group of tests that has a cluster to itself (tests/e2e/conftest.py).
WORKERS_e2e := -n 4
PRIORITY_unit := nice -n 5
TYPES_CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/whisper-operator/types
BESIDE := integration-beside unit-beside e2e-beside

##@ Start here
.PHONY: help demo test test-slow
help: ## What can be done here
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} /^[a-zA-Z0-9_-]+:.*## / {printf "  \033[36m%-18s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup ## From kubectl apply to a transcript on a real Kubernetes (root; CLUSTER=current for your own)
	@$(BIN)/python -m tests.demo

test: setup ## Every check, and every layer of tests but for their slow ones (root)
	@$(MAKE) --no-print-directory style
	@$(MAKE) --no-print-directory -j 4 types $(BESIDE) ONLY="not slow"

test-slow: setup ## Those that make test leaves out; CI runs both (root)
	@$(MAKE) --no-print-directory -j 3 $(BESIDE) ONLY=slow

##@ Setting up
.PHONY: setup requirements clean
setup: $(STAMP) ## Make .venv with every extra and the developers' tools

$(STAMP): pyproject.toml requirements/dev.txt
	@echo "setup: making .venv from requirements/dev.txt (about a minute on an empty cache)" >&2
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep '^uv==' requirements/dev.txt)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

requirements: setup ## Pin anew what pyproject.toml allows (no index addresses are written)
	@compile() { $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate pyproject.toml "$$@"; }; \
	compile --extra operator --extra loader --extra server --extra client --extra dev -o requirements/dev.txt; \
	compile --extra operator -c requirements/dev.txt -o requirements/operator.txt; \
	compile --extra loader -c requirements/dev.txt -o requirements/loader.txt; \
	compile --extra server -c requirements/dev.txt -o requirements/server.txt; \
	compile --extra server --extra cuda -c requirements/dev.txt -o requirements/server-cuda.txt

clean: cluster-down ## Remove the environment and what was built here (the machine's cache stays)
	@rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

##@ Checking
.PHONY: check style types format unit integration e2e layers
check: style types ## Style, types, layers

style: setup
	@$(BIN)/ruff format --check --quiet --no-cache . || { echo "check: run make format"; exit 1; }
	@$(BIN)/ruff check --quiet --no-cache .
	@layers=$$($(BIN)/lint-imports --no-cache --no-logo 2>&1) || { echo "$$layers"; exit 1; }
	@$(BIN)/python -m tests.support.site >/dev/null

# What mypy has found out about libraries and files holds for every checkout: it compares contents. Handed on whole, since it
# may be used by one process only.
types: setup
	@test -d .mypy_cache || cp -r $(TYPES_CACHE) .mypy_cache 2>/dev/null || true
	@$(BIN)/mypy
	@mkdir -p $(dir $(TYPES_CACHE)) && new=$$(mktemp -d $(TYPES_CACHE).XXXXXX) && cp -r .mypy_cache/. $$new && \
	{ rm -rf $(TYPES_CACHE) && mv -T $$new $(TYPES_CACHE) || rm -rf $$new; } 2>/dev/null

format: setup ## Bring the code into the project's style
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix --quiet .

unit: setup ## Pure code, the small model, loopback servers
integration: setup ## The operator against a real API server and controller manager
e2e: setup ## The whole way on a real kubelet (root)
unit integration e2e:
	@$(BIN)/python -m pytest tests/$@ $(WORKERS_$@)

# The tests on clusters, and with an API server, mostly wait; those of pure code compute meanwhile, and give way.
layers: setup ## All three layers, those of pure code beside the others (root)
	@$(MAKE) --no-print-directory -j 3 $(BESIDE)

# sed lets go of whole lines only, so that they do not write into each other's; Ctrl-C is for the tests, to clean up.
BY_LINE := (trap "" INT; sed -u "")
.PHONY: $(BESIDE)
$(BESIDE): %-beside: setup
	@$(PRIORITY_$*) $(BIN)/python -m pytest tests/$* $(WORKERS_$*) $(if $(ONLY),-m "$(ONLY)") | $(BY_LINE)

# Only once those with an API server have passed: what computes beside too many others takes nearly twice the time.
e2e-beside: integration-beside images-beside

.PHONY: images-beside
images-beside: setup
	@$(BIN)/python -m tests.cluster.images >/dev/null

# Outside make test: it takes as long as one likes, and tells more the longer it takes.
.PHONY: soak
soak: setup ## Load a server with all kinds of calls and watch its memory (MINUTES=10, CALLS=100000)
	@$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),10) --calls $(or $(CALLS),100000)

##@ Building
.PHONY: docs images manifests proto demo-picture dashboard-pictures release
docs: setup ## Build the pages' site, and print where it is
	@$(BIN)/python -m tests.support.site

images: setup ## Build the three images without a container engine, and print where their archives are (root)
	@$(BIN)/python -m tests.cluster.images

manifests: setup ## Copy the resource into the charts, and write the golden files and the generated docs anew
	@$(BIN)/python -m tests.support.local_schema
	@$(BIN)/python -m tests.support.chart_values
	@$(BIN)/python -m tests.support.chart_readme
	@$(BIN)/python -m tests.support.chart
	@$(BIN)/python -m tests.support.objects
	@$(BIN)/python -m tests.support.settings_table
	@$(BIN)/python -m tests.support.reference

proto: setup ## Write the stubs of our own protocol anew
	@$(BIN)/python -m tests.support.stubs

demo-picture: setup ## Draw the README's picture of the demo anew, from a run of it (root)
	@$(BIN)/python -m tests.demo | tee /dev/stderr | $(BIN)/python -m tests.demo.picture

dashboard-pictures: setup ## Draw the pictures of the dashboards anew, of what a real Prometheus reads (MINUTES=4; root)
	@$(BIN)/python -m tests.dashboards --minutes $(or $(MINUTES),4)

release: setup ## Write version NEXT=1.2.3 wherever it stands, and its section of the changelog; docs/releasing.md
	@$(BIN)/python -m tests.support.release prepare "$(NEXT)"
	@$(MAKE) --no-print-directory manifests
	@$(BIN)/python -m tests.support.buf

##@ A cluster to play with
.PHONY: cluster-up cluster-down kubeconfig
cluster-up: setup ## Start the embedded cluster (NODES=2 for two nodes; root)
	@$(BIN)/python -m tests.cluster up --nodes $(or $(NODES),1)

cluster-down: ## Stop it and leave nothing behind
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m tests.cluster down; fi

kubeconfig: setup ## Print the path of its kubeconfig, for export KUBECONFIG=$$(make -s kubeconfig)
	@$(BIN)/python -m tests.cluster kubeconfig
