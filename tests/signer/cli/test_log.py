import hashlib
import json
import os
import subprocess
from datetime import timedelta

import pytest

from tests.cases import case
from tests.signer.audit.public_tree import NOW, make_tree

_TREE = make_tree()
_ONLINE = ("latest", "snapshot", "timestamp")


@pytest.fixture
def tree():
    """Return a valid public tree."""
    return _TREE.copy()


@pytest.fixture
def public(tree, tmp_path):
    """Write the tree to a folder."""
    return tree.write_to(tmp_path / "public")


@pytest.fixture
def arguments(public, tmp_path):
    """Return the arguments of a first audit."""
    root = tmp_path / "pinned.json"
    root.write_bytes((public / "metadata/1.root.json").read_bytes())
    memory = tmp_path / "log.memory"
    return ["log", "audit", "--mirror", public, "--memory", memory, "--root", root]


def test_two_audits(run, arguments, tree, public, tmp_path):
    """The output is a table; the memory is made and then used."""
    status, output, errors = run(*arguments, at=NOW)
    assert (status, errors) == (0, "")
    assert "entries read          9" in output
    assert output.endswith("Nothing is wrong; the memory is up to date.\n")
    tree.release("content")
    tree.write_to(public)
    status, output, errors = run(*arguments[:-2], at=NOW + timedelta(hours=1))
    assert (status, errors) == (0, "")
    assert "entries read          1" in output
    assert "earlier audit         9 entries, 2026-06-01 12:00:00 UTC" in output
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("log.memory", "pinned.json", "public")
    ]


def test_audit_as_json(run, arguments, tree):
    """One line, with the signed checkpoint."""
    status, output, _ = run(*arguments, "--json", at=NOW)
    value = json.loads(output)
    assert (status, output.count("\n")) == (0, 1)
    assert value == {
        "checkpoint": tree.files["/log/checkpoint"].decode(),
        "compared": 0,
        "entries_read": 9,
        "findings": [],
        "findings_total": 0,
        "from_size": 0,
        "is_first": True,
        "is_remembered": True,
        "listed": [],
        "listed_total": 0,
        "pending": [],
        "proofs": 7,
        "root_version": 1,
        "served": 9,
        "size": 9,
        "unlogged": [],
    }


def test_fork_is_not_remembered(run, arguments, tree, public, tmp_path):
    """The status is 1, both checkpoints are shown, and the memory stays."""
    assert run(*arguments, at=NOW)[0] == 0
    before = (tmp_path / "log.memory").read_bytes()
    first = tree.files["/log/checkpoint"].decode()
    tree.entries[5] = tree.entries[5].replace(b"content", b"cancro")
    tree.release("content")
    tree.write_to(public)
    status, output, errors = run(*arguments, at=NOW)
    assert status == 1
    assert errors == "hening-signer: 1 finding; the memory is as it was.\n"
    for line in (first + tree.files["/log/checkpoint"].decode()).splitlines():
        assert line in output
    status, output, _ = run(*arguments, "--json", at=NOW)
    value = json.loads(output)
    assert status == 1
    assert value["error"] == "1 finding; the memory is as it was."
    assert value["findings"][0]["kind"] == "equivocation"
    assert value["findings"][0]["evidence"]["checkpoints"][0] == first
    assert (tmp_path / "log.memory").read_bytes() == before


def test_pending_version_is_shown_with_its_age(run, arguments, tree, public):
    """The first time it is no finding; the second time it is one and is remembered."""
    tree.append_entry("armani", 3, b"soon")
    tree.write_log()
    tree.write_to(public)
    status, output, _ = run(*arguments, at=NOW)
    assert status == 0
    assert "armani  3        this audit" in output
    status, output, errors = run(*arguments, at=NOW + timedelta(days=0.5))
    assert status == 1
    assert "armani  3        the audit of 2026-06-01 12:00:00 UTC" in output
    assert errors == (
        "hening-signer: 1 finding, of which none contradicts the log; the memory is updated, so"
        " ask now and keep this output.\n"
    )
    status, output, _ = run(*arguments, "--json", at=NOW + timedelta(days=0.6))
    value = json.loads(output)
    assert (status, value["is_remembered"]) == (1, True)
    assert value["findings"][0]["kind"] == "pending"
    assert value["from_size"] == value["size"] == 10
    assert value["pending"] == [
        {"is_old": True, "role": "armani", "since": int(NOW.timestamp()), "version": 3}
    ]


@pytest.fixture
def repo(tree, tmp_path):
    """Write the tree's offline roles to a working folder."""
    folder = tmp_path / "repo" / "metadata"
    folder.mkdir(parents=True)
    for path, data in tree.files.items():
        name = path.removeprefix("/metadata/")
        if name != path and not any(f"{role}." in name for role in _ONLINE):
            (folder / name).write_bytes(data)
    return folder.parent


def test_log_matches_the_working_folder(run, arguments, repo):
    """Each version of each offline role is compared, also those of earlier audits."""
    assert run(*arguments, at=NOW)[0] == 0
    status, output, _ = run(*arguments, "--repo", repo, "--json", at=NOW)
    value = json.loads(output)
    # Root, targets, two versions of armani, one of cancro, tables and content.
    assert (status, value["compared"], value["unlogged"]) == (0, 7, [])


