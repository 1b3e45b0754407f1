# What is done often. `make help` lists it.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
LDFLAGS := -s -w -X main.version=$(VERSION)

TESTTIMEOUT ?= 25m
FUZZTIME    ?= 60s
IMAGE       ?= registryd:dev

.PHONY: help
help: ## List the targets
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target what; do printf '  %-13s %s\n' "$$target" "$$what"; done

.PHONY: run
run: build ## Build and serve on 127.0.0.1:5000, with data in ./registry-data (more: make run ARGS="--addr :5000")
	./bin/registryd serve $(ARGS)

.PHONY: build
build: ## Build bin/registryd, one static file
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/registryd ./cmd/registryd

.PHONY: test
test: ## Run all tests with the race detector, on real stores too (needs a C compiler; builds the stores the first time)
	CGO_ENABLED=1 $(GO) test -race -timeout $(TESTTIMEOUT) -tags stores ./test/integration $$($(GO) list -tags stores ./... | grep -vE '/test/(consistency|events|integration)$$') # the longest first
	CGO_ENABLED=1 $(GO) test -race -timeout $(TESTTIMEOUT) -tags stores -p 1 ./test/consistency ./test/events # these measure how long clients wait

.PHONY: test-quick
test-quick: ## Run the tests that need no other program, with the race detector
	CGO_ENABLED=1 $(GO) test -race -timeout $(TESTTIMEOUT) ./...

.PHONY: tools
tools: ## Build what tests run against (MinIO, versitygw, CNCF Distribution) into a cache folder; minutes, once
	$(GO) run ./test/tools

.PHONY: lint
lint: ## Check formatting, vet, staticcheck, the modules, and known vulnerabilities if their database can be had
	@unformatted="$$(gofmt -l .)"; \
	if [ -n "$$unformatted" ]; then echo "These files are not formatted; run gofmt -w on them:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet -tags stores,memory ./...
	$(GO) tool staticcheck -tags stores,memory ./...
	$(GO) mod tidy -diff
	$(GO) mod verify
	@status=0; out="$$($(GO) tool govulncheck ./... 2>&1)" || status=$$?; \
	if [ $$status -eq 0 ]; then echo "govulncheck: no known vulnerability is reached"; \
	elif grep -q 'fetching vulnerabilities' <<<"$$out"; then echo "govulncheck was left out: the vulnerability database is out of reach from here."; \
	else echo "$$out"; exit $$status; fi

.PHONY: vuln
vuln: ## Look for known vulnerabilities in what is reached (needs the database of vulnerabilities)
	$(GO) tool govulncheck ./...

.PHONY: fuzz
fuzz: ## Run each fuzz target for a while (FUZZTIME=60s)
	@grep -roE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sed -E 's|^(.*)/[^/]+:func (Fuzz.*)|\1 \2|' | sort -u | while read -r dir target; do \
		echo "$$target in $$dir"; \
		$(GO) test "$$dir" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x </dev/null; \
	done

.PHONY: test-memory
test-memory: ## Weigh a registryd while blobs of up to 2 GiB go through it (a minute, and 5 GB of disk)
	$(GO) vet -tags memory ./test/memory
	$(GO) test -tags memory -count 1 -timeout 20m -v ./test/memory

.PHONY: bench
bench: ## Time pushes onto MinIO beside a bare PutObject and CNCF Distribution (more: make bench ARGS="-rounds 15")
	$(GO) run ./bench -limit 1.4 $(ARGS)

.PHONY: test-clients
test-clients: build tools ## Push and pull with docker, podman, skopeo, crane, regctl and helm; with skopeo and cosign through two nodes
	./test/clients/install.sh
	REGISTRYD=$(CURDIR)/bin/registryd ./test/clients/run.sh
	NODES=2 REGISTRYD=$(CURDIR)/bin/registryd ./test/clients/run.sh skopeo cosign

.PHONY: image
image: ## Build the container image, IMAGE=registryd:dev, for this machine (needs docker compose)
	REGISTRYD_IMAGE=$(IMAGE) REGISTRYD_VERSION=$(VERSION) docker compose -f deploy/docker-compose.yml build registryd-1

.PHONY: image-push
image-push: ## Build the image for amd64 and arm64 and push it, IMAGE=registry.example.com/registryd:0.1.0 (needs docker buildx)
	@[[ "$(IMAGE)" == */* ]] || { echo "Say where to push it: make image-push IMAGE=registry.example.com/registryd:0.1.0"; exit 1; }
	docker buildx build --platform linux/amd64,linux/arm64 --build-arg VERSION=$(VERSION) -f deploy/Dockerfile -t $(IMAGE) --push .

.PHONY: e2e-compose
e2e-compose: ## Try the cluster of deploy/docker-compose.yml, with docker, podman and crane (some minutes)
	./test/e2e/compose.sh

.PHONY: e2e-k8s
e2e-k8s: ## Try deploy/k8s on a real Kubernetes of three nodes on this machine (as root; builds it the first time)
	./test/e2e/k8s.sh

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin
