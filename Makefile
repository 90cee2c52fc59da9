# Two commands: `make run` and `make test`. Both set everything up first; what is done is not done again.

ifndef PYTHON
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; \
	done)
endif
ifeq ($(PYTHON),)
PYTHON := python3
endif
BIN := .venv/bin

.PHONY: run setup test lint lock clean

run: setup
	@exec $(BIN)/frontdesk run $(ARGS)

setup:
	@command -v $(PYTHON) >/dev/null || { \
	echo "There is no $(PYTHON). Install it: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) deploy/setup.py

test: setup
	@$(BIN)/python deploy/system_packages.py
	@$(MAKE) --no-print-directory lint
	$(BIN)/python -m pytest --durations=15 -m "$$(cat .venv/test-groups)" $(ARGS)

lint: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# Newest versions that fit; for every platform, with the hash of every file.
lock: setup
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --quiet \
	--upgrade --output-file requirements.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