def test_foreign_version_is_found(run, arguments, tree, public, repo):
    """A version that the folder does not have is found, even if the memory has it."""
    tree.release("armani")
    tree.write_to(public)
    assert run(*arguments, at=NOW)[0] == 0
    status, output, errors = run(*arguments, "--repo", repo, "--list", "armani", at=NOW)
    assert status == 1
    text = "Entry 9 is armani 3, which the working folder does not have: it was made elsewhere."
    assert f"foreign {text}" in " ".join(output.split())
    assert errors == "hening-signer: 1 finding; the memory is as it was.\n"
    sha256s = [
        hashlib.sha256(tree.files[f"/metadata/{n}.armani.json"]).hexdigest() for n in (1, 2, 3)
    ]
    rows = [
        f"entry {index}\n  role     armani\n  version  {version}\n  sha256   {sha256}"
        for index, version, sha256 in zip((2, 7, 9), (1, 2, 3), sha256s, strict=True)
    ]
    assert "\n".join(["3 entries of armani", "\n\n".join(rows)]) in output
    value = json.loads(run(*arguments, "--repo", repo, "--json", at=NOW)[1])
    assert value["findings"] == [
        {
            "evidence": {"index": 9, "logged": sha256s[2], "role": "armani", "version": 3},
            "kind": "foreign",
            "text": text,
        }
    ]


def test_version_with_other_bytes_is_found(run, arguments, tree, repo):
    """The folder has the version with other bytes."""
    file = repo / "metadata" / "2.armani.json"
    logged = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(own := tree.make_role("armani", 2, days=20))
    status, output, _ = run(*arguments, "--repo", repo, "--json", at=NOW)
    assert status == 1
    (finding,) = json.loads(output)["findings"]
    assert finding["evidence"] == {
        "index": 7,
        "logged": logged,
        "role": "armani",
        "signed": hashlib.sha256(own).hexdigest(),
        "version": 2,
    }


def test_unsubmitted_version_is_reported(run, arguments, tree, repo):
    """It is not an error."""
    (repo / "metadata" / "3.armani.json").write_bytes(tree.make_role("armani", 3))
    status, output, _ = run(*arguments, "--repo", repo, at=NOW)
    assert status == 0
    assert "Signed and not logged: not submitted, refused, or on its way\n" in output
    assert "armani  3\n" in output
    value = json.loads(run(*arguments, "--repo", repo, "--json", at=NOW)[1])
    assert value["unlogged"] == [{"role": "armani", "version": 3}]


def test_listed_entries_are_limited(run, arguments, tree, public, monkeypatch):
    """The newest entries are shown, also of online roles."""
    monkeypatch.setattr("signer.audit.inquiry.MAX_LISTED", 100)
    tree.fill(198)
    tree.write_to(public)
    status, output, errors = run(*arguments, "--list", "latest", at=NOW)
    assert (status, errors) == (0, "")
    assert "200 entries of latest, of which the newest 100\n" in output
    value = json.loads(run(*arguments, "--list", "latest", "--json", at=NOW)[1])
    assert (value["listed_total"], len(value["listed"])) == (200, 100)
    assert value["listed"][-1]["version"] == 200


def test_failed_audit(run, arguments, tmp_path):
    """One sentence gives the reason, and no memory is made."""
    for change, more, status, sentence in (
        ({}, ("--repo", tmp_path / "public"), 1, "timestamp.json does not belong in a reposi"),
        ({}, ("--list", "no role"), 2, ""),
        ({3: tmp_path / "nowhere"}, (), 3, "does not exist"),
        ({3: "http://127.0.0.1:1"}, (), 3, "cannot be reached"),
        ({3: "https://updates.example/m"}, (), 2, "more than a scheme, a host and a port"),
        ({5: tmp_path / "no" / "log.memory"}, (), 3, "correct that"),  # after the whole audit
    ):
        changed = [change.get(place, word) for place, word in enumerate(arguments)]
        with case(change, more):
            got, _, errors = run(*changed, *more, at=NOW)
            assert (got, sentence in errors) == (status, True), errors
            assert not (tmp_path / "log.memory").exists()
    status, _, errors = run(*arguments[:-2], at=NOW)
    assert (status, "pin the root" in errors) == (1, True)


def test_memory_of_another_root(run, arguments, tree, tmp_path):
    """A memory is for one repository."""
    assert run(*arguments, at=NOW)[0] == 0
    (tmp_path / "pinned.json").write_bytes(tree.make_root(1, days=200))
    status, _, errors = run(*arguments, at=NOW)
    assert status == 1
    assert "began with another root" in errors


def test_long_logs_show_progress(run, arguments, tree, public, monkeypatch):
    """Without a terminal a line is printed for each thousand entries."""
    monkeypatch.setattr("signer.cli.log._LINE_EACH", 1_000)
    tree.fill(2_300)
    tree.write_to(public)
    status, _, errors = run(*arguments, at=NOW)
    assert status == 0
    assert errors.splitlines() == [
        "Reading the log: 1024 of 2309 entries",
        "Reading the log: 2048 of 2309 entries",
    ]


SCRIPT = """
import os, sys
from datetime import UTC, datetime
from signer.cli import main
from signer.cli.runtime import Runtime
sys.exit(main(sys.argv[1:], Runtime(datetime(2026, 6, 1, 12, tzinfo=UTC), os.urandom, {})))
"""


def test_progress_bar_on_a_terminal(forked, arguments, tree, public):
    """The bar is on standard error."""
    tree.fill(500)
    tree.write_to(public)
    end, other = os.openpty()
    done = subprocess.run(
        [*forked, SCRIPT, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=other,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
        check=False,
    )
    os.close(other)
    screen = os.read(end, 100_000)
    os.close(end)
    assert done.returncode == 0
    assert b"Reading the log" in screen
    assert done.stdout.endswith(b"Nothing is wrong; the memory is up to date.\n")
