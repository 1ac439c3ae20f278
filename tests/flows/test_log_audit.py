"""An auditor checks a real server's log, over the network and from its folder."""

import json
import shutil
import subprocess

import pytest

from tests.flows.conftest import DirectStage, open_stage


class Auditor:
    """An auditor with the pinned root and stored state, which checks a mirror from time to time."""

    def __init__(self, stage):
        self.folder = stage.folder / "auditor"
        self.folder.mkdir()
        self.root = self.folder / "1.root.json"
        shutil.copy(stage.repo / "metadata" / "1.root.json", self.root)
        self.memory = self.folder / "log.memory"
        self.signer = stage.programs.command("hening-signer")

    def audit(self, mirror, *options):
        """Run the audit command and return its exit status and its JSON output."""
        done = subprocess.run(
            [
                *(*self.signer, "log", "audit", "--mirror", mirror, "--memory", self.memory),
                *("--json", *options),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


@pytest.fixture
def stage(ceremony, programs, tmp_path):
    """Open a stage whose server also serves its log."""
    with open_stage(DirectStage, ceremony, tmp_path, programs) as opened:
        yield opened


@pytest.fixture
def auditor(stage):
    """Return an auditor of the stage."""
    return Auditor(stage)


def test_audit_over_network(stage, auditor):
    """The first audit uses the pinned root, later ones the stored state; each release is found."""
    mirror = f"http://127.0.0.1:{stage.port}"
    status, first = auditor.audit(mirror, "--root", auditor.root)
    assert (status, first["findings"]) == (0, [])
    # Root, targets, armani, tables, content and the first latest.
    assert first["size"] == first["entries_read"] == first["served"] == first["proofs"] == 6
    stage.release(1)
    stage.rollout("offer", "--share", "100%")
    status, second = auditor.audit(mirror)
    assert (status, second["findings"], second["pending"]) == (0, [], [])
    assert second["from_size"] == 6
    assert second["size"] - second["entries_read"] == 6
    assert second["size"] == second["served"] >= 8
    # Root, targets, tables, content and two versions of armani are what the team signed.
    status, third = auditor.audit(mirror, "--repo", stage.repo, "--list", "armani")
    assert (status, third["compared"], third["unlogged"]) == (0, 6, [])
    assert [each["version"] for each in third["listed"]] == [1, 2]
    stage.stop_server()
    status, refusal = auditor.audit(mirror)
    assert status == 3
    assert "cannot be reached" in refusal["error"]


def test_audit_of_folders(stage, auditor):
    """The state stored from one mirror is valid for every other mirror of the same log."""
    public = stage.server_state / "public"
    assert auditor.audit(f"http://127.0.0.1:{stage.port}", "--root", auditor.root)[0] == 0
    stage.release(1)
    copy = shutil.copytree(public, stage.folder / "copy")
    status, value = auditor.audit(copy)
    assert (status, value["findings"]) == (0, [])
    # A stale copy is distinguished from a current one.
    stage.rollout("offer", "--share", "100%")
    assert auditor.audit(public)[0] == 0
    status, value = auditor.audit(copy)
    assert status == 1
    assert {finding["kind"] for finding in value["findings"]} == {"roll-back"}


def test_audit_finds_changed_role(stage, auditor):
    """Bytes that were changed after they were logged do not match their log entry."""
    public = stage.server_state / "public"
    assert auditor.audit(public, "--root", auditor.root)[0] == 0
    other = stage.repo / "metadata" / "1.armani.json"
    (public / "metadata" / "1.armani.json").write_bytes(other.read_bytes().replace(b"}", b"} ", 1))
    status, value = auditor.audit(public)
    assert status == 1
    assert "mismatch" in {finding["kind"] for finding in value["findings"]}
