import hashlib
import json
import lzma
import os
import re
from dataclasses import replace

import pytest

from client_sim.device import candidate
from client_sim.device.candidate import ProvedSource
from client_sim.device.errors import InstallError, StateError, StorageError
from client_sim.device.prove import Request, prove
from client_sim.device.records import hold_folder
from client_sim.engine import prefix
from fixtures.build import build_zip
from fixtures.catalogue import Package, find_build
from fixtures.ota_writer import metadata_fields
from fixtures.signing import CERTIFICATE_FILE
from tests import package_drafts as drafts
from tests.cases import case
from tests.client_sim.device.formats_page import json_vector
from tests.client_sim.engine.streamed import Ota

FIRST, SECOND, THIRD = (find_build("armani", "id", number) for number in range(3))
DER = "c67ae561746db2d7324903b0fdedf9f9788398132593fbde0c8298e9386f2391"


@pytest.fixture
def ask(tmp_path):
    """Give a function that proves a package, from a source's where one is given."""

    def call(data, source=None, say=lambda _: None, progress=None, **changes):
        paths = []
        for name, content in (("package.zip", data), ("source.zip", source)):
            path = tmp_path / name
            if content is not None and not (path.exists() and path.read_bytes() == content):
                path.write_bytes(content)
            paths.append(None if content is None else path)
        request = Request(*paths, CERTIFICATE_FILE.read_bytes(), None, "1.2.3")
        return prove(
            replace(request, **changes), tmp_path / "unfinished", say=say, progress=progress
        )

    return call


def _written(build):
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in build.images.items()
    }


def test_a_full_package_is_installed_both_ways(ask, tmp_path):
    """The proof names package, certificate, prover, rules and every partition's hash."""
    ota, told, done = Ota(SECOND), [], {}
    proof = ask(ota.data, say=told.append, progress=lambda *at: done.update({told[-1]: at}))
    assert {each.name: each.sha256 for each in proof.partitions} == _written(SECOND)
    assert (proof.sha256, proof.length) == (ota.sha256, len(ota.data))
    assert (proof.codename, proof.certificate, proof.prover) == ("armani", DER, "1.2.3")
    assert (proof.ways, proof.refusal, proof.source) == (("stream", "whole"), "", None)
    assert list(proof.rules) == json.loads(json_vector(14)[0])["rules"]
    # The second does not find in the slot what the first has left there.
    images = sum(path.stat().st_size for path in SECOND.images.values())
    assert done["Installing package.zip as a stream."] == (len(ota.data),) * 2
    assert done["Installing package.zip as a file."] == (images, images)
    assert not (tmp_path / "unfinished").exists()


def test_an_incremental_is_installed_on_its_source(ask):
    """The phone runs the source's build first, and the proof says of which package."""
    source = Ota(SECOND)
    proof = ask(Ota(THIRD, SECOND).data, source.data)
    assert {each.name: each.sha256 for each in proof.partitions} == _written(THIRD)
    assert proof.source == ProvedSource(SECOND.fingerprint, source.sha256)
    assert (proof.ways, proof.refusal) == (("stream", "whole"), "")


def test_a_wrong_source_is_no_refusal_of_the_package(ask, tmp_path):
    """Without the right source there is nothing to prove, and nothing is begun."""
    for source, words in (
        (None, "package.zip is an incremental: give the full package"),
        ((FIRST, None), f"source.zip is of {FIRST.fingerprint}, and package.zip does not start"),
        ((SECOND, FIRST), "source.zip is an incremental; give the full package"),
    ):
        data = source and build_zip(*source)
        with case(words), pytest.raises(InstallError, match=re.escape(words)):
            ask(build_zip(THIRD, SECOND), data)
        assert not (tmp_path / "unfinished").exists()


def _bomb(draft):
    """Let the one operation of a full package unpack to 1 MiB."""
    data = lzma.compress(bytes(1 << 20), check=lzma.CHECK_CRC32)
    drafts.values(draft.manifest, 13)[0][:] = [each for each in draft.partition if each[0] != 8] + [
        drafts.bytes_of(8, drafts.operation(8, ((0, 4),), data))
    ]
    drafts.put(draft.manifest, 4, len(data))
    draft.blobs = data


def _lie(draft):
    """Promise another image than the operations write."""
    drafts.put(draft.partition, 7, drafts.info(drafts.OLD))


@pytest.mark.parametrize(
    ("lie", "words", "group"),
    [
        (_bomb, "An xz stream holds more than the 16384 bytes expected.", "data"),
        (_lie, "The new product is not what the package promises.", "images"),
    ],
)
def test_what_only_unpacking_shows_is_refused(ask, lie, words, group):
    """Every hash and signature of the package is right, and a phone could not install it."""
    draft = drafts.full()
    lie(draft)
    proof = ask(drafts.seal(draft).data)
    assert words in proof.refusal
    assert (proof.ways, proof.partitions, proof.rules[-1]) == (("stream",), (), group)


def test_a_lie_about_the_old_image_is_refused(ask):
    """An incremental from another image than the source's package writes is refused."""
    source = drafts.full()  # writes another image than the incremental starts from
    source.texts |= metadata_fields(Package(drafts.SOURCE))
    proof = ask(drafts.seal(drafts.step()).data, drafts.seal(source).data)
    assert "product is not the one that this incremental package starts from" in proof.refusal


