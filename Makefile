# Loupe: `make run` starts it, `make test` proves it. All targets: `make help`.
# Everything happens in .venv; nothing is installed outside it.

PYTHON ?= python3
RUNTIME ?= embedded
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
comma := ,

.DEFAULT_GOAL := help
PIPELINE ?=
.PHONY: help run pipeline check check-python check-page check-chart test images test-images page bench screenshots clean

help: ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

run: $(VENV)/.run-$(RUNTIME) ## start the page and the inference server (RUNTIME=embedded or torchserve)
	@exec env PATH="$(CURDIR)/$(BIN):$$PATH" RUNTIME=$(RUNTIME) $(BIN)/honcho start

pipeline: $(VENV)/.pipeline ## the whole pipeline on this machine, on sample photos; `make run` then serves its model
	@$(BIN)/python -m pipelines run train_and_deploy $(PIPELINE)

check: check-python check-chart check-page ## formatting, lint, types, imports, chart; the page's too when Node is there

check-python: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pip check

check-page: ## the page: types, unit tests, and that what is committed is what its sources build
	@if command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)'; then \
	  $(MAKE) --no-print-directory page && cd frontend/web && npm test && cd ../.. && \
	  git diff --exit-code --stat -- frontend/web/dist && \
	  test -z "$$(git status --porcelain -- frontend/web/dist)"; \
	else echo "check-page: skipped, there is no npm with Node 20 or newer"; fi

test: $(VENV)/.dev ## all tests: those of the page by themselves, as they watch what passes; the others side by side
	$(BIN)/python -m pytest -m browser
	$(BIN)/python -m pytest -m "not browser" -n auto --maxprocesses 4 --dist loadfile

check-chart: $(VENV)/.dev ## that the chart's table of values and its schema are what values.yaml says
	$(BIN)/python -m docs.chart_values --check

images: ## the images worker, serving and web, with docker, podman or buildah
	images/build.sh

test-images: ## build the images and run them as the chart does (docker or podman; takes minutes)
	images/test.sh

page: ## build the page into frontend/web/dist (needs Node 20)
	cd frontend/web && npm ci --no-audit --no-fund --loglevel=error && npm run build

bench: $(VENV)/.dev ## speed and memory, as tables; takes some minutes on a quiet machine
	$(BIN)/python -m bench.engine
	$(BIN)/python -m bench.http
	$(BIN)/python -m bench.startup
	$(BIN)/python -m bench.memory
	$(BIN)/python -m bench.loader
	$(BIN)/python -m bench.sampler

screenshots: $(VENV)/.dev ## every state of the page, into build/screenshots
	$(BIN)/python -m tests.frontend.screenshots build/screenshots

clean: ## remove the environment and what was built; keeps results and runs
	rm -rf $(VENV) build frontend/web/node_modules *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else f"Loupe needs Python 3.11 or newer, this is {sys.version.split()[0]}; say which: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run-%: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing what running needs into $(VENV): once, and it takes some minutes"
	$(PIP) -e '.[run$(if $(filter torchserve,$*),$(comma)torchserve)]'
	@touch $@

$(VENV)/.pipeline: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing what pipelines need into $(VENV): once, and it takes some minutes"
	$(PIP) -e '.[pipelines]'
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing what development needs into $(VENV): once, and it takes some minutes"
	$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.run-embedded $(VENV)/.run-torchserve $(VENV)/.pipeline
