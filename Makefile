# make report   build .venv from the hashed lock, then reports/ from data/ and config/
# make test     everything that CI runs
# make env      the environment alone; afterwards `source .venv/bin/activate`, `snakemake` and `pytest` do the same

BIN := .venv/bin
STAMP := .venv/.k2meta-ready
export LC_ALL := C.UTF-8
export TZ := UTC
export PYTHONDONTWRITEBYTECODE :=

.PHONY: env report test test-first test-rest lint lock clean

env: $(STAMP)

$(STAMP): requirements.lock pyproject.toml workflow/environment.sh
	sh workflow/environment.sh
	@touch $@

report: env
	$(BIN)/snakemake

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/common.smk
	$(BIN)/mypy

test: lint
	$(MAKE) --jobs=2 test-first test-rest

# Two groups, one for each core: what is built whole or drawn in hundreds of layouts, and everything else.
FIRST := tests/workflow tests/browser tests/figures

test-first: env
	$(BIN)/pytest $(FIRST)

test-rest: env
	$(BIN)/pytest $(FIRST:%=--ignore=%)

lock: env
	sh workflow/environment.sh lock

clean:
	rm -rf results .snakemake
