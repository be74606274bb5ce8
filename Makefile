# faultline: what can be made here. Every target may be repeated.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

GOLANGCI_VERSION := v2.15.0
GOLANGCI := bin/golangci-lint-$(GOLANGCI_VERSION)
CONTROLPLANE := meshtest/controlplane

PKG ?= ./...
TESTFLAGS ?=
N ?= 2000
FUZZTIME ?= 60s
BENCHFLAGS ?= -benchmem
# The race detector needs a C compiler; without one the tests run and say so.
RACE = $(shell command -v "$$(go env CC)" >/dev/null && echo -race)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

## ---- build ----

.PHONY: build
build: ## bin/faultline, and bin/shop for the demo
	go build -ldflags "-X main.version=$$(git describe --tags --always --dirty 2>/dev/null || echo dev)" -o bin/faultline ./cmd/faultline
	go build -o bin/shop ./examples/shop

.PHONY: assets controlplane envoy
assets:
	go run ./cmd/faultline mesh assets
controlplane: assets ## the local mesh's control plane, built into the cache (6 minutes the first time)
envoy: assets ## the local mesh's Envoy, downloaded into the same cache

## ---- show and check ----

.PHONY: demo
demo: build assets ## run the shop's experiments on a mesh of this machine
	examples/shop/demo.sh

.PHONY: test
test: assets checkcontrolplane ## every test of the module, on real local meshes too
	go vet $(PKG)
	@mkdir -p build
	@$(if $(RACE),:,echo "no C compiler found: testing WITHOUT the race detector")
	go test -v $(RACE) -p 1 -shuffle=on -timeout 40m $(TESTFLAGS) $(PKG) | tee build/test.log | awk "$$SUMMARY"

.PHONY: checkcontrolplane
checkcontrolplane:
	cd $(CONTROLPLANE) && go mod verify

.PHONY: corpus
corpus: assets ## faults in and out of every VirtualService of Istio's samples and tests; prints the counts
	go test -count=1 -v -run '^TestCorpus$$' ./internal/corpus

.PHONY: bench
bench: ## every benchmark
	@packages=$$(grep -rlE --include='*_test.go' '^func Benchmark' . | xargs -r -n1 dirname | sort -u); \
	if [[ -z $$packages ]]; then echo "there are no benchmarks"; exit; fi; \
	go test -run '^$$' -bench . $(BENCHFLAGS) $$packages

.PHONY: crash
crash: assets ## kill N processes (2000) in inject, hold and revert, and look what is left
	go test -count=1 -timeout 2h -run '^TestCrash$$' -v ./internal/crash -args -crash.n $(N)

.PHONY: sabotage
sabotage: assets ## experiments made worthless in every way: none may be Held; prints each with its verdict and reason
	go test -count=1 -v -timeout 15m -run '^TestSabotage$$' ./internal/sabotage

.PHONY: soak
soak: N = 200
soak: assets ## the ejection experiment N times (200), in turns with and without ejection: no false verdict
	go test -count=1 -v -timeout 2h -run '^TestSoak$$' ./internal/soak -args -soak.n $(N) -soak.log $(CURDIR)/build/soak.log

.PHONY: fuzz
fuzz: ## every fuzz target, each for FUZZTIME (60s)
	@grep -roE --include='*_test.go' '^func Fuzz[[:alnum:]]+' . | while IFS=: read -r file target; do \
		echo "$$(dirname "$$file") $${target#func }"; \
		go test -run '^$$' -fuzz "^$${target#func }$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x "$$(dirname "$$file")" </dev/null; \
	done

.PHONY: lint
lint: $(GOLANGCI) ## the linters of .golangci.yml, formatting, go.mod
	$(GOLANGCI) run ./...
	@unformatted=$$(gofmt -l $(CONTROLPLANE)); \
	if [[ -n $$unformatted ]]; then echo "gofmt -w $$unformatted"; exit 1; fi
	go mod tidy -diff

.PHONY: verify
verify: test lint ## all that CI runs

## ---- keep in order ----

.PHONY: fmt
fmt: $(GOLANGCI) ## format the Go files
	$(GOLANGCI) fmt
	gofmt -w $(CONTROLPLANE)

.PHONY: tidy
tidy: ## tidy both go.mod files; fails if one was not tidy
	@untidy=; for module in . $(CONTROLPLANE); do \
		(cd $$module && go mod tidy -diff) || { untidy+=" $$module/go.mod"; (cd $$module && go mod tidy); }; \
	done; \
	if [[ -n $$untidy ]]; then echo "was not tidy, and is now:$$untidy"; exit 1; fi

.PHONY: clean
clean: ## remove bin/ and build/; the cache of the local mesh stays
	rm -rf bin build

$(GOLANGCI):
	GOBIN="$(CURDIR)/bin" go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv bin/golangci-lint $@

# SUMMARY shortens `go test -v`: one line for a package that passed, all it
# printed for one that failed, then the skipped and the failed tests and totals.
define SUMMARY
function finish(  i) {
	for (i = 1; i <= skips; i++) print skipped[i]
	for (i = 1; i <= fails; i++) print failed[i]
	printf "%d packages ok, %d failed, %d without tests; %d tests passed, %d failed, %d skipped\n", ok, bad, empty, passes, fails, skips
}
/^ok  \t/   { ok++; print; output = ""; next }
/^\?   \t/  { empty++; output = ""; next }
/^FAIL\t/   { bad++; printf "%s%s\n", output, $$0; output = ""; next }
/^--- PASS/ { passes++ }
/^--- FAIL/ { failed[++fails] = $$0 }
/^--- SKIP/ { skipped[++skips] = $$0 ":" before }
{ before = $$0; sub(/^ +[^ ]+:[0-9]+:/, "", before); output = output $$0 "\n" }
END { printf "%s", output; finish() }
endef
export SUMMARY
