# Everything a developer or a buyer runs. Needs Python 3.11+ and Node 20+ (from 20.19, or from 22.12); nothing else is installed system-wide.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# where it is set, as images of containers often do, every process would compile every package it imports again
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
PORT ?=
ONLY ?=
SEED ?=
N ?=
STATE := $(or $(AICP_STATE_DIR),.aicp)
VENV := .venv/bin
SUITES := check unit contracts forge x402 integration sim e2e

# runs a command and prints how long the target took, whatever the outcome
define timed
started=$$SECONDS; code=0; { $(1); } || code=$$?; echo "make $@: $$((SECONDS - started)) s"; exit $$code
endef

# removes the folder of `make up`; another one, or one that holds this checkout or the home folder, is left alone
define forget_state
[ -d '$(STATE)' ] || exit 0; \
state=$$(cd -- '$(STATE)' && pwd -P); here=$$(pwd -P); home=$$(cd -- "$${HOME:-/}" && pwd -P); \
for kept in "$$here" "$$home"; do case "$$kept/" in "$${state%/}"/*) state=;; esac; done; \
[ -n "$$state" ] && { [ "$$state" = "$$here/.aicp" ] || [ -f "$$state/run/lock" ]; } || \
  { echo "$(STATE) is no folder of \`make up\`, so nothing in it is removed." >&2; exit 1; }; \
rm -rf -- "$$state"
endef

PROOFS := bytecode slither halmos invariants model mutants
MODELS := tests/contracts/test_model_escrow.py tests/contracts/test_model_channel.py

.PHONY: help openapi up down status test $(SUITES) $(PROOFS) sim-long guards fuzz ring gas bench audit lock format clean packages dev-packages

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: packages ## start everything and open http://localhost:8000 (PORT=8001 for another port)
	@exec $(VENV)/aicp up $(if $(PORT),--port '$(PORT)')

down: ## stop everything
	@$(VENV)/aicp down

status: ## show what runs
	@$(VENV)/aicp status || [ $$? = 3 ]  # 3: nothing runs

test: dev-packages ## everything CI runs, with a table of times against budgets
	@$(call timed,$(VENV)/python -m scripts.suites)

check: dev-packages ## formatting, lint, types, import order, generated files
	@$(call timed,$(VENV)/python -m scripts.suites check)

unit: dev-packages ## unit tests of Python and of the pages
	@$(call timed,$(VENV)/python -m scripts.suites unit)

contracts: dev-packages ## contract tests (Ape on anvil)
	@$(call timed,$(VENV)/python -m scripts.suites contracts)

forge: dev-packages ## fuzz tests of the contracts
	@$(call timed,$(VENV)/python -m scripts.suites forge)

sim: dev-packages ## random stories of the indexer, SEED=7 for one of them, N=100 for so many, else the suite of make test
	@$(call timed,$(if $(SEED)$(N),$(VENV)/python tests/sim $(if $(SEED),--seed '$(SEED)') $(if $(N),--count '$(N)'),$(VENV)/python -m scripts.suites sim))

sim-long: dev-packages ## 1,000 stories of the indexer and 1,000 of money in this process's node, 50 of each on anvil
	@$(call timed,(one=0; $(VENV)/python tests/sim --count 1000 || one=1; $(VENV)/python tests/sim --anvil --count 50 || one=1; $(VENV)/python tests/sim/money --count 1000 || one=1; $(VENV)/python tests/sim/money --anvil --count 50 && exit $$one))

guards: dev-packages ## take each guard away and see its story fail; the longest stories
	@$(call timed,$(VENV)/python -m pytest -q -n 2 -p no:ape_test -m "removal or long" tests/sim tests/integration tests/unit/rules tests/unit/bench)

fuzz: dev-packages ## ask every operation of the API as everybody, N=20 valid and N broken requests of each, print a table
	@$(call timed,AICP_FUZZ='$(or $(N),20)' $(VENV)/python -m pytest -q -s -p no:ape_test tests/integration/api/test_roles.py)

ring: dev-packages ## what 100 USDC of fees do for a ring's score, and how soon a specialty's score finds the truth
	@$(call timed,$(VENV)/python -m pytest -q -s -p no:ape_test -m long tests/unit/rules/test_witnesses.py tests/unit/rules/test_convergence.py)

x402: dev-packages ## the official x402 packages of Python and TypeScript against our payment channel
	@$(call timed,$(VENV)/python -m scripts.suites x402)

integration: dev-packages ## tests on a real PostgreSQL, Redis and chain
	@$(call timed,$(VENV)/python -m scripts.suites money worker services journeys)

e2e: dev-packages ## the journeys in a real browser (needs Chromium)
	@$(call timed,$(VENV)/python -m scripts.suites e2e)

bytecode: dev-packages ## forge compiles the committed bytecode (make contracts shows the same of Ape)
	@$(call timed,rm -rf out cache && node_modules/.bin/forge build contracts && $(VENV)/python -m scripts.prove.bytecode)

slither: dev-packages ## static analysis of the contracts (findings: docs/security/slither.md)
	@$(call timed,$(PYTHON) scripts/bootstrap slither && $(VENV)/python -m scripts.prove.slither)

halmos: dev-packages ## symbolic tests of the contracts
	@$(call timed,$(PYTHON) scripts/bootstrap halmos && $(VENV)/python -m scripts.prove.halmos)

invariants: dev-packages ## the invariant tests, 500 runs of 100 calls each, ONLY=Escrow for one contract (make forge does a short round)
	@$(call timed,FOUNDRY_PROFILE=invariants node_modules/.bin/forge test --match-path 'tests/forge/$(or $(ONLY),*)Invariants.t.sol')

gas: dev-packages ## measure every operation, write snapshots/gas.json, print it beside the targets
	@$(call timed,$(VENV)/python -m scripts.gas)

model: dev-packages ## the contracts against their models in Python, new sequences each time (make contracts does a short round)
	@$(call timed,PATH=$(CURDIR)/node_modules/.bin:$$PATH SOLCX_BINARY_PATH=$(CURDIR)/scripts/solc AICP_MODEL=long $(VENV)/ape test $(MODELS) -q -s --network ethereum:local:foundry -W ignore::pytest.PytestAssertRewriteWarning)

mutants: dev-packages ## mutation tests of the contracts, about an hour (report: docs/security/mutation.md)
	@$(call timed,nice -n 10 $(VENV)/python -m scripts.prove.mutants)

bench: dev-packages ## measure beside others on this machine, write .aicp/bench.json (PARTS="latency sizes", about half an hour for all)
	@$(call timed,$(VENV)/python -m scripts.bench $(PARTS))

audit: packages ## compare the running stack's mirror and receipts with the chain
	@[ -f $(STATE)/env ] || { echo "AICP is not running, so there is nothing to audit; start it with \`make up\`." >&2; exit 1; }
	@$(call timed,set -a; source $(STATE)/env && $(VENV)/aicp audit --db "$$AICP_DATABASE_URL")

format: dev-packages ## write the formatting `make check` wants
	@$(call timed,$(VENV)/ruff check --fix --quiet . && $(VENV)/ruff format --quiet . && node_modules/.bin/forge fmt && node_modules/.bin/biome check --write frontend)

openapi: dev-packages ## write the API description and the types the pages read from it
	@$(call timed,$(VENV)/python -m backend.api.openapi && npm run --silent gen:api -w frontend)

lock: packages ## resolve the lock files again from pyproject.toml and package.json
	@$(call timed,\
	  UV_CUSTOM_COMPILE_COMMAND="make lock" .venv/uv/bin/uv pip compile --quiet requirements/bootstrap.in --generate-hashes --no-emit-index-url -o requirements/bootstrap.lock && \
	  UV_CUSTOM_COMPILE_COMMAND="make lock" .venv/uv/bin/uv pip compile --quiet pyproject.toml --universal --generate-hashes --no-emit-index-url -o requirements/run.lock && \
	  UV_CUSTOM_COMPILE_COMMAND="make lock" .venv/uv/bin/uv pip compile --quiet pyproject.toml --extra dev --universal --constraint requirements/run.lock --generate-hashes --no-emit-index-url -o requirements/dev.lock && \
	  for tool in slither halmos; do UV_CUSTOM_COMPILE_COMMAND="make lock" .venv/uv/bin/uv pip compile --quiet requirements/$$tool.in --universal --generate-hashes --no-emit-index-url -o requirements/$$tool.lock; done && \
	  npm install --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund --loglevel=error)

clean: ## forget chain, database, files and logs of `make up`
	@if [ -x $(VENV)/python ]; then $(VENV)/python -m scripts.devnet down; fi
	@$(call forget_state)
	@rm -rf test-results

packages:
	@$(PYTHON) scripts/bootstrap run

dev-packages:
	@$(PYTHON) scripts/bootstrap dev
