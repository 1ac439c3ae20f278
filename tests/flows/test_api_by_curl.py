"""The commands of docs/how-to/api.md with a real server, its first admin, and curl."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.flows.shell import run_script

ROOT = Path(__file__).parents[2]


def read_block(name):
    """Return a code block of a how-to page."""
    page = (ROOT / "docs" / "how-to" / f"{name}.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    return block


BLOCK = read_block("api")


@pytest.fixture
def bash(world, programs, tmp_path):
    """Run a script with this `hening-server` and the state folder `var/server`."""
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "server").symlink_to(world.folder.root)
    environment = {"PATH": f"{programs.path}:{os.environ['PATH']}"}

    return lambda script: run_script(script, tmp_path, environment, "-euc")


@pytest.fixture
def process(world, programs):
    """Run the server with an API; yields it and the API's address."""
    with subprocess.Popen(
        [
            *(*programs.command("hening-server"), "run", "--state", str(world.folder.root)),
            *("--port", "0", "--api-port", "0"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        server.stdout.readline()
        yield server, server.stdout.readline().strip()
        server.kill()


@pytest.mark.needs("curl")
def test_api_page(bash, process, tmp_path):
    """The page's block runs unchanged; no log has the token, and the server ends on SIGTERM."""
    server, address = process
    bash(
        "hening-server account add root-admin --role admin --all-codenames --state var/server\n"
        "hening-server account add ani --role engineer --codename armani --state var/server"
    )
    assert "http://127.0.0.1:8081/api/v1" in BLOCK
    output = bash(BLOCK.replace("http://127.0.0.1:8081/api/v1", address))
    status, account, page = (json.loads(text) for text in re.split(r"(?<=})(?={)", output))
    assert status["snapshot"] == 3
    assert account["name"] == "ben"
    assert [item["name"] for item in page["items"]] == ["ani"]
    assert page["next"].startswith("/api/v1/accounts?")
    header = tmp_path / "token.header"
    assert header.stat().st_mode & 0o777 == 0o600
    server.terminate()
    _, logs = server.communicate()
    assert server.returncode == 0
    assert header.read_text().split()[-1] not in logs
    assert "ben" not in logs


@pytest.mark.needs("curl", "jq")
def test_webhooks_page(bash, process):
    """The lines of docs/how-to/webhooks.md make a webhook, test it and change its secret."""
    _, address = process
    bash("hening-server account add root-admin --role admin --all-codenames --state var/server")
    before = "".join(BLOCK.partition("\n\n")[:2]).replace("http://127.0.0.1:8081/api/v1", address)
    output = bash(before + read_block("webhooks"))
    *_, changed = (json.loads(text) for text in re.split(r"(?<=})(?={)", output))
    assert changed["secret"]
