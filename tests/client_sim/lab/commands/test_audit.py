"""`lab audit`: its statuses, and what it prints."""

import json
import os

import pytest
from click.testing import CliRunner

from client_sim.lab.commands import lab
from client_sim.persona import make_persona
from fixtures.captures import FOLDER, KNOWN

OWNER = make_persona(0)
POLL = (
    b"GET /metadata/2.root.json HTTP/1.1\r\nHost: updates.example.org\r\n"
    b"Accept-Encoding: gzip\r\n\r\n"
    b"GET /metadata/timestamp.json HTTP/1.1\r\nHost: updates.example.org\r\n"
    b"Accept-Encoding: gzip\r\n\r\n"
)
CHECKS = [
    *("grammar", "canaries", "egress", "tls", "writes", "ends", "traffic", "readable", "complete"),
]


def audit(*arguments):
    """Run the command."""
    return CliRunner().invoke(lab, ["audit", *map(str, arguments)])


@pytest.fixture
def recording(tmp_path):
    """Write what a listener received."""
    path = tmp_path / "octets"
    path.write_bytes(POLL)
    return path


@pytest.fixture
def persona(tmp_path):
    """Write a value that is known."""
    path = tmp_path / "persona.json"
    path.write_text(json.dumps({"imei": OWNER.imei}))
    return path


def test_a_clean_recording_gives_0(recording, persona, monkeypatch):
    """Grammar alone without a persona; known values with one. Plain captures need no tshark."""
    monkeypatch.setenv("PATH", str(recording.parent))
    assert audit(recording).exit_code == 0
    result = audit(recording, "--persona", persona, "--host", "updates.example.org")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[-10:] == [*(f"{name}: passed" for name in CHECKS), "verdict: clean"]
    assert audit(FOLDER / "ours.pcap").exit_code == 0


def test_a_value_of_the_owner_gives_1_and_is_covered(recording, persona):
    """The offset is that of the recording; `--show-personal` shows the value."""
    recording.write_bytes(POLL + b"imei=" + OWNER.imei.encode())
    result = audit(recording, "--persona", persona, "--json")
    assert result.exit_code == 1
    assert OWNER.imei not in result.stdout
    assert OWNER.imei.encode().hex() not in result.stdout
    told = json.loads(result.stdout)
    found = {check["name"]: check["findings"] for check in told["checks"]}
    assert (told["verdict"], told["format"]) == ("leak", "octets")
    assert found["canaries"][0]["offset"] == len(POLL) + 5
    assert found["grammar"][0]["offset"] == len(POLL)
    result = audit(recording, "--persona", persona, "--show-personal")
    assert f"imei as it is: {OWNER.imei}" in result.stdout


def test_a_sample_is_audited_with_everything_there_is(tmp_path):
    """Phone, host, known values, every form beside what is printed; it covers them.

    All traffic of another phone is somebody else's, and silence is not clean.
    """
    paths = {name: tmp_path / name for name in ("html", "junit", "sarif")}
    forms = [word for name, path in paths.items() for word in (f"--{name}", path)]
    known = ("--host", "updates.hening.example:8080", "--persona", FOLDER / "known.json")
    assert audit(FOLDER / "ours.pcap", "--phone", "192.0.2.7", *known).exit_code == 0
    sample = (FOLDER / "redmi-1s-2014.pcap", "--phone", "192.0.2.7", *known, *forms)
    result = audit(*sample)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "verdict: leak"
    texts = {name: path.read_text() for name, path in paths.items()}
    assert not any(KNOWN["imei"] in text for text in (*texts.values(), result.stdout))
    assert ">leak<" in texts["html"].replace("\n", "")
    assert texts["junit"].startswith("<?xml")
    assert json.loads(texts["sarif"])["runs"][0]["properties"]["verdict"] == "leak"
    audit(*sample, "--show-personal")
    assert KNOWN["imei"] in paths["junit"].read_text()
    result = audit(FOLDER / "ours.pcap", "--phone", "192.0.2.99")
    assert result.exit_code == 1
    assert "verdict: not judged: incomplete" in result.stdout


def test_what_cannot_be_read_is_one_sentence_and_gives_1(recording, tmp_path):
    """No verdict, no trace of the program: a damaged capture, a huge one, no persona."""
    for name, data, words in (
        ("a.pcap", (FOLDER / "ours.pcap").read_bytes()[:-1], "cut off in frame"),
        ("a.pcapng", (FOLDER / "ours.pcapng").read_bytes()[:-1], "cut off in the end of a block"),
        ("a.har", (FOLDER / "ours.har").read_bytes()[:-9], "the HAR cannot be read"),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        _check_sentence(audit(path), words)
    _check_sentence(audit(recording, "--persona", recording), "the persona cannot be read")
    os.truncate(recording, 16 * 1024 * 1024 + 1)
    _check_sentence(audit(recording), "cut it into connections")


def _check_sentence(result, words):
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_address_that_is_none_gives_2(recording):
    """It names the option."""
    for phone in ("192.0.2", "phone", ""):
        result = audit(recording, "--phone", phone)
        assert result.exit_code == 2
        assert "--phone" in result.stderr


def test_a_page_that_cannot_be_written_gives_3(recording, tmp_path):
    """The sentence names the option, and what was found is printed all the same."""
    for option in ("--html", "--junit", "--sarif"):
        result = audit(recording, option, tmp_path / "no" / "page")
        assert result.exit_code == 3
        assert result.stderr.startswith(f"error: {option} cannot be written")
        assert result.stdout.splitlines()[-1] == "verdict: clean"


def test_a_har_of_another_system_is_unexplained():
    """Its request line says which model asks."""
    result = audit(FOLDER / "lineageos.har", "--show-personal")
    assert result.exit_code == 1
    assert "note: a HAR contains only requests, as its exporter parsed them" in result.stdout
    assert "GET /api/v1/arma" in result.stdout
