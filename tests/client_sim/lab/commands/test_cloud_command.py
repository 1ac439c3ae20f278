"""Statuses, JSON and the page of `hening-device lab cloud`."""

import json
import re
from functools import partial

from click.testing import CliRunner

from client_sim.lab.cloud import programme
from client_sim.lab.cloud.programme import METHODS
from client_sim.lab.commands.cloud_command import cloud_command

_QUICK = ["--no-mutants", "--jobs", "1"]


def run(*words):
    """Run the command in this process."""
    return CliRunner().invoke(cloud_command, words)


def test_phone_is_clean_and_its_page_shows_every_request(tmp_path):
    """The page shows a contact as it is sent, and as the owner's password decrypts it."""
    page = tmp_path / "page.html"
    done = run(*_QUICK, "--json", "--html", str(page))
    assert done.exit_code == 0, done.output
    data = json.loads(done.stdout)
    assert data["good"]
    assert data["clean"]
    asked = {check["name"]: check["claim"] for check in data["checks"] if check["cases"]}
    assert asked == {name: claim for name, (claim, _) in METHODS.items()}
    text = page.read_text()
    assert "What your phone would send if you turned contacts on" in text
    assert "BEGIN:VCARD" in text
    assert "<script" not in text


def test_leak_exits_1_with_its_bytes(tmp_path, monkeypatch):
    """The finding names the place of the value; the page has a line for sixteen bytes."""
    few = partial(programme.examine, parts=frozenset())
    monkeypatch.setattr(programme, "examine", few)
    page = tmp_path / "page.html"
    done = run("--client", "imei-header", *_QUICK, "--json", "--html", str(page))
    assert done.exit_code == 1
    (found,) = (each for each in json.loads(done.stdout)["checks"] if each["name"] == "canaries")
    assert found["findings"][0]["explanation"].startswith("imei, ")
    assert b"X-Id: " in bytes.fromhex(found["findings"][0]["octets"])
    dump = page.read_text().partition("<pre>")[2].partition("</pre>")[0].splitlines()
    digits = [re.findall(r"\b[0-9a-f]{2}\b", re.sub("<.*?>", "", row)) for row in dump]
    assert len(dump) > 1
    assert max(map(len, digits)) == 16


def test_unknown_client_exits_1():
    """The message says how to name a client."""
    done = run("--client", "nobody")
    assert (done.exit_code, "package.module:factory" in done.output) == (1, True)
