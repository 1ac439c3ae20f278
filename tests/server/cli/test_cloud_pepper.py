"""`cloud pepper`: rotation, interruption at each step, and restoration from paper."""

import asyncio
import os
import shutil
import subprocess

import pytest
from click.testing import CliRunner

from server.cli import cli
from server.cloud.accounts.owners import NewOwner, add_owner, find_owner
from server.cloud.pepper.file import load_pepper
from server.cloud.pepper.rotation import choose_secrets
from server.cloud.storage import MIGRATIONS
from server.cloud.storage.models import Site
from server.storage.database import open_database
from server.storage.errors import StorageError

KILLED = "tests.server.cloud.killed"
#: Each step of a rotation, and the change before which the process ends.
STEPS = {
    "the next pepper is drawn and not written": "create .tmp-pepper",
    "the next pepper is written and not in its place": "rename .tmp-pepper > pepper",
    "the file names the next pepper and nothing is sealed under it": "commit accounts,site",
    "everything is sealed under the next pepper": "committed accounts,site",
    "the former pepper is forgotten nowhere": "create .tmp-pepper",
    "the file without the former pepper is not in its place": "rename .tmp-pepper > pepper",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a cloud with its pepper and one account. Tests must copy it, not change it."""
    root = tmp_path_factory.mktemp("made")
    words = ["--folder", str(root / "cloud"), "--pepper", str(root / "pepper"), "--region", "id"]
    assert CliRunner().invoke(cli, ["cloud", "init", *words]).exit_code == 0

    drawn = candidates(root)

    async def sign_up():
        async with open_database(root / "cloud/cloud.sqlite", migrations=MIGRATIONS) as database:
            async with database.begin() as db:
                db.add(Site(id=1, generation=b"1234"))
            secrets = await choose_secrets(database, drawn)
            async with database.begin() as db:
                key = bytes(32)
                owner = NewOwner("ani", "ani@localhost", key, key, b"wrap", key)
                await add_owner(db, secrets, owner, "A" * 22, 0, 0)

    asyncio.run(sign_up())
    return root


@pytest.fixture
def root(made, tmp_path):
    """Return a test's own copy of the cloud."""
    return shutil.copytree(made, tmp_path / "copy")


def candidates(root):
    """Return the secrets in the pepper's file."""
    return load_pepper(root / "pepper", os.geteuid()).candidates("id", os.urandom)


def is_whole(root):
    """Return whether a server that starts now knows the account and its pepper."""
    held = candidates(root)

    async def look():
        async with open_database(root / "cloud/cloud.sqlite", migrations=MIGRATIONS) as database:
            secrets = await choose_secrets(database, held)
            async with database() as db:
                return await find_owner(db, secrets, "ani"), await find_owner(db, secrets, "budi")

    found, unknown = asyncio.run(look())
    return found is not None and (found.name, found.wrap, unknown) == ("ani", b"wrap", None)


def words(root, command):
    """Return a command's arguments."""
    return ["cloud", "pepper", command, "--folder", f"{root}/cloud", "--pepper", f"{root}/pepper"]


def printed(output):
    """Return the printed lines for paper."""
    return [line for line in output.splitlines() if line.startswith("  ")]


def rotate(programs, root, last=0):
    """Rotate in a process that is killed before the change `last`; return status and changes."""
    changes = root.with_name(f"{root.name}.changes")
    command = ("python", "-m", KILLED, root, last, *words(root, "rotate"))
    with changes.open("wb") as output, programs.start(*command, output=output) as process:
        status = process.wait()
    return status, changes.read_text().splitlines()


def test_interrupted_rotation_is_completed(programs, root, tmp_path):
    """After any interruption a server can start, and the next run completes the rotation."""
    before = load_pepper(root / "pepper", os.geteuid())
    for last, change in enumerate(STEPS.values(), 1):
        copy = shutil.copytree(root, tmp_path / f"{last}")
        status, changes = rotate(programs, copy, last)
        assert (status, changes[-1]) == (-9, change)
        assert is_whole(copy)
        again = CliRunner().invoke(cli, words(copy, "rotate"))
        assert again.exit_code == 0, again.output
        after = load_pepper(copy / "pepper", os.geteuid())
        assert (after.pepper != before.pepper, after.following) == (True, None)
        assert after.salts == before.salts
        assert is_whole(copy)
    status, changes = rotate(programs, root)
    assert (status, changes) == (0, [*STEPS.values()])


def test_restore_from_paper(root):
    """The lines of the last rotation restore the pepper; earlier lines are refused."""
    old = CliRunner().invoke(cli, words(root, "rotate"))
    new = CliRunner().invoke(cli, words(root, "rotate"))
    before = (root / "pepper").read_bytes()
    there = CliRunner().invoke(cli, words(root, "restore"), "\n".join(printed(new.output)))
    assert "nothing was changed" in str(there.exception)
    (root / "pepper").unlink()
    wrong = CliRunner().invoke(cli, words(root, "restore"), "\n".join(printed(old.output)))
    assert "encrypted with another pepper" in str(wrong.exception)
    assert not (root / "pepper").exists()
    right = CliRunner().invoke(cli, words(root, "restore"), "\n".join(printed(new.output)))
    assert right.exit_code == 0, right.output
    assert (root / "pepper").read_bytes() == before
    assert (root / "pepper").stat().st_mode & 0o777 == 0o600
    assert is_whole(root)


@pytest.mark.needs("age")
def test_restore_from_an_age_file(root, tmp_path):
    """A rotation can print an age file instead of lines; an unusable key changes nothing."""
    key = tmp_path / "key"
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    recipient = subprocess.run(
        ["age-keygen", "-y", key], check=True, capture_output=True, text=True
    )
    before = (root / "pepper").read_bytes()
    wrong = CliRunner().invoke(cli, [*words(root, "rotate"), "--escrow-to", "age1wrong"])
    assert "is not an age key" in str(wrong.exception)
    assert (root / "pepper").read_bytes() == before
    new = CliRunner().invoke(cli, [*words(root, "rotate"), "--escrow-to", recipient.stdout.strip()])
    assert printed(new.output) == []
    sealed = new.output[new.output.index("-----BEGIN AGE") :].partition("-----END")[0]
    opened = subprocess.run(
        ["age", "--decrypt", "--identity", key],
        input=f"{sealed}-----END AGE ENCRYPTED FILE-----\n",
        check=True,
        capture_output=True,
        text=True,
    )
    before = (root / "pepper").read_bytes()
    (root / "pepper").unlink()
    right = CliRunner().invoke(cli, words(root, "restore"), opened.stdout)
    assert right.exit_code == 0, right.output
    assert (root / "pepper").read_bytes() == before


def test_pepper_of_another_cloud_is_refused(root, tmp_path):
    """With another cloud's pepper, neither file nor database is changed."""
    other = tmp_path / "other"

    made = ["--folder", str(other), "--pepper", str(tmp_path / "pepper"), "--region", "id"]
    assert CliRunner().invoke(cli, ["cloud", "init", *made]).exit_code == 0
    before = (tmp_path / "pepper").read_bytes()
    shutil.copy2(tmp_path / "pepper", root / "other")
    wrong = CliRunner().invoke(cli, [*words(root, "rotate")[:-1], f"{root}/other"])
    assert isinstance(wrong.exception, StorageError)
    assert (root / "other").read_bytes() == before
    assert is_whole(root)
