# Everything a person or a machine does with this repository. `make demo` and `make test` set up
# what they need themselves.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READERS := .venv-readers
# Beside the environment it belongs to: a peer runs on the same Python as we do.
PEERS := .venv-peers$(VENV:.venv%=%)
DOCS := .venv-docs
MUTATOR := .venv-mutation$(VENV:.venv%=%)
FUZZER := .venv-fuzz$(VENV:.venv%=%)
# How long `make soak` and `make chaos` run, and what the faults of the latter are drawn from.
MINUTES ?= 10
SEED ?= 4711
WORKERS ?= 2
# How many tests run at once: many of them wait, for a disk, a deadline or a program that starts.
JOBS ?= $(shell expr 2 '*' $$(nproc))
# Where `make dist` puts what it makes.
DIST ?= dist
# Which tests, as pytest names them; all of them where this is empty.
TESTS ?=
# Tests flush small files many thousand times. A disk makes those take ten times as long, so they lie
# in memory where it has room for the whole suite (it takes 3 GB) and lets programs start.
MEMORY = /dev/shm
IN_MEMORY = $(shell [ "$$(df -k --output=avail $(MEMORY) 2> /dev/null | tail -n 1)" -ge 6291456 ] \
  2> /dev/null && ! grep -q ' $(MEMORY) [^ ]* [^ ]*noexec' /proc/mounts && echo $(MEMORY))
PYTEST = $(if $(IN_MEMORY),TMPDIR=$(IN_MEMORY)) $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations 30 $(TESTS)
SHELL := /bin/bash
# Without bytecode each program compiles what it imports each time that it starts: half of what
# `rollout offer` takes, and most of what the workers of the tests take to collect them.
unexport PYTHONDONTWRITEBYTECODE
# On a terminal pip shows what it does; elsewhere it would write some hundred lines.
PIP = [ -t 1 ] && quiet= || quiet=--quiet; $(BIN)/python -m pip install $$quiet --disable-pip-version-check

.PHONY: demo dist bare programs test test-busy check privacy privacy-cloud privacy-full bench peers format lock env readers interop system provider etebase fixtures reference docs soak grown chaos fuzzer mutation clean

demo: programs
	@$(BIN)/python -m demo

test: env readers interop system provider etebase $(DOCS)/.ready
	$(PYTEST)

# `make demo` and tests on a machine with nothing installed, made for it; nothing here is needed but
# Python, on Debian. --whole in BARE runs all tests there.
bare: system
	python3 -S -m tests.bare $(BARE)

# The tests beside eight busy loops, which end with the shell that began them, however that ends:
# a test that fails here alone depends on how fast the machine is. A test that hangs is ended later.
test-busy: env readers interop system provider etebase $(DOCS)/.ready
	@for _ in {1..8}; do \
	  while kill -0 $$$$ 2> /dev/null; do for ((i = 0; i < 100000; i++)); do :; done; done & \
	done; $(PYTEST) --timeout 7200

# Where retired words are looked for: all that people read.
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

# What QA looks at for every commit, each in a minute or less, and before each release, in about ten
# minutes: the verdict, the kill matrix, and a page under var/lab; of polls, and of the backup.
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

# The pages of docs/reference that are made from the programs' own help.
reference: env
	$(BIN)/python -m docs.commands

# The documentation as a site in var/site, to be searched and read without a network. A link that
# leads nowhere ends it.
docs: $(DOCS)/.ready
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/python -m mkdocs build --strict
	@echo "The site is in var/site: python3 -m http.server --directory var/site shows it."

$(DOCS)/.ready: requirements/docs.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

# A long run with faults; status 1 where anything is unexplained. An input on which the fuzzer fails
# is left in fixtures/fuzz.
soak: env fuzzer
	$(BIN)/python -m soak --minutes $(MINUTES) --workers $(WORKERS)
	$(BIN)/python -m soak.halts
	$(BIN)/python -m soak.cloud_names

