# Two commands do everything on a fresh machine with Python 3.11 or newer: `make demo`, `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test lint javascript format browser proxy train evaluate bench against clean

help: ## List the commands.
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

demo: $(VENV)/.installed ## Set up and open the web tool (ARGS="--port 8000" passes options).
	$(BIN)/python app.py $(ARGS)

test: $(VENV)/.installed-dev browser proxy lint javascript ## Set up, lint, type-check and run every test.
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: $(VENV)/.installed-dev ## ruff and mypy.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The page needs no node; its checks do. Where node or its packages are missing we say so and go on
# (NONLOCAL_VIZ_REQUIRE_NODE=1 makes that an error). pytest runs the tests of tests/web/js.
javascript: ## eslint and tsc, where there is node.
	@if command -v npm >/dev/null && $(MAKE) --silent node_modules/.installed; \
	then npm run --silent lint && npm run --silent types; \
	else echo "No node with its packages was found: the page's JavaScript is not checked."; \
	     test -z "$$NONLOCAL_VIZ_REQUIRE_NODE"; fi

node_modules/.installed: package-lock.json
	npm ci --silent
	@touch $@

format: $(VENV)/.installed-dev ## Let ruff mend what it can.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The browser tests drive a system Chromium, and a few of them Firefox. Where one is missing and we may
# install it, we do; elsewhere those tests skip and say so (NONLOCAL_VIZ_REQUIRE_BROWSER=1 makes them fail).
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
	|| command -v google-chrome >/dev/null \
	|| { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	     && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } \
	|| echo "No Chromium was found: the browser tests will be skipped."
	@command -v firefox-esr >/dev/null || command -v firefox >/dev/null \
	|| { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	     && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq firefox-esr; } \
	|| echo "No Firefox was found: its tests will be skipped."

# What docs/serve.md says of nginx is tried with it, in the same way (NONLOCAL_VIZ_REQUIRE_NGINX=1).
proxy:
	@command -v nginx >/dev/null || test -x /usr/sbin/nginx \
	|| { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	     && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nginx-light; } \
	|| echo "No nginx was found: its tests will be skipped."

train: $(VENV)/.installed-training ## Train weights: make train IMAGES="folder ..." [ARGS=...].
	$(BIN)/python -m nonlocal_viz train $(IMAGES) $(ARGS)

evaluate: $(VENV)/.installed-training ## Measure the default weights: make evaluate COCO=folder.
	$(BIN)/python -m nonlocal_viz evaluate $(COCO) $(ARGS)

bench: $(VENV)/.installed-dev ## Side by side with the usual dense implementation.
	$(BIN)/python -m benchmarks $(ARGS)

against: $(VENV)/.installed ## This checkout beside another: make against BEFORE=folder.
	$(BIN)/python -m benchmarks.against $(BEFORE) $(ARGS)

clean: ## Remove the environment and every cache.
	rm -rf $(VENV) node_modules build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "Python 3.11 or newer is needed; name it with: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.installed: requirements.txt | $(VENV)/bin/pip
	$(BIN)/pip install --quiet -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.installed
	$(BIN)/pip install --quiet -e '.[dev]'
	@touch $@

$(VENV)/.installed-training: pyproject.toml $(VENV)/.installed
	$(BIN)/pip install --quiet -e '.[training]'
	@touch $@
