"""The how-tos for existing Updater apps, and hening's own phones on a server with dialects."""

import os
import sys
from pathlib import Path

from click.testing import CliRunner

import client_sim.cli
from client_sim.compat.checking import check_deployment
from client_sim.compat.http_client import AppPhone, HttpSite
from tests.flows.shell import read_console, run_script
from tests.flows.test_split import split
from tests.ports import free_ports

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PAGE = (ROOT / "docs" / "how-to" / "existing-updater-apps.md").read_text(encoding="utf-8")


def test_existing_updater_apps_page(programs, tmp_path):
    """The pages lead from a zip to a server whose offers the readers fetch, resume and verify."""
    lines = [line.removeprefix("$ ") for line in read_console(PAGE)]
    script = "\n".join(["set -em", "trap 'kill %1 2> /dev/null' EXIT", *lines])
    # aiohttp reads SSL_CERT_FILE when it is imported, and a forked program has already imported it.
    script = script.replace("hening-server run", f"{BIN}/hening-server run")
    for shown, port in zip(("8080", "8443"), free_ports(2), strict=True):
        script = script.replace(shown, str(port))
    environment = {
        "HENING": str(ROOT),
        "HOME": str(tmp_path / "home"),
        "LC_ALL": "C.UTF-8",
        "PATH": f"{programs.path}:{BIN}:{os.environ['PATH']}",
    }
    output = run_script(script, tmp_path, environment)
    new, rom = (tmp_path / "new.zip").read_bytes(), tmp_path / "rom"
    for name in ("one", "two", "three", "four", "five"):
        assert (rom / f"{name}.zip").read_bytes() == new, name
    assert output.count("Fetched and verified: ") == 6
    assert "With a dialect the fleet is not one anonymity set" in output
    assert "With a dialect the fleet is not one anonymity set" in (rom / "server.log").read_text()
    assert "alarm" not in (rom / "server.log").read_text()
    assert list((rom / "dialects" / "files" / "graphene").glob("armani-nightly"))


def test_lab_passes_server_with_dialects(stage):
    """PRIVACY's claims for hening's own phones hold while the server answers the apps.

    They also hold where latest is split, as it is here.
    """
    stage.release(1)
    stage.rollout("offer", "--share", "100%")
    split(stage, 16)
    stage.stop_server()
    stage.speak_dialects()
    stage.start_server("--gate", "strict", "--workers", "1")
    url = f"http://updates.hening.example:{stage.port}"
    root = stage.repo / "metadata" / "1.root.json"
    verdict = CliRunner().invoke(
        client_sim.cli.cli, ["lab", "run", "--url", url, "--root", str(root), "--pairs", "1"]
    )
    assert verdict.exit_code == 0, verdict.output
    base, phone = f"http://127.0.0.1:{stage.dialects}", AppPhone("armani", channel="nightly")
    found = check_deployment(HttpSite(), "graphene", base, phone, None, stage.folder / "a.zip")
    assert found["offer"]["version"] == "1.1.0-id"
    assert found["fetched"] == "a.zip"
    assert stage.phone("beside").poll().offer.counter
