"""`lab audit`: its statuses, and what it prints."""

import json
import os
import shutil

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


def test_a_clean_recording_gives_0(recording, tmp_path):
    """Grammar alone without a persona; known values with one."""
    persona = tmp_path / "persona.json"
    persona.write_text(json.dumps({"imei": OWNER.imei}))
    assert audit(recording).exit_code == 0
    result = audit(recording, "--persona", persona, "--host", "updates.example.org")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[-10:] == [*(f"{name}: passed" for name in CHECKS), "verdict: clean"]


def test_a_value_of_the_owner_gives_1_and_is_covered(recording, tmp_path):
    """The offset is that of the recording; `--show-personal` shows the value."""
    persona = tmp_path / "persona.json"
    recording.write_bytes(POLL + b"imei=" + OWNER.imei.encode())
    persona.write_text(json.dumps({"imei": OWNER.imei}))
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
    """Phone, host, known values, a page that covers them."""
    page = tmp_path / "page.html"
    known = FOLDER / "known.json"
    options = ("--phone", "192.0.2.7", "--host", "updates.hening.example:8080", "--persona", known)
    assert audit(FOLDER / "ours.pcap", *options).exit_code == 0
    result = audit(FOLDER / "redmi-1s-2014.pcap", *options, "--html", page)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "verdict: leak"
    text = page.read_text()
    assert ">leak<" in text.replace("\n", "")
    assert KNOWN["imei"] not in text + result.stdout


def test_a_phone_that_is_not_in_the_capture_proves_nothing():
    """All traffic is somebody else's, and silence is not clean."""
    result = audit(FOLDER / "ours.pcap", "--phone", "192.0.2.99")
    assert result.exit_code == 1
    assert "verdict: not judged: incomplete" in result.stdout


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ((FOLDER / "ours.pcap").read_bytes()[:-1], "cut off in frame"),
        ((FOLDER / "ours.pcapng").read_bytes()[:-1], "cut off in the end of a block"),
        ((FOLDER / "ours.har").read_bytes()[:-9], "the HAR cannot be read"),
    ],
)
def test_a_damaged_capture_is_one_sentence_and_gives_1(data, words, tmp_path):
    """No verdict, no trace of the program."""
    path = tmp_path / "capture"
    path.write_bytes(data)
    result = audit(path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_persona_that_is_none_gives_1(recording):
    """The sentence shows what one looks like."""
    result = audit(recording, "--persona", recording)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: the persona cannot be read")


def test_a_huge_recording_gives_1(recording):
    """Size is checked before anything is parsed."""
    os.truncate(recording, 16 * 1024 * 1024 + 1)
    result = audit(recording)
    assert result.exit_code == 1
    assert "cut it into connections" in result.stderr


@pytest.mark.parametrize("phone", ["192.0.2", "phone", ""])
def test_an_address_that_is_none_gives_2(phone, recording):
    """It names the option."""
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


def test_every_form_is_written_and_covers_values(tmp_path):
    """Beside what is printed; the status is that of the verdict."""
    paths = {name: tmp_path / name for name in ("html", "junit", "sarif")}
    options = [word for name, path in paths.items() for word in (f"--{name}", path)]
    known = FOLDER / "known.json"
    sample = FOLDER / "redmi-1s-2014.pcap"
    assert audit(sample, "--persona", known, *options).exit_code == 1
    texts = {name: path.read_text() for name, path in paths.items()}
    assert not any(KNOWN["imei"] in text for text in texts.values())
    assert texts["junit"].startswith("<?xml")
    assert json.loads(texts["sarif"])["runs"][0]["properties"]["verdict"] == "leak"
    audit(sample, "--persona", known, *options, "--show-personal")
    assert KNOWN["imei"] in paths["junit"].read_text()


def test_a_har_of_another_system_is_unexplained():
    """Its request line says which model asks."""
    result = audit(FOLDER / "lineageos.har", "--show-personal")
    assert result.exit_code == 1
    assert "note: a HAR has requests as its exporter read them" in result.stdout
    assert "GET /api/v1/arma" in result.stdout


def test_without_tshark_plain_captures_are_audited(monkeypatch, tmp_path):
    """It is needed for nothing but TLS with keys."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("tshark") is None
    assert audit(FOLDER / "ours.pcap").exit_code == 0
