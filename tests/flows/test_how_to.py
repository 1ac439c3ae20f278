"""The commands of the how-to pages, executed in order by a shell.

Lines after `$ ` are typed; the other lines of a console block are expected in the output. A reader
checks a result before typing the next command. Here the shell waits until the server has accepted
what was submitted. Files that a page shows in full exist before its first command.
"""

import re
import shutil

import pytest

from tests.flows.machine import machine, moved
from tests.flows.rehearsal import (
    HOW_TO,
    ROOT,
    Rehearsal,
    find_port,
    make_rehearsal,
    read_blocks,
    read_files,
)
from tests.ports import free_port
from tests.seaweed import BUCKET, KEY_ID, SECRET

# Pages that other tests run, as part of a longer scenario.
ELSEWHERE = {
    "api": "flows/test_api_by_curl.py",
    "api-rollout": "flows/test_rollout_by_curl.py",
    "change-online-keys": "flows/test_key_incidents.py",
    "cloud-incidents": "flows/test_cloud_incidents.py",
    "existing-updater-apps": "flows/test_dialects.py",
    "lost-key-file": "flows/test_key_incidents.py",
    "lost-leaves": "attacks/test_key_process.py",
    "many-machines": "flows/test_many_machines.py",
    "owners": "flows/test_owner_runbooks.py",
    "rehearse": "flows/rehearsal.py",
    "root-holder-gone": "flows/test_key_incidents.py",
    "stolen-latest-key": "flows/test_key_incidents.py",
    "stolen-log-key": "flows/test_key_incidents.py",
    "stolen-model-key": "flows/test_key_incidents.py",
    "stolen-server": "flows/test_key_incidents.py",
    "stolen-snapshot-key": "flows/test_key_incidents.py",
    "upload": "server/release/api/test_uploads.py",
    "webhooks": "flows/test_api_by_curl.py",
}
# Pages that begin in an empty folder, and pages that start the server themselves.
EMPTY = ("cloud-law", "install", "key-ceremony", "run-a-cloud", "start-alone")
STOPPED = (
    "behind-nginx",
    "console",
    "examine-a-server",
    "how-many-phones",
    "tls",
    "watch",
    "workers",
)
# Pages for root, each of which continues where the one before it ended.
MACHINE = ("systemd", "upgrade", "key-process")
# Pages that need a database server or an S3 server.
STORES = ("postgresql-and-s3", "static-mirror")
PAGES = sorted(path.stem for path in HOW_TO.glob("*.md"))
RUNNING = sorted(
    {name for name in PAGES if read_blocks(name)}
    - ELSEWHERE.keys()
    - {*EMPTY, *STOPPED, *MACHINE, *STORES}
)
SETTLE = """
settle() {
  while jobs %1 && compgen -G 'server/incoming/[!.]*'; do sleep 0.1; done > /dev/null 2>&1
}
"""


def play(rehearsal, name, *, before="", alter=str):
    """Run the commands of a page as altered by `alter`, and check its expected output."""
    typed, shown = [], []
    for path, text in read_files(name):
        file = rehearsal.folder / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    for line in read_blocks(name):
        if not line.startswith("$ "):
            shown.append(line)
            continue
        typed.append(alter(line.removeprefix("$ ")))
        if line.startswith(("$ hening-signer", "$ for bundle")):
            typed.append("settle")
    said = rehearsal.shell(typed, before=SETTLE + before)
    for line in shown:
        pattern = re.escape(line).replace("…", ".*")
        assert re.search(rf"^{pattern}$", said, re.MULTILINE), f"{line}\n\n{said}"


@pytest.fixture(scope="module")
def made(programs, tmp_path_factory):
    """Make the rehearsal folder once."""
    return make_rehearsal(tmp_path_factory.mktemp("how-to") / "made", programs)


@pytest.fixture
def rehearsal(made, tmp_path):
    """Copy the rehearsal; no server runs."""
    mine = Rehearsal(tmp_path / "here", made.port, made.programs)
    shutil.copytree(made.folder, mine.folder)
    (mine.folder / "server.log").unlink()
    try:
        yield mine
    finally:
        mine.stop()


SERVER = """
hening-server run --state server --port 8080 2> server.log &
trap 'kill %1 2> /dev/null || :' EXIT
until grep -q listening server.log; do kill -0 %1; sleep 0.1; done
"""


