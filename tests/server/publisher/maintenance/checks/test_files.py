"""`check` reports files whose mode lets others read or change them, one sentence per place."""

import os

import pytest

from server.publisher.maintenance.checks.files import describe_wide
from server.storage.bounded import TEMPORARY
from server.storage.durable import write_durable
from server.storage.layout import StateFolder


@pytest.fixture
def folder(tmp_path):
    """Return a state folder with one private file in each place."""
    folder = StateFolder(tmp_path / "state")
    for name in (
        *("keys/log.pem", "trusted/root.json", "incoming/ID/bundle.json", "results/ID.json"),
        *("uploads/ID", "staging/publication/plan.json", "blobs/ab/abcd", "hening.sqlite-wal"),
        *("public/metadata/timestamp.json", "hening.sqlite", "settings.toml", "publisher.lock"),
    ):
        write_durable(folder.root / name, b"")
    return folder


@pytest.mark.parametrize(
    ("name", "mode", "command"),
    [
        (".", 0o755, "chmod go-rwx {}"),
        ("incoming", 0o770, "chmod go-rwx {}/incoming"),
        ("hening.sqlite", 0o640, "chmod go-rwx {}/hening.sqlite"),
        ("hening.sqlite-wal", 0o604, "chmod go-rwx {}/hening.sqlite-wal"),
        ("publisher.lock", 0o602, "chmod go-rwx {}/publisher.lock"),
        ("keys", 0o711, "chmod -R go-rwx {}/keys"),
        ("trusted/root.json", 0o644, "chmod -R go-rwx {}/trusted"),
        ("results/ID.json", 0o644, "chmod -R go-rwx {}/results"),
        ("uploads/ID", 0o644, "chmod -R go-rwx {}/uploads"),
        ("staging/publication", 0o750, "chmod -R go-rwx {}/staging"),
        ("public/metadata/timestamp.json", 0o644, "chmod -R go-rwx {}/public"),
        (
            "blobs/ab/abcd",
            0o644,
            r"find {}/blobs/ \( -type d -o -links 1 \) -exec chmod go-rwx {{}} +",
        ),
    ],
)
def test_wide_mode_in_each_place(folder, name, mode, command):
    """One file with a wide mode is reported with its mode and the command for its place."""
    assert describe_wide(folder) == []
    (folder.root / name).chmod(mode)
    sentence = f"other users may read or change {folder.root / name} ({mode:04o}): run"
    assert describe_wide(folder) == [f"{sentence} `{command.format(folder.root)}`."]


def test_many_wide_files_are_counted(folder):
    """Of many files in one place, three are named and the others are counted."""
    for number in range(10):
        path = folder.results / f"{number}.json"
        path.touch()
        path.chmod(0o644)
    (sentence,) = describe_wide(folder)
    assert sentence.count("(0644)") == 3
    assert f"{folder.results / '2.json'} (0644) and 7 more: run" in sentence


def test_files_of_other_users_are_not_reported(folder):
    """Waiting bundles, links and settings are not reported: other users wrote them."""
    removed = folder.staging.with_name(f"{TEMPORARY}bundle")
    removed.mkdir(mode=0o755)
    (removed / "blobs").mkdir(mode=0o755)
    (folder.incoming / "ID").chmod(0o755)
    (folder.incoming / "ID" / "bundle.json").chmod(0o644)
    folder.settings.chmod(0o644)
    (folder.root / "public" / "link").symlink_to("metadata")
    assert describe_wide(folder) == []


@pytest.mark.parametrize(("mode", "named"), [(0o644, False), (0o664, True), (0o645, True)])
def test_blob_linked_into_a_mirror(folder, tmp_path, mode, named):
    """A blob that is hard-linked into a mirror may be readable, but not writable, for others."""
    blob = folder.blobs / "ab" / "abcd"
    os.link(blob, tmp_path / "mirrored")
    blob.chmod(mode)
    assert bool(describe_wide(folder)) is named


def test_command_is_quoted(tmp_path):
    """The command is quoted for the shell."""
    folder = StateFolder(tmp_path / "a state; rm")
    write_durable(folder.sqlite, b"")
    folder.root.chmod(0o755)
    (sentence,) = describe_wide(folder)
    assert f"chmod go-rwx '{folder.root}'`." in sentence


def test_missing_state_folder(tmp_path):
    """A missing state folder causes no finding."""
    assert describe_wide(StateFolder(tmp_path / "none")) == []
