"""The demo succeeds, its report matches its output, and the README shows that output.

Its programs are forked here (`tests/forked.py`), its packages come from the cache of
`tests/kept_packages.py`, and its backups use the cheapest key stretching. `make bare` runs the demo
unchanged.
"""

import base64
import contextlib
import io
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

import fixtures.build
from client_sim.cloud.account import Cloud
from demo import stage as demo_stage
from demo.__main__ import main
from demo.stage import HOST, Stage, StageError
from tests.client_sim.cloud.phones import derive_cheaply
from tests.kept_packages import keeping

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def demo(programs, tmp_path_factory):
    """Run the demo once; returns its folder and its output."""
    folder, real = tmp_path_factory.mktemp("demo") / "var", demo_stage._python
    names = {f"{name}.cli": f"hening-{name}" for name in ("server", "signer")}
    names["client_sim.cli"] = "hening-device"

    def command(module, before=""):
        if before:
            return [*programs.command("python"), "-c", real(module, before)[-1]]
        return programs.command(names[module])

    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(demo_stage, "_python", command)
        patch.setattr(fixtures.build, "build_zip", keeping(programs.packages))
        patch.setitem(Cloud.__init__.__kwdefaults__, "derive", derive_cheaply)
        with pytest.raises(SystemExit) as ended:
            main(["--folder", str(folder)])
    assert ended.value.code == 0, said.getvalue()
    return folder, said.getvalue()


def numberless(text):
    """Replace numbers and the folder, which differ between runs."""
    return [
        re.sub(r"\d+", "#", re.sub(r"\s+", " ", re.sub(r"\S*/report\.html", "", line))).strip()
        for line in text.splitlines()
    ]


def test_readme_shows_demo_output(demo):
    """The README shows every line of the demo, except for numbers, after the output of `make`."""
    installing = re.search(r'@echo "(Installing the programs .*)"', MAKEFILE)[1]
    block = README.split("$ make demo\n")[1].split("```")[0]
    shown = [line for line in numberless(block) if line]
    printed = [line for line in numberless(demo[1]) if line]
    assert shown == numberless(installing.replace("$(VENV)", ".venv")) + printed


def test_report_has_right_answers(demo):
    """The JSON report has all answers, twelve phones on build 2 and three refusals."""
    report = json.loads((demo[0] / "report.json").read_text())
    assert report["good"]
    assert all(check["holds"] for check in report["checks"])
    assert {phone["running"] for phone in report["phones"]} == {"1.2.0-id", "1.2.0-eu"}
    assert [attack["refused"] for attack in report["attacks"]] == [True, True, True]
    clean, leak = report["privacy"]
    assert (clean["clean"], leak["clean"]) == (True, False)


def test_same_bytes_in_two_countries(demo):
    """Both send and get the same bytes for content, and each answers for its own country."""
    content = json.loads((demo[0] / "report.json").read_text())["content"]
    assert content["is_same"]
    owners = [
        json.loads((demo[0] / "phones" / town / "personal" / "persona.json").read_text())
        for town in ("jakarta", "berlin")
    ]
    assert [(owner["locale"], owner["time_zone"]) for owner in owners] == [
        ("id-ID", "Asia/Jakarta"),
        ("de-DE", "Europe/Berlin"),
    ]
    rows = {question: (jakarta, berlin) for question, jakarta, berlin in content["rows"]}
    assert rows["local time"] == ("Asia/Jakarta: UTC+7 (WIB)", "Europe/Berlin: UTC+1 (CET)")
    assert [set(numbers.split()) >= {"112"} for numbers in rows["emergency numbers"]] == [True] * 2
    assert rows["access point of the SIM"][0].startswith("Telkomsel: ")
    assert base64.b64decode(content["picture"].partition(",")[2])[:3] == b"\xff\xd8\xff"


def test_backup(demo):
    """The backup restores all contacts, reveals none, and is erased; the lab finds the leak."""
    backup = json.loads((demo[0] / "report.json").read_text())["backup"]
    assert backup["silent"] == [0, 0]
    assert backup["back"] == backup["cards"] == backup["contacts"] > 0
    assert backup["found"] == 0
    assert [policy.split(",")[0] for policy in backup["policies"]] == ["ID", "DE"]
    assert backup["erased"] > backup["contacts"]
    assert backup["is_clean"]
    assert len(backup["caught"]) == 2


def test_network_access_by_a_question(demo):
    """The lab sees a question's network access, even if the calling program ignores the refusal."""
    stage = Stage(demo[0])
    phone = demo[0] / "phones" / "berlin"
    assert stage.ask("content", "emergency", "--phone", phone, "DE", "--json")["numbers"]
    with pytest.raises(StageError, match=r"socket\.\w+: a question is answered without"):
        stage.ask("poll", "--phone", phone, "--resolve", f"{HOST}=127.0.0.1")


def test_poll_is_two_requests(demo):
    """After the first poll, a poll is exactly the bytes that are written out here."""
    report = json.loads((demo[0] / "report.json").read_text())
    *_, last = report["privacy"][0]["sample"]
    data = bytes.fromhex(last["octets"])
    host = re.search(rb"Host: (.*?)\r\n", data)[1]
    assert host.startswith(HOST.encode() + b":")
    assert data == (
        b"GET /metadata/2.root.json HTTP/1.1\r\nHost: %b\r\nAccept-Encoding: gzip\r\n\r\n"
        b"GET /metadata/timestamp.json HTTP/1.1\r\nHost: %b\r\nAccept-Encoding: gzip\r\n\r\n"
        % (host, host)
    )


def test_finding_shows_offending_bytes(demo):
    """A finding names the field, and its bytes are those of the planted value."""
    report = json.loads((demo[0] / "report.json").read_text())
    canaries = next(c for c in report["privacy"][1]["checks"] if c["name"] == "canaries")
    found = [finding for finding in canaries["findings"] if "imei" in finding["explanation"]]
    assert found
    offending = bytes.fromhex(found[0]["offending"])
    assert offending in bytes.fromhex(found[0]["octets"])


def test_page_is_self_contained(demo):
    """The page has no script, foreign address or other file; its picture is inline."""
    page = (demo[0] / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=(?!\"data:image/jpeg;base64,)|url\(|@import", page)
    assert "All 16 questions got the right answer" in page


def test_readme_commands_after_demo(demo, programs, tmp_path):
    """The server runs from the state that the demo leaves, with the root that the README names.

    A TUF client takes the place of the lab, which the demo has already run.
    """
    block = README.split("$ .venv/bin/hening-server run")[1].split("```")[0]
    run, lab = block.strip().splitlines()
    words = shlex.split(lab.removeprefix("$ .venv/bin/"))
    assert words[:4] == ["hening-device", "lab", "run", "--url"]
    assert shlex.split(run)[:2] == ["--state", "var/demo/server"]
    root = words[words.index("--root") + 1].replace("var/demo", str(demo[0]))
    stage = Stage(demo[0])
    stage.start_server()
    try:
        place = ("--metadata-url", f"http://127.0.0.1:{stage.port}/metadata")
        for command in (("init", root), ("refresh",)):
            subprocess.run(
                [
                    *(*programs.command("hening-device"), "tuf"),
                    *("--metadata-dir", tmp_path, *place, *command),
                ],
                check=True,
            )
    finally:
        stage.stop_server()
    assert (tmp_path / "timestamp.json").read_bytes() == (
        demo[0] / "server" / "public" / "metadata" / "timestamp.json"
    ).read_bytes()
