"""Packs from their sources through a running server to phones, which get exactly what was built."""

import json
import shutil
import urllib.request

import pytest

from server.core.content.part import join_parts
from tests.flows.conftest import DirectStage, open_stage
from tests.patience import PATIENCE

SHARE = "2026-01-01T00:00Z=10%"


@pytest.fixture
def stage(ceremony, programs, tmp_path):
    """Open a stage with the direct gate."""
    with open_stage(DirectStage, ceremony, tmp_path, programs) as opened:
        yield opened


def publish(stage, *arguments):
    """Sign with all available keys and wait until the server has published it."""
    told = stage.signer(
        *("content", *arguments, "--repo", stage.repo, "--keys", stage.keys),
        *("--out", stage.incoming),
    )
    stage.submitted += 1
    assert {each["status"] for each in stage.wait_for_results(stage.submitted)} == {"published"}
    return told


def fetch(stage, path):
    """Return the server's answer."""
    with urllib.request.urlopen(f"http://127.0.0.1:{stage.port}{path}", timeout=PATIENCE) as answer:
        return answer.read()


def fetch_pack(stage, role, version, kind):
    """Return a pack's entries as a phone would read them, and the hashes of its parts."""
    signed = json.loads(fetch(stage, f"/metadata/{version}.{role}.json"))["signed"]
    found = {
        path: target["hashes"]["sha256"]
        for path, target in sorted(signed["targets"].items())
        if path.startswith(f"{role}/{kind}/")
    }
    parts = [
        fetch(stage, f"/targets/{role}/{kind}/{sha256}.{path.rpartition('/')[2]}")
        for path, sha256 in found.items()
    ]
    return join_parts(kind, parts), [*found.values()]


def test_two_versions_of_a_pack(stage):
    """A second version sends only the changed parts; a new share or end of a pack sends none."""
    first, second = stage.folder / "emergency-1", stage.folder / "emergency-2"
    stage.signer("content", "build", "emergency", "--out", first)
    publish(stage, "release", first, "--rollout", SHARE)
    entries = json.loads((first / "entries.json").read_text())
    served, parts = fetch_pack(stage, "tables", 2, "emergency")
    assert served == entries
    assert "112" in served["ID"]["numbers"]
    edited = shutil.copytree(first, stage.folder / "edited")
    (edited / "entries.json").write_text(
        json.dumps(entries | {"ID": {"exact": True, "numbers": ["110", "112"]}})
    )
    stage.signer(
        *("content", "build", "emergency", "--edited", edited, "--base", first, "--out", second)
    )
    told = stage.signer("content", "diff", first, second)
    assert (told["added"], told["changed"], told["parts"]) == ([], ["ID"], [0])
    told = publish(stage, "release", second)
    assert "1 of 4 parts change" in told["roles"][0]["changes"][0]
    bundle = stage.incoming.parent / "results" / f"{told['bundle']}.json"
    assert json.loads(bundle.read_text())["status"] == "published"
    served, later = fetch_pack(stage, "tables", 3, "emergency")
    assert served["ID"] == {"exact": True, "numbers": ["110", "112"]}
    assert [a == b for a, b in zip(parts, later, strict=True)] == [False, True, True, True]
    publish(stage, "schedule", "emergency", "--rollout", "2026-01-01T00:00Z=100%")
    publish(stage, "withdraw", "emergency")
    listed = stage.signer("content", "list", "--repo", stage.repo)["packs"]
    assert [(each["kind"], each["version"], each["withdrawn"]) for each in listed] == [
        ("emergency", 2, [2])
    ]
    assert fetch_pack(stage, "tables", 5, "emergency") == (served, later)
