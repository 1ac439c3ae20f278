import json
import os
import subprocess
import sys

from signer.cli import cli
from tests.cases import case
from tests.programs import walk

COMMANDS = {" ".join(path): path for path, _ in walk(cli)}


def test_help_ends_with_an_example(run) -> None:
    """Each command and group has a help text, whose last paragraph is an example."""
    for name, path in COMMANDS.items():
        with case(name):
            status, output, errors = run(*path, "--help")
            assert (status, errors) == (0, "")
            assert output.startswith("Usage: hening-signer")
            *_, last = output.rstrip().split("\n\n")
            example = " ".join(last.split())
            assert example.startswith(f"Example: hening-signer {name}".rstrip())


def test_wrong_usage_has_status_2(run) -> None:
    """It is explained on standard error."""
    for arguments in (
        ("nonsense",),
        ("keys", "new"),
        ("keys", "new", "root-1"),
        ("release", "list", "--repo", ".", "--codename", "Armani"),
        ("ota", "inspect", "/nonexistent.zip"),
    ):
        status, output, errors = run(*arguments)
        assert (status, output) == (2, "")
        assert "Error: " in errors
        assert "Traceback" not in errors


def test_failed_environment_has_status_3(run, keys, tmp_path, monkeypatch) -> None:
    """A full disk or a missing folder is not wrong usage."""

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    (tmp_path / "file").write_bytes(b"")
    correct = "correct that and run the command again."
    for arguments, sentence in (
        (("keys", "new", "dior-2", "--keys", keys), f"No space left on device; {correct}"),
        (
            ("keys", "new", "dior-2", "--keys", tmp_path / "file" / "keys"),
            f"{tmp_path}/file/keys: Not a directory; {correct}",
        ),
        (("keys", "list", "--keys", "no"), "The key folder no does not exist; make keys with"),
        (("release", "list", "--repo", "no"), "The working folder no does not exist; make one"),
    ):
        status, output, errors = run(*arguments, "--json")
        assert status == 3
        assert errors.startswith(f"hening-signer: {sentence}")
        assert json.loads(output) == {"error": errors.removeprefix("hening-signer: ").rstrip("\n")}


def test_unreadable_folder_has_status_3(run, repo, monkeypatch) -> None:
    """It is neither wrong usage nor an empty folder."""

    def deny(path=".", *_more):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.chdir(repo)
    # Modes do not restrict root, who may run the tests.
    monkeypatch.setattr(os, "access", lambda *_arguments, **_named: False)
    monkeypatch.setattr(os, "listdir", deny)
    monkeypatch.setattr(os, "scandir", deny)
    for arguments in (("keys", "list", "--keys", "."), ("release", "list", "--repo", ".")):
        status, output, errors = run(*arguments)
        assert (status, output) == (3, "")
        assert "Permission denied; correct that and run the command again." in errors


def test_interruption_has_status_130(run, monkeypatch, made_keys, tmp_path) -> None:
    """Control-C gives one sentence, which says how to go on if keys were made."""
    made = []

    def stop(*_arguments):
        raise KeyboardInterrupt

    def stop_later(size):
        made.append(size)
        return stop() if len(made) > 3 else os.urandom(size)  # key, salt and vector

    with monkeypatch.context() as patch:
        patch.setattr("signer.keys.keystore.Keystore.load_public_keys", stop)
        status, _, errors = run("keys", "list", "--keys", made_keys)
    assert (status, errors.lstrip("\n")) == (130, "hening-signer: Stopped.\n")
    new = ("keys", "new", "--keys", tmp_path / "keys", "root-1", "root-2")
    status, _, errors = run(*new, entropy=stop_later)
    assert (status, errors.lstrip("\n")) == (
        130,
        (
            "hening-signer: Stopped; `keys list` shows the keys that were made,"
            " so make only the others.\n"
        ),
    )
    assert {path.name for path in (tmp_path / "keys").iterdir()} == {"root-1.key", "root-1.pub"}


def test_interruption_before_submission(run, monkeypatch, sign_arguments, zips, incoming) -> None:
    """The version is recorded, so the same command completes it."""

    def stop(*_arguments):
        raise KeyboardInterrupt

    arguments = (*sign_arguments, "--unverified", zips["first"])
    with monkeypatch.context() as patch:
        patch.setattr("signer.bundle_writer.move_folder", stop)
        status, _, errors = run(*arguments)
    assert (status, errors.lstrip("\n")) == (
        130,
        "hening-signer: Stopped; run the same command again to finish.\n",
    )
    assert not any(incoming.iterdir())
    assert run(*arguments)[0] == 0
    assert any(incoming.iterdir())


def test_interruption_during_imports() -> None:
    """There is one line and no traceback."""
    script = """
import sys
class Stop:
    def find_spec(name, *more):
        if name == "signer.cli.runtime":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Stop)
from signer.cli import main
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (130, b"")
    assert done.stderr == b"hening-signer: Stopped.\n"