def test_a_full_package_for_a_phone_that_runs_another_may_not_leave_a_partition_out(ask):
    """With a source a full package is proved on a phone that has partitions already."""
    data = drafts.seal(drafts.full()).data
    assert ask(data).refusal == ""
    proof = ask(data, build_zip(drafts.SOURCE))
    assert proof.refusal == "The package leaves out the partition system of this phone."
    assert proof.rules[-1] == "phone"


def test_what_cannot_be_streamed_is_proved_whole(ask, monkeypatch):
    """As a phone does that fetches such a package whole."""
    monkeypatch.setattr(prefix, "MAX_BEFORE_BYTES", 0)
    assert ask(build_zip(THIRD, SECOND), build_zip(SECOND)).ways == ("whole",)


def test_no_release_can_be_made(ask, tmp_path):
    """A package whose release a phone would not read is no package to prove."""
    draft = drafts.full()
    draft.texts["post-sdk-level"] = "0x1"
    with pytest.raises(InstallError, match=r"cannot be released: .*'sdk_level'") as refusal:
        ask(drafts.seal(draft).data)
    assert "any/any" not in str(refusal.value)
    with pytest.raises(InstallError, match="readable META-INF"):
        ask(b"no zip")
    assert not (tmp_path / "unfinished").exists()


class _StoppedError(Exception):
    """The process ends here."""


def test_an_interrupted_proof_goes_on(ask, tmp_path, monkeypatch):
    """Wherever it stops, the next one reads on there, and the proof is the same.

    It stops at every sentence, and at every fourth block.
    """
    monkeypatch.setattr(candidate, "BLOCK", 32 * 1024)
    arguments, steps = (build_zip(THIRD, SECOND), build_zip(SECOND)), []
    expected = ask(*arguments, say=steps.append, progress=lambda done, _: steps.append(done))
    for last, step in enumerate(steps):
        if last % 4 and not isinstance(step, str):
            continue
        seen, again = [], []

        def stop(step, seen=seen, last=last):
            if len(seen) == last:
                raise _StoppedError
            seen.append(step)

        with pytest.raises(_StoppedError):
            ask(*arguments, say=stop, progress=lambda done, _, stop=stop: stop(done))
        proof = ask(
            *arguments, say=again.append, progress=lambda done, _, again=again: again.append(done)
        )
        assert proof == expected
        assert len(again) <= len(steps)
        for sentence, blocks in _streams(seen).items():
            # What was told is durable but for the last block.
            assert not set(blocks[:-1]) & set(_streams(again).get(sentence, ()))
    assert not (tmp_path / "unfinished").exists()


def _streams(steps):
    """Return how far each streamed installation was told to be."""
    found, sentence = {}, ""
    for step in steps:
        if isinstance(step, str):
            sentence = step
        elif "from which" in sentence or "as a stream" in sentence:
            found.setdefault(sentence, []).append(step)
    return found


def _interrupt(ask, *arguments):
    def stop(sentence):
        if "as a file" in sentence:
            raise _StoppedError

    with pytest.raises(_StoppedError):
        ask(*arguments, say=stop)


def test_another_proof_does_not_go_on_with_the_folder(ask):
    """Neither the phone nor what it has passed is used for another package."""
    _interrupt(ask, build_zip(SECOND))
    said = []
    proof = ask(build_zip(THIRD), say=said.append)
    assert {each.name: each.sha256 for each in proof.partitions} == _written(THIRD)
    assert any("as a stream" in sentence for sentence in said)


def test_a_folder_of_something_else_stays(ask, tmp_path):
    """A folder in the way is named and not emptied; one in use is left alone."""
    folder = tmp_path / "unfinished"
    _interrupt(ask, build_zip(SECOND))
    with hold_folder(folder, waits=False), pytest.raises(StateError, match="in use by another"):
        ask(build_zip(SECOND))
    (folder / "request.json").unlink()
    with pytest.raises(StateError, match="was not made by a proof"):
        ask(build_zip(SECOND))
    assert (folder / "phone").is_dir()


def test_a_package_that_changes_meanwhile_proves_nothing(ask, tmp_path):
    """What was hashed must be what was installed."""

    def change(sentence):
        if "as a file" in sentence:
            (tmp_path / "package.zip").write_bytes(build_zip(SECOND))

    with pytest.raises(StorageError, match="changed meanwhile"):
        ask(build_zip(SECOND), say=change)


def test_what_a_source_calls_itself_is_cut(ask):
    """Its metadata may hold 64 KiB, and signs that move a terminal's cursor."""
    source = drafts.full()
    source.texts["post-build"] = "\x1b[2J" + "x" * 50_000
    with pytest.raises(InstallError, match=r"is of \?\[2Jx+…, and") as caught:
        ask(drafts.seal(drafts.step()).data, drafts.seal(source).data)
    assert len(str(caught.value)) <= 300


def test_what_is_told_before_anything_is_read(ask, tmp_path):
    """A certificate that is none; and a named pipe, whose opening would wait for its writer."""
    with pytest.raises(InstallError, match="cannot be read"):
        ask(build_zip(SECOND), certificate=b"")
    path = tmp_path / "pipe.zip"
    os.mkfifo(path)
    request = Request(path, None, CERTIFICATE_FILE.read_bytes(), None, "1.2.3")
    with pytest.raises(InstallError, match="is not a regular file"):
        prove(request, tmp_path / "unfinished", say=lambda _: None)
