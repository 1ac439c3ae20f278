"""A state of an older version with wide modes works, and `check` says how to narrow them."""

import json
import re
import subprocess

import pytest

from server.publisher.mirror.folder import MirrorFolder
from server.publisher.mirror.steps import export_mirror
from server.storage.local_blobs import LocalBlobs
from tests.server.world import PACKAGE_2


@pytest.fixture
def wide(world):
    """Return a server whose whole state others can read."""
    world.folder.settings.write_text('s3_secret = "canary"\ns3_key_id = "id"\n')
    for path in (world.folder.root, *world.folder.root.rglob("*")):
        is_key = path.suffix == ".pem"  # refused with wide modes, in both versions
        path.chmod(0o755 if path.is_dir() else 0o600 if is_key else 0o644)
    return world


def commands(run, state, *more):
    """Return the commands that `check` recommends."""
    status, out, _ = run("check", "--state", state, "--json", *more)
    errors = [row["error"] for row in json.loads(out) if row["error"]]
    assert status == bool(errors)
    return [re.search(r"run `(.*)`", error)[1] for error in errors]


def test_check_narrows_a_wide_state(run, wide):
    """A wide state can publish; the commands of `check` narrow it and leave no finding."""
    state = wide.folder.root
    assert wide.publish(wide.second_release(), [PACKAGE_2]).reason == ""
    found = commands(run, state)
    assert f"chmod 600 {wide.folder.settings}" in found
    assert f"chmod -R go-rwx {wide.folder.public}" in found
    for command in found:
        subprocess.run(command, shell=True, check=True)
    assert commands(run, state) == []
    assert [path for path in state.rglob("*") if path.stat().st_mode & 0o077] == []


def test_linked_mirror_stays_readable(run, wide, tmp_path):
    """The commands leave files that a mirror shares; `export` makes a narrowed one readable."""
    out, blobs = tmp_path / "mirror", LocalBlobs(wide.folder.blobs)
    export_mirror(wide.folder, blobs, MirrorFolder(out, link=True))
    for command in commands(run, wide.folder.root):
        subprocess.run(command, shell=True, check=True)
    assert commands(run, wide.folder.root) == []
    (package,) = out.glob("targets/armani/*/*/*.zip")
    assert package.stat().st_nlink == 2
    assert package.stat().st_mode & 0o777 == 0o644
    package.chmod(0o600)
    assert export_mirror(wide.folder, blobs, MirrorFolder(out, link=True)).written == 1
    assert package.stat().st_mode & 0o777 == 0o644
    assert export_mirror(wide.folder, blobs, MirrorFolder(out, link=True)).written == 0


def test_wide_backup_is_reported(run, wide, tmp_path):
    """A backup of a wide state is narrow; a wide backup is reported each time."""
    out = tmp_path / "backup"
    status, _, err = run("backup", "--state", wide.folder.root, "--out", out)
    assert (status, err) == (0, "")
    assert [path for path in (out, *out.rglob("*")) if path.stat().st_mode & 0o077] == []
    out.chmod(0o755)
    status, text, err = run("backup", "--state", wide.folder.root, "--out", out, "--json")
    assert (status, json.loads(text)["files"]) == (0, 0)
    warning = f"other users may read or change {out} (0755): run `chmod go-rwx {out}`.\n"
    assert err == f"hening-server: {warning}"
