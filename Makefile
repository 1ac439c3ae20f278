# The commands of this repository, for developers and for continuous integration. `make demo` and
# `make test` install what they need.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READERS := .venv-readers
# Named after $(VENV): the peers run on the same Python as the server.
PEERS := .venv-peers$(VENV:.venv%=%)
DOCS := .venv-docs
MUTATOR := .venv-mutation$(VENV:.venv%=%)
FUZZER := .venv-fuzz$(VENV:.venv%=%)
# MINUTES: the duration of `make soak` and of the faults of `make chaos`. SEED: the random seed of
# these faults. WORKERS: the processes of `make soak` and `make mutation`.
MINUTES ?= 10
SEED ?= 4711
WORKERS ?= 2
# The number of parallel tests: two per core, as many wait for a disk, a deadline or a program.
JOBS ?= $(shell expr 2 '*' $$(nproc))
# The output folder of `make dist`.
DIST ?= dist
# The tests to run, as arguments of pytest; if empty, all.
TESTS ?=
# Tests flush small files many thousand times, which takes ten times as long on a disk. So their
# files are in memory if it has 6 GiB free (the suite takes 3 GB) and allows programs to be run.
MEMORY = /dev/shm
IN_MEMORY = $(shell [ "$$(df -k --output=avail $(MEMORY) 2> /dev/null | tail -n 1)" -ge 6291456 ] \
  2> /dev/null && ! grep -q ' $(MEMORY) [^ ]* [^ ]*noexec' /proc/mounts && echo $(MEMORY))
PYTEST = $(if $(IN_MEMORY),TMPDIR=$(IN_MEMORY)) $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations 30 $(TESTS)
SHELL := /bin/bash
# Without bytecode each program compiles its imports at each start: half of the time of
# `rollout offer`, and most of the time in which pytest's workers collect the tests.
unexport PYTHONDONTWRITEBYTECODE
# On a terminal pip shows its progress; elsewhere it would print some hundred lines.
PIP = [ -t 1 ] && quiet= || quiet=--quiet; $(BIN)/python -m pip install $$quiet --disable-pip-version-check

.PHONY: demo dist bare programs test test-busy check privacy privacy-cloud privacy-full bench peers format lock env readers interop system provider etebase fixtures reference docs soak grown chaos fuzzer mutation clean

demo: programs
	@$(BIN)/python -m demo

test: env readers interop system provider etebase $(DOCS)/.ready
	$(PYTEST)

# `make demo` and tests on a new, minimal Debian. This machine must be a Debian with Python and with
# mmdebstrap, which `system` installs. BARE=--whole runs all tests there.
bare: system
	python3 -S -m tests.bare $(BARE)

# The tests beside eight busy loops, which end with the shell that started them, however it ends. A
# test that fails only here depends on the machine's speed. The timeout per test is longer.
test-busy: env readers interop system provider etebase $(DOCS)/.ready
	@for _ in {1..8}; do \
	  while kill -0 $$$$ 2> /dev/null; do for ((i = 0; i < 100000; i++)); do :; done; done & \
	done; $(PYTEST) --timeout 7200

