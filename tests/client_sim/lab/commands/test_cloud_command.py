"""`hening-device lab cloud` from outside: exit status, JSON, the page."""

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


def test_our_phone_is_clean_and_its_page_opens_every_request(tmp_path):
    """The page shows a contact as it leaves, and as the owner's password opens it."""
    page = tmp_path / "page.html"
    done = run(*_QUICK, "--json", "--html", str(page))
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["good"]
    assert said["clean"]
    asked = {check["name"]: check["claim"] for check in said["checks"] if check["cases"]}
    assert asked == {name: claim for name, (claim, _) in METHODS.items()}
    text = page.read_text()
    assert "What your phone would send if you turned contacts on" in text
    assert "BEGIN:VCARD" in text
    assert "<script" not in text


def test_a_leak_is_exit_status_one_with_its_bytes(tmp_path, monkeypatch):
    """The finding names where the value stands; the page has a line for sixteen bytes."""
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


def test_a_client_that_is_not_there_says_what_to_do():
    """In one sentence."""
    done = run("--client", "nobody")
    assert (done.exit_code, "package.module:factory" in done.output) == (1, True)
