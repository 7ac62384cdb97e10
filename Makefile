# Two commands for a machine with git, make and Python 3.11: `make reproduce` and `make test`.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Images often set it; each stage would then compile our modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help reproduce demo extras test unit engines campaign campaign-sample lint types style ui docs house clean
help:
	@echo "make demo        environment, a generated video, and what the shipped networks see in it"
	@echo "make reproduce   environment, all results of the default edition, the submission file"
	@echo "make test        every test (make unit: the quick ones), make lint: the guards"
	@echo "make engines     tests that start SLURM, an SSH server, PostgreSQL and S3 on this machine"
	@echo "make campaign    accidents and hostile files, an hour (make campaign-sample: five minutes)"
	@echo "make extras      packages of optional backends (the tests use them)"
	@echo "make docs        the documentation as a site, into site/"
	@echo "make house       figures of the code's order: rooms, circles, docstrings, comments"
	@echo "make ui          the runs in MLflow, on loopback"

reproduce: $(VENV)/.installed
	@[ -e .git ] || git rev-parse --git-dir > /dev/null 2>&1 || { \
	  echo "no Git repository: DVC runs without one (.dvc/config.local); for versions of results, say git init"; \
	  dvc config --local core.no_scm true; }
	mgbench run -j 2
	mgbench sync
	mgbench results
	@echo "now: source $(VENV)/bin/activate, then 'mgbench' lists what there is"

# Nothing is trained: the networks of the zoo ship with the package.
demo: $(VENV)/.installed
	python -m benchmark.synthetic.demo --out demo
	mgbench predict demo/talk.mp4 --with zoo --skeleton demo/talk.npy --window 1.5 --threshold 0.4 --out demo/seen
	@echo "look at demo/seen/annotated.mp4 and demo/seen/timeline.png; demo/talk.csv says what is done when"

extras: $(VENV)/.extras

test: lint
	pytest -m "not engines" -n 2 --dist loadfile --no-loadscope-reorder

# Skips, and says so, what is not installed: slurmctld slurmd munge openssh-server postgresql.
engines: $(VENV)/.extras
	pytest -m engines

unit: $(VENV)/.extras
	pytest -m "not slow and not engines" -n 2 --dist loadfile

# Not a part of `make test`: docs/reliability.md says what they try.
campaign: $(VENV)/.extras
	python -m tests.campaign --minutes 55

campaign-sample: $(VENV)/.extras
	python -m tests.campaign --minutes 5

# The types take a minute on one core.
lint: $(VENV)/.extras
	@$(MAKE) --no-print-directory --output-sync=target -j 2 types style

types:
	basedpyright

style:
	ruff check .
	ruff format --check .
	lint-imports
	codespell

docs: $(VENV)/.extras
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet

ui: $(VENV)/.installed
	mgbench ui

clean:
	rm -rf $(VENV) mlflow.db .ckpt

# pip compiles on one core: all cores do it afterwards. A few packages hold files that no Python compiles.
$(VENV)/.installed: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "no $(PYTHON): install Python 3.11, or say make PYTHON=<your 3.11>"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile -r requirements.lock
	$(BIN)/python -m compileall -q -j 0 $(VENV)/lib > /dev/null || true
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

$(VENV)/.extras: requirements-extras.lock $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-extras.lock
	touch $@

# The figures of the code's order: rooms, circles, docstrings, comments.
house: $(VENV)/.extras
	python tests/house.py