# Where codespell searches for the words of docs/retired-words.txt: all files with prose.
WORDED = benchmarks client_sim demo deploy docs fixtures/*.py hening mutation server signer soak tests *.md

check: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/codespell $(WORDED)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/deptry .
	$(BIN)/python -m fixtures.build --check

# A wheel, and a Debian package for the Python of this Debian.
dist: programs
	mkdir -p $(DIST)
	rm -f $(DIST)/hening*
	$(BIN)/python -m hatchling build -t wheel -d $(DIST)
	deploy/debian/build.sh $(BIN)/python $(DIST)

# The lab's verdict, kill matrix and page in var/lab, on polls and on the backup. QA checks the two
# short runs, each a minute or less, for every commit, and `privacy-full`, about ten minutes, before
# each release.
privacy: env
	mkdir -p var/lab
	$(BIN)/hening-device lab run --html var/lab/privacy.html --junit var/lab/privacy.xml

privacy-cloud: env
	mkdir -p var/lab
	$(BIN)/hening-device lab cloud --html var/lab/cloud.html

privacy-full: env
	mkdir -p var/lab
	$(BIN)/hening-device lab cloud --full --html var/lab/cloud.html
	$(BIN)/hening-device lab clock --out var/lab/clock.json
	$(BIN)/hening-device lab run --full --clock var/lab/clock.json \
	  --html var/lab/privacy.html --junit var/lab/privacy.xml --sarif var/lab/privacy.sarif

bench: env peers
	$(BIN)/python -m benchmarks.sign_many
	$(BIN)/python -m benchmarks.ota_inspect
	$(BIN)/python -m benchmarks.publish
	$(BIN)/python -m benchmarks.publish_api
	$(BIN)/python -m benchmarks.export
	$(BIN)/python -m benchmarks.site
	$(BIN)/python -m benchmarks.content_history
	$(BIN)/python -m benchmarks.install
	$(BIN)/python -m benchmarks.device
	$(BIN)/python -m benchmarks.fleet
	$(BIN)/python -m benchmarks.cloud

# The pages of docs/reference that are generated from the programs' help.
reference: env
	$(BIN)/python -m docs.commands

# The documentation as a site in var/site, which can be searched and read offline. A broken link is
# an error.
docs: $(DOCS)/.ready
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/python -m mkdocs build --strict
	@echo "The site is in var/site: python3 -m http.server --directory var/site shows it."

$(DOCS)/.ready: requirements/docs.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

# A long run with faults; exits with status 1 if anything is unexplained. Inputs on which the fuzzer
# fails are stored in fixtures/fuzz.
soak: env fuzzer
	$(BIN)/python -m soak --minutes $(MINUTES) --workers $(WORKERS)
	$(BIN)/python -m soak.halts
	$(BIN)/python -m soak.cloud_names

# A whole site on this machine, in its own network namespaces, until Ctrl-C: three device nodes, two
# control nodes, two publishers, PostgreSQL with a standby, SeaweedFS, nginx. It needs root.
grown: env system
	$(BIN)/python -m soak.grown up

# The same with phones that poll, simulated engineers, and MINUTES of faults; exits with status 1 if
# a rule is violated. The history and the logs are stored in var/chaos.
chaos: env system
	$(BIN)/python -m soak.grown chaos --minutes $(MINUTES) --seed $(SEED)

# The fuzzer has wheels for Linux. If it cannot be installed, `make soak` reports that and fails.
fuzzer: $(FUZZER)/.ready

$(FUZZER)/.ready: requirements/fuzz.txt $(VENV)/.ready
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  --target $(FUZZER) --upgrade -r $< && touch $@

# Mutates the lab's judges and reports the mutants that no test kills. Only judges are mutated that
# changed or whose tests changed; all take an hour. An interrupted run continues where it stopped.
mutation: env $(MUTATOR)/.ready
	nice -n 19 $(BIN)/python -m mutation --packages $(MUTATOR) --workers $(WORKERS)

$(MUTATOR)/.ready: requirements/mutation.txt $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
	  --target $(MUTATOR) --upgrade -r $< && touch $@

format: env
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The programs with their dependencies, including those of the builders of content packs. Modules
# are compiled on first import, because compiling all of them takes longer than the download.
programs: $(VENV)/.programs-ready

$(VENV)/.programs-ready: requirements/content.txt requirements/build.txt pyproject.toml
	@echo "Installing the programs into $(VENV): about 60 packages, 200 MB, a minute or two."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --no-compile --require-hashes -r requirements/content.txt -r requirements/build.txt
	@$(PIP) --no-compile --no-deps --no-build-isolation -e .
	@touch $@

# The same environment with the dependencies of tests and checks.
env: $(VENV)/.ready

$(VENV)/.ready: requirements/dev.txt $(VENV)/.programs-ready
	@echo "Installing what tests and checks need into $(VENV): 500 MB more."
	@$(PIP) --no-compile --require-hashes -r requirements/dev.txt
	@touch $@

# Two independent readers of OTA packages; each has its own environment, because both install a
# module of the same name.
readers: $(READERS)/android-payload-dumper/.ready $(READERS)/payload-dumper/.ready

$(READERS)/%/.ready: requirements/reader-%.txt
	$(PYTHON) -m venv $(READERS)/$*
	$(READERS)/$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

# A third implementation of Ed25519, for tests. It builds only on Python 3.11 and needs a compiler;
# elsewhere it is not installed.
interop: $(VENV)/.interop-ready

$(VENV)/.interop-ready: requirements/interop.txt $(VENV)/.ready
	if $(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 12))' && command -v cc >/dev/null; then \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	    --no-build-isolation -r $< && touch $@ \
	  || echo "ed25519 could not be built, so some tests will not be collected"; fi

# The programs that the benchmarks compare with: Debian packages, and Python servers in their own
# environment. The benchmarks report programs that cannot be installed, and leave them out.
peers: $(PEERS)/.ready
	@bash benchmarks/install-programs.sh

$(PEERS)/.ready: requirements/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $< \
	  && touch $@ || echo "peers in Python could not be installed"

# Programs that some tests run; installed only on Debian, as root. Tests whose program is missing
# are not collected, and the end of the run lists the missing programs.
system:
	@bash tests/install-programs.sh

# A real OpenID provider for tests, if npm and its registry are available; without install scripts.
provider: system tests/oidc/node_modules/.ready

tests/oidc/node_modules/.ready: tests/oidc/package-lock.json | system
	@if command -v npm >/dev/null; then \
	  npm ci --prefix tests/oidc --ignore-scripts --no-audit --no-fund --loglevel=error && touch $@ \
	  || echo "the OpenID provider could not be installed, so some tests will not be collected"; fi

# The Etebase client, with which the cloud is tested, and that client's own tests.
etebase: system tests/etebase/node_modules/.ready

tests/etebase/node_modules/.ready: tests/etebase/package-lock.json | system
	@if command -v npm >/dev/null; then \
	  npm ci --prefix tests/etebase --ignore-scripts --no-audit --no-fund --loglevel=error && touch $@ \
	  || echo "the Etebase client could not be installed, so some tests will not be collected"; fi

lock:
	for group in run content build dev interop peers docs; do \
	  case $$group in run) source=pyproject.toml;; content) source="--extra content pyproject.toml";; \
	    dev) source="--extra content --extra dev --group build pyproject.toml";; \
	    *) source="--group $$group";; esac; \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-header $$source -o requirements/$$group.txt; done

clean:
	rm -rf var $(VENV) $(READERS) $(FUZZER) $(MUTATOR) $(PEERS) $(DOCS) build dist *.egg-info
