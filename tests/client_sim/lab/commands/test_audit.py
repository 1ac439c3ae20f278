"""Statuses and output of `lab audit`."""

import json

import pytest
from click.testing import CliRunner

from client_sim.lab.commands import lab
from client_sim.persona import make_persona
from fixtures.captures import FOLDER, KNOWN
from tests.client_sim.lab.report.conftest import POLL

OWNER = make_persona(0)
CHECKS = [
    *("grammar", "canaries", "egress", "tls", "writes", "ends", "traffic", "readable", "complete"),
]


def audit(*arguments):
    """Run the command."""
    return CliRunner().invoke(lab, ["audit", *map(str, arguments)])


@pytest.fixture
def recording(tmp_path):
    """Write the bytes that a listener received."""
    path = tmp_path / "octets"
    path.write_bytes(POLL)
    return path


@pytest.fixture
def persona(tmp_path):
    """Write a known value."""
    path = tmp_path / "persona.json"
    path.write_text(json.dumps({"imei": OWNER.imei}))
    return path


def test_clean_recording_exits_0(recording, persona, monkeypatch):
    """Known values are searched with a persona; plain captures need no tshark."""
    monkeypatch.setenv("PATH", str(recording.parent))
    assert audit(recording).exit_code == 0
    result = audit(recording, "--persona", persona, "--host", "updates.example.org")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[-10:] == [*(f"{name}: passed" for name in CHECKS), "verdict: clean"]
    assert audit(FOLDER / "ours.pcap").exit_code == 0


def test_leaked_value_exits_1_and_is_redacted(recording, persona):
    """The offset is that of the recording; `--show-personal` shows the value."""
    recording.write_bytes(POLL + b"imei=" + OWNER.imei.encode())
    result = audit(recording, "--persona", persona, "--json")
    assert result.exit_code == 1
    assert OWNER.imei not in result.stdout
    assert OWNER.imei.encode().hex() not in result.stdout
    data = json.loads(result.stdout)
    found = {check["name"]: check["findings"] for check in data["checks"]}
    assert (data["verdict"], data["format"]) == ("leak", "octets")
    assert found["canaries"][0]["offset"] == len(POLL) + 5
    assert found["grammar"][0]["offset"] == len(POLL)
    result = audit(recording, "--persona", persona, "--show-personal")
    assert f"imei as it is: {OWNER.imei}" in result.stdout


def test_all_options_and_report_formats(tmp_path):
    """Every report is redacted unless `--show-personal` is given.

    If all traffic is another phone's, the capture is incomplete and not clean.
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


def test_unreadable_input_exits_1(recording, tmp_path):
    """A damaged capture and a malformed persona are errors of one line."""
    damaged = tmp_path / "damaged"
    damaged.write_bytes((FOLDER / "ours.pcap").read_bytes()[:-1])
    for arguments, message in (
        ((damaged,), "cut off in frame"),
        ((recording, "--persona", recording), "the persona cannot be read"),
    ):
        result = audit(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("error: ")
        assert message in result.stderr
        assert result.stderr.count("\n") == 1


def test_malformed_address_exits_2(recording):
    """The message names the option."""
    for phone in ("192.0.2", "phone", ""):
        result = audit(recording, "--phone", phone)
        assert result.exit_code == 2
        assert "--phone" in result.stderr


def test_unwritable_report_exits_3(recording, tmp_path):
    """The message names the option, and the findings are printed all the same."""
    for option in ("--html", "--junit", "--sarif"):
        result = audit(recording, option, tmp_path / "no" / "page")
        assert result.exit_code == 3
        assert result.stderr.startswith(f"error: {option} cannot be written")
        assert result.stdout.splitlines()[-1] == "verdict: clean"


def test_har_of_another_system_is_unexplained():
    """Its request line contains the model."""
    result = audit(FOLDER / "lineageos.har", "--show-personal")
    assert result.exit_code == 1
    assert "note: a HAR contains only requests, as its exporter parsed them" in result.stdout
    assert "GET /api/v1/arma" in result.stdout