# A whole site on this machine, in network namespaces of its own, until Ctrl-C: three device nodes,
# two control, two publishers, PostgreSQL with a standby, SeaweedFS, nginx. It needs root.
grown: env system
	$(BIN)/python -m soak.grown up

# The same with phones that poll, engineers who work, and MINUTES of faults; status 1 where a rule is
# broken. The history and the logs are left in var/chaos.
chaos: env system
	$(BIN)/python -m soak.grown chaos --minutes $(MINUTES) --seed $(SEED)

# There are wheels of it for Linux; where it cannot be had a long run says so, and fails.
fuzzer: $(FUZZER)/.ready

$(FUZZER)/.ready: requirements/fuzz.txt $(VENV)/.ready
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	  --target $(FUZZER) --upgrade -r $< && touch $@

# Changes the lab's judges in every small way and says which changes no test notices. It tries those
# that changed themselves or whose tests did; all of them take an hour. What was stopped goes on.
mutation: env $(MUTATOR)/.ready
	nice -n 19 $(BIN)/python -m mutation --packages $(MUTATOR) --workers $(WORKERS)

$(MUTATOR)/.ready: requirements/mutation.txt $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
	  --target $(MUTATOR) --upgrade -r $< && touch $@

format: env
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# What the programs need to run, those that build packs of content among them, and the programs.
# Modules are compiled when they are first imported: all of them take longer than the download.
programs: $(VENV)/.programs-ready

$(VENV)/.programs-ready: requirements/content.txt requirements/build.txt pyproject.toml
	@echo "Installing the programs into $(VENV): about 60 packages, 200 MB, a minute or two."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --no-compile --require-hashes -r requirements/content.txt -r requirements/build.txt
	@$(PIP) --no-compile --no-deps --no-build-isolation -e .
	@touch $@

# The same environment with what tests and checks need.
env: $(VENV)/.ready

$(VENV)/.ready: requirements/dev.txt $(VENV)/.programs-ready
	@echo "Installing what tests and checks need into $(VENV): 500 MB more."
	@$(PIP) --no-compile --require-hashes -r requirements/dev.txt
	@touch $@

# Two independent readers of OTA packages; each has its own environment, for both install a module
# of the same name.
readers: $(READERS)/android-payload-dumper/.ready $(READERS)/payload-dumper/.ready

$(READERS)/%/.ready: requirements/reader-%.txt
	$(PYTHON) -m venv $(READERS)/$*
	$(READERS)/$*/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

# A third implementation of Ed25519 for tests, where it can be had: it builds on Python 3.11 alone,
# and needs a compiler.
interop: $(VENV)/.interop-ready

$(VENV)/.interop-ready: requirements/interop.txt $(VENV)/.ready
	if $(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 12))' && command -v cc >/dev/null; then \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes \
	    --no-build-isolation -r $< && touch $@ \
	  || echo "ed25519 could not be built, so some tests will not be collected"; fi

# What the device plane is measured beside: programs of Debian, and servers in Python in their own
# environment. What cannot be installed is left out, and the benchmark says so.
peers: $(PEERS)/.ready
	@bash benchmarks/install-programs.sh

$(PEERS)/.ready: requirements/peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $< \
	  && touch $@ || echo "peers in Python could not be installed"

# Programs that some tests run. Installed on Debian as root; elsewhere the tests that lack one are
# listed at the end of the run.
system:
	@bash tests/install-programs.sh

# A real OpenID provider for tests, where npm and its registry are there; without install scripts.
provider: system tests/oidc/node_modules/.ready

tests/oidc/node_modules/.ready: tests/oidc/package-lock.json | system
	@if command -v npm >/dev/null; then \
	  npm ci --prefix tests/oidc --ignore-scripts --no-audit --no-fund --loglevel=error && touch $@ \
	  || echo "the OpenID provider could not be installed, so some tests will not be collected"; fi

# The client that the cloud is tested with, and its own tests.
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
