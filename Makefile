# Two commands on a fresh machine with Python 3.11+, git and make: make matrix, make test.

PYTHON ?= python3
PY := .venv/bin/python
# pip brings uv, and uv the rest, in a tenth of the time; where pip is told to use another index, so is uv
PIP := $(PY) -m pip --disable-pip-version-check
INSTALL = index=$$($(PIP) config list | sed -n "s/^.*[.]index-url='\(.*\)'$$/\1/p" | head -1); \
  $${index:+env "UV_DEFAULT_INDEX=$$index"} .venv/bin/uv pip install \
  --quiet --system-certs --python $(PY) -c constraints.txt
# what the matrix needs, and what the project's own tests and checks need beside it
INSTALLED := .venv/installed
TOOLS := .venv/tools

# with it, pytest would rewrite the assertions of each module anew in each of a thousand processes
unexport PYTHONDONTWRITEBYTECODE

.PHONY: matrix matrix-full test mutants check check-github format images clean

matrix: $(INSTALLED) ## the main job: every backend on servers that wheels or this machine bring; ASK=EXPR for a part
	@$(PY) -m pytest scenarios --runtime local --fresh-services -m "not slow$(if $(ASK), and ($(ASK)))"; code=$$?; \
	test ! -e .roundtrip/report.html || echo "report: $(CURDIR)/.roundtrip/report.html"; exit $$code

matrix-full: $(INSTALLED) ## everything, required, in containers where Docker has or can pull them; IMAGES=FILE for stand-ins
	@$(PY) -m pytest scenarios --runtime auto --fresh-services $(if $(ASK),,--require all) -m "not slow$(if $(ASK), and ($(ASK)))" $(if $(IMAGES),--images=$(IMAGES)); code=$$?; \
	test ! -e .roundtrip/report.html || echo "report: $(CURDIR)/.roundtrip/report.html"; exit $$code

images: ## stand-in images for machines without a registry: all, or IMAGE=name
	@images/build $(IMAGE)

test: $(TOOLS) ## the project's own tests
	@$(PY) -m pytest $(or $(TESTS),tests) -n 3

mutants: $(TOOLS) ## mutation testing of the code that judges: docs/mutation.md
	@$(INSTALL) -e ".[mutation]" && .venv/bin/mutmut run --max-children 2 && .venv/bin/mutmut results && $(PY) tests/mutants_outside.py

check: $(TOOLS) check-github ## format, lint, types, workflows
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy

GITHUB := .github
SCHEMA := $(PY) -m check_jsonschema --builtin-schema

check-github: $(TOOLS) ## workflows and forms, without network; GITHUB=FOLDER/.github for a copy
	@$(SCHEMA) vendor.github-workflows $(GITHUB)/workflows/*.yml
	@$(SCHEMA) custom.github-workflows-require-timeout $(GITHUB)/workflows/*.yml
	@$(SCHEMA) vendor.dependabot $(GITHUB)/dependabot.yml
	@$(SCHEMA) vendor.github-issue-config $(GITHUB)/ISSUE_TEMPLATE/config.yml
	@$(SCHEMA) vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard $(GITHUB)/ISSUE_TEMPLATE/*.yml))
	@.venv/bin/zizmor --offline --quiet --pedantic --strict-collection $(GITHUB)

format: $(TOOLS)
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("celery-roundtrip needs Python 3.11 or newer, $(PYTHON) is %d.%d: make PYTHON=python3.12" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@test -x .venv/bin/uv || $(PIP) install --quiet -c constraints.txt uv
	@$(INSTALL) -e ".[all,docker,embedded]"
	@touch $@

$(TOOLS): $(INSTALLED)
	@$(INSTALL) -e ".[dev]"
	@touch $@

clean: ## everything that make has made
	rm -rf .venv .roundtrip mutants .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