@pytest.mark.needs("curl", "jq")
@pytest.mark.parametrize("name", RUNNING)
def test_page_with_running_server(rehearsal, name):
    """Each command exits with 0 and prints the output on the page.

    Phones that poll in real time do so for 4 seconds in place of 36. Phones with simulated time do
    so for five hours in place of twelve, and in a single process.
    """

    def alter(line):
        line = line.replace("--hours 0.01 ", "--hours 0.001 --workers 1 ")
        return line.replace("--hours 12 ", "--hours 5 --workers 1 ")

    play(rehearsal, name, before=SERVER, alter=alter)


@pytest.mark.needs("curl")
@pytest.mark.parametrize("name", STOPPED)
def test_page_that_starts_server(rehearsal, name):
    """Each command exits with 0, the server that it starts included.

    `lab server` waits a tenth of a second for the server's writes, in place of a second.
    """
    port = str(free_port())

    def alter(line):
        return line.replace("8081", port).replace("lab server ", "lab server --settle 0.1 ")

    play(rehearsal, name, alter=alter)


@pytest.fixture
def empty(programs, tmp_path):
    """Yield an empty folder on a simulated machine, and the folder that is that machine's `/`."""
    here = Rehearsal(tmp_path / "here", find_port(), programs)
    here.folder.mkdir()
    (here.folder / "deploy").symlink_to(ROOT / "deploy")
    try:
        with machine(programs.python) as root:  # its units use the port as well, so they end first
            yield here, root
    finally:
        here.stop()


def on(root, port):
    """Return lines that put the machine's programs first, and stop background jobs at exit."""
    return f"export PATH={root}/bin:$PATH HENING_PORT={port}\ntrap 'kill %1 2> /dev/null || :' EXIT"


@pytest.mark.needs("jq")
@pytest.mark.parametrize("name", EMPTY)
def test_page_in_empty_folder(empty, name):
    """Each command of the page exits with 0."""
    here, root = empty
    play(here, name, before=on(root, here.port), alter=lambda line: moved(line, root))


CEREMONY = """
mkdir bundles
hening-signer keys new --keys keys root-1 targets-1 tables-1 content-1 armani-1
hening-signer ceremony init --repo repo --keys keys --online STATE/keys/public.json --model armani \
  --threshold root=1 --threshold targets=1 --threshold tables=1 --threshold content=1 --out bundles
cp repo/metadata/1.root.json 1.root.json && mv bundles/* STATE/incoming/
printf 'state = "STATE"\\n' > hening.toml
"""


def test_service_pages(empty):
    """The pages for root run in order; each continues where the one before it ended."""
    here, root = empty
    before = on(root, here.port)
    state = str(root / "var/lib/hening/state")
    ceremony = CEREMONY.replace("STATE", state)
    published = f"until compgen -G '{state}/results/*.json'; do sleep 0.1; done > /dev/null"

    def alter(line):
        line = moved(line, root)
        if line.endswith("--root 1.root.json"):
            return f"{ceremony}\n{line}"
        if line.startswith("systemctl start hening.socket"):
            return f"{line}\n{published}"
        return line

    for name in MACHINE:
        play(here, name, before=before, alter=alter)


@pytest.mark.needs("postgresql")
def test_postgresql_page(rehearsal, postgres):
    """Each command exits with 0, with the address of a real database."""
    url = postgres.make_database()
    play(
        rehearsal,
        "postgresql-and-s3",
        before=SERVER,
        alter=lambda line: re.sub(r"postgresql://[^\"]*", url, line),
    )


@pytest.mark.needs("seaweed")
def test_static_mirror_page(rehearsal, seaweed):
    """Each command exits with 0, with a prefix in a real bucket."""
    play(
        rehearsal,
        "static-mirror",
        before=f"export HENING_S3_ENDPOINT={seaweed.endpoint} HENING_S3_KEY_ID={KEY_ID}"
        f" HENING_S3_SECRET={SECRET}\n{SERVER}",
        alter=lambda line: line.replace("s3://rom-mirror", f"s3://{BUCKET}/how-to"),
    )


def test_every_page_is_run():
    """Each page with commands is run here or by its test in ELSEWHERE, which reads the page."""
    for name in PAGES:
        text = (HOW_TO / f"{name}.md").read_text(encoding="utf-8")
        if re.search(r"^ *```(?:console|bash)$", text, re.MULTILINE):
            assert name in {*ELSEWHERE, *EMPTY, *STOPPED, *MACHINE, *STORES, *RUNNING}
    for name, test in ELSEWHERE.items():
        assert name in (ROOT / "tests" / test).read_text(encoding="utf-8")
