# The same verbs on a desk and in CI. `make help` lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Everything that is built or downloaded lives outside the clone.
export VAULTBIND_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/vaultbind
export CARGO_TARGET_DIR ?= $(VAULTBIND_CACHE)/target

CARGO_DENY_VERSION := 0.20.2
CARGO_DENY_ROOT := $(VAULTBIND_CACHE)/tools/cargo-deny-$(CARGO_DENY_VERSION)
CARGO_DENY := $(CARGO_DENY_ROOT)/bin/cargo-deny

.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# Set to anything but 0 or nothing.
on = $(filter-out 0,$(1))

.PHONY: run
run: ## Show a mount from end to end, without cloud or cluster; KEEP=1 keeps it up, SHOW=1 shows values
	cargo build --workspace --bins --locked
	$(strip $(CARGO_TARGET_DIR)/debug/vaultbind-demo $(if $(call on,$(KEEP)),--keep) \
	  $(if $(call on,$(SHOW)),--show))

# Where the plugin for kubectl goes: a folder of PATH.
BIN ?= $(HOME)/.local/bin
PLUGIN = $(CARGO_TARGET_DIR)/$(if $(filter dev,$(PROFILE)),debug,$(or $(PROFILE),release))/kubectl-vaultbind

.PHONY: plugin
plugin: ## Build kubectl vaultbind and put it into BIN (~/.local/bin), with its completion; PROFILE=dev is faster
	cargo build --locked --profile $(or $(PROFILE),release) -p vaultbind-kubectl
	install -D -t "$(BIN)" $(PLUGIN)
	$(PLUGIN) completion kubectl >"$(BIN)/kubectl_complete-vaultbind"
	chmod 755 "$(BIN)/kubectl_complete-vaultbind"

.PHONY: test
test: ## Run all tests, with judges that are not ours, and sum them up in the last line
	@judges=$$(e2e/judges/prepare | tee >(cat >&2) | tail -n 1); \
	export VAULTBIND_JUDGES="$$judges"; \
	cargo build --workspace --bins --locked; \
	e2e/summary cargo test --workspace --locked --no-fail-fast

.PHONY: bed
bed: ## Start a Kubernetes cluster with the real CSI driver; it stays until make bed-down
	e2e/bed/bed up --name desk --owner none

.PHONY: bed-down
bed-down: ## Remove the cluster of make bed
	e2e/bed/bed down --name desk

.PHONY: e2e
e2e: ## Run the scenarios on a real cluster, as root; SCENARIO=part of a name runs fewer
	e2e/summary e2e/cluster/run $(SCENARIO)

.PHONY: test-api
test-api: ## Check resources and operator on a real API server (KUBEBUILDER_ASSETS, or built); KILLS=30 kills more leaders
	[[ -n "$${KUBEBUILDER_ASSETS:-}" ]] || e2e/bed/provision >/dev/null
	cargo build --locked -p vaultbind-operator -p vaultbind-kubectl
	e2e/summary cargo test --locked --no-fail-fast -p vaultbind-apiserver -p vaultbind-operator \
	  --test crds --test chart --test operator --test policies --test cluster

.PHONY: bench
bench: ## Measure the provider; SHORT=1 takes a minute, PEER=go or a path adds a column, ONLY=a line's name
	e2e/bench/run bench

.PHONY: bench-operator
bench-operator: ## Measure the operator with BINDINGS (2000) on a real API server; SHORT=1 takes two minutes
	e2e/bench/run operator

.PHONY: soak
soak: ## Run the provider for MINUTES (30) with rotation and faults, and check every byte
	e2e/bench/run soak

.PHONY: lint
lint: $(CARGO_DENY) ## Check format, lints, licences and sources of dependencies, definitions, scripts and links
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo test --locked --quiet -p vaultbind-crds --lib definition::
	$(CARGO_DENY) --locked check --hide-inclusion-graph licenses bans sources
	.ci/check-files

.PHONY: image
image: ## Build static programs and their images into $CARGO_TARGET_DIR/images; PROFILE=image-test is faster
	archives=$$(images/build $(or $(PROFILE),release)); images/check $$archives; printf '%s\n' "$$archives"

.PHONY: chart
chart: ## Check the Helm chart: lint, schema, what it renders, README; UPDATE_SNAPSHOTS=1 accepts what is rendered
	cargo build --locked -p vaultbind-provider -p vaultbind-operator
	PROVIDER=$(CARGO_TARGET_DIR)/debug/vaultbind-provider OPERATOR=$(CARGO_TARGET_DIR)/debug/vaultbind-operator \
	  charts/check

.PHONY: advisories
advisories: $(CARGO_DENY) ## Check dependencies against the RustSec advisories (downloads them)
	$(CARGO_DENY) --locked check advisories

.PHONY: fmt
fmt: ## Format Rust and Go
	cargo fmt --all
	gofmt -w e2e/judges e2e/bed

.PHONY: docs
docs: ## Write the generated pages and tables of docs/ and of the chart anew
	UPDATE_DOCS=1 cargo test --workspace --locked --quiet --lib docs::
	UPDATE_DOCS=1 cargo test --workspace --locked --quiet --test it bad_input
	charts/readme >charts/vaultbind/README.md.new && mv charts/vaultbind/README.md.new charts/vaultbind/README.md

.PHONY: crds
crds: ## Write the definitions of the custom resources anew, in crds/ and in the chart
	UPDATE_CRDS=1 cargo test --locked --quiet -p vaultbind-crds --lib definition::

.PHONY: clean-cache
clean-cache: ## Remove everything that was built or downloaded
	rm -rf -- "$(VAULTBIND_CACHE)"

# A debug build: it is made once and runs for seconds.
$(CARGO_DENY):
	CARGO_PROFILE_DEV_DEBUG=0 CARGO_TARGET_DIR="$(CARGO_DENY_ROOT)/target" \
		cargo install --locked --debug --root "$(CARGO_DENY_ROOT)" cargo-deny --version $(CARGO_DENY_VERSION)
	rm -rf -- "$(CARGO_DENY_ROOT)/target"
