"""Signer and phone agree on packages at each rule of docs/FORMATS.md section 14."""

import hashlib
import shutil
from contextlib import contextmanager

import pytest

from client_sim.engine import manifest as phone_manifest
from client_sim.engine import protobuf as phone_protobuf
from signer.ota import manifest, protobuf
from tests.cases import case
from tests.package_drafts import seal
from tests.package_judges import ask_of_manifest, ask_phone, ask_signer
from tests.package_readers import read_by_java, read_by_signer, read_by_unzip, read_by_zipfile
from tests.package_vectors import RULES

EMPTY = hashlib.sha256().hexdigest()
COUNTED = {
    "MAX_FIELDS": (protobuf, phone_protobuf),
    "MAX_PARTITIONS": (manifest, phone_manifest),
    "MAX_OPERATIONS": (manifest, phone_manifest),
    "MAX_EXTENTS": (manifest, phone_manifest),
}


def ask(rule, draft, folder):
    """Return the refusals of signer and phone for a draft; None for a side that accepts it."""
    if rule.of_manifest:
        return ask_of_manifest(draft)
    sealed = seal(draft)
    return ask_signer(sealed, folder)[0], ask_phone(sealed, folder)


@contextmanager
def lowered(rule):
    """Lower the limits of a rule on both sides."""
    with pytest.MonkeyPatch.context() as patch:
        for name, limit in rule.limits.items():
            for module in COUNTED[name]:
                patch.setattr(module, name, limit)
        yield


def test_accepted_at_limit(tmp_path):
    """The signer takes the package at the limit, and a phone installs it, streamed and whole."""
    for name, rule in RULES.items():
        folder = tmp_path / str(name)
        folder.mkdir()
        with case(name), lowered(rule):
            assert ask(rule, rule.accepted(), folder) == (None, None)
        shutil.rmtree(folder)


def test_refused_beyond_limit(tmp_path):
    """The signer refuses it in one sentence, and so does a phone if it has the rule, too."""
    for name, rule in RULES.items():
        folder = tmp_path / str(name)
        folder.mkdir()
        with case(name), lowered(rule):
            signer, phone = ask(rule, rule.refused(), folder)
            assert signer is not None
            assert signer.endswith(".")
            assert len(signer) <= 300
            assert (phone is None) == rule.by_signer
        shutil.rmtree(folder)


def test_limits_of_both_sides_are_equal():
    """The limits that the vectors lower are equal on both sides beforehand."""
    for name, (ours, theirs) in COUNTED.items():
        assert getattr(ours, name) == getattr(theirs, name), name


@pytest.fixture(scope="module")
def accepted(tmp_path_factory):
    """Write every package that signer and phone accept."""
    folder, found = tmp_path_factory.mktemp("accepted"), {}
    for name, rule in RULES.items():
        if not rule.of_manifest:
            path = folder / f"{name}.zip"
            path.write_bytes(seal(rule.accepted()).data)
            found[name] = path
    return found


def _with_folders(entries):
    """Return the entries with their folders, which an unpacker creates."""
    folders = {name[: at + 1] for name in entries for at, sign in enumerate(name) if sign == "/"}
    return dict.fromkeys(folders, EMPTY) | entries


def test_zipfile_reads_the_same(accepted):
    """Python's zipfile reads the same names and contents from accepted packages."""
    for name, path in accepted.items():
        data = path.read_bytes()
        assert read_by_zipfile(data) == read_by_signer(data), name


@pytest.mark.needs("unzip")
def test_unzip_reads_the_same(accepted, tmp_path):
    """Info-ZIP's unzip writes the same names and contents from accepted packages."""
    for name, path in accepted.items():
        found = read_by_unzip(path, tmp_path / name)
        assert found == _with_folders(read_by_signer(path.read_bytes())), name


@pytest.mark.needs("java")
def test_java_reads_the_same(accepted):
    """Java reads the same names and contents, in order, from accepted packages as a stream."""
    found = read_by_java(list(accepted.values()))
    for name, path in accepted.items():
        assert found[path] == read_by_signer(path.read_bytes()), name
