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
from client_sim.device.records import lock_folder
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
def prove_package(tmp_path):
    """Return a function that proves a package, with the package of its source if given."""

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


def test_proof_of_a_full_package(prove_package, tmp_path):
    """The proof names package, certificate, prover, rules and the hash of each partition."""
    ota, told, done = Ota(SECOND), [], {}
    proof = prove_package(
        ota.data, say=told.append, progress=lambda *at: done.update({told[-1]: at})
    )
    assert {each.name: each.sha256 for each in proof.partitions} == _written(SECOND)
    assert (proof.sha256, proof.length) == (ota.sha256, len(ota.data))
    assert (proof.codename, proof.certificate, proof.prover) == ("armani", DER, "1.2.3")
    assert (proof.ways, proof.refusal, proof.source) == (("stream", "whole"), "", None)
    assert list(proof.rules) == json.loads(json_vector(14)[0])["rules"]
    # The second installation does not reuse what the first wrote into the slot.
    images = sum(path.stat().st_size for path in SECOND.images.values())
    assert done["Installing package.zip as a stream."] == (len(ota.data),) * 2
    assert done["Installing package.zip as a file."] == (images, images)
    assert not (tmp_path / "unfinished").exists()


def test_proof_of_an_incremental(prove_package):
    """The phone runs the source's build first, and the proof names the source's package."""
    source = Ota(SECOND)
    proof = prove_package(Ota(THIRD, SECOND).data, source.data)
    assert {each.name: each.sha256 for each in proof.partitions} == _written(THIRD)
    assert proof.source == ProvedSource(SECOND.fingerprint, source.sha256)
    assert (proof.ways, proof.refusal) == (("stream", "whole"), "")


def test_wrong_source_is_an_error(prove_package, tmp_path):
    """Without the right source no proof is begun, and the package is not refused."""
    for source, words in (
        (None, "package.zip is an incremental: give the full package"),
        ((FIRST, None), f"source.zip is of {FIRST.fingerprint}, and package.zip does not start"),
        ((SECOND, FIRST), "source.zip is an incremental; give the full package"),
    ):
        data = source and build_zip(*source)
        with case(words), pytest.raises(InstallError, match=re.escape(words)):
            prove_package(build_zip(THIRD, SECOND), data)
        assert not (tmp_path / "unfinished").exists()


def _bomb(draft):
    """Let the only operation of a full package unpack to 1 MiB."""
    data = lzma.compress(bytes(1 << 20), check=lzma.CHECK_CRC32)
    drafts.values(draft.manifest, 13)[0][:] = [each for each in draft.partition if each[0] != 8] + [
        drafts.bytes_of(8, drafts.operation(8, ((0, 4),), data))
    ]
    drafts.put(draft.manifest, 4, len(data))
    draft.blobs = data


def _promise_another_image(draft):
    """Promise another image than the operations write."""
    drafts.put(draft.partition, 7, drafts.info(drafts.OLD))


@pytest.mark.parametrize(
    ("lie", "words", "group"),
    [
        (_bomb, "An xz stream holds more than the 16384 bytes expected.", "data"),
        (_promise_another_image, "The new product is not what the package promises.", "images"),
    ],
)
def test_refusal_while_unpacking(prove_package, lie, words, group):
    """A package with valid hashes and signatures that a phone cannot install is refused."""
    draft = drafts.full()
    lie(draft)
    proof = prove_package(drafts.seal(draft).data)
    assert words in proof.refusal
    assert (proof.ways, proof.partitions, proof.rules[-1]) == (("stream",), (), group)


def test_incremental_of_another_image_is_refused(prove_package):
    """An incremental must start from the image that the source's package writes."""
    source = drafts.full()  # its image is not the one that the incremental starts from
    source.texts |= metadata_fields(Package(drafts.SOURCE))
    proof = prove_package(drafts.seal(drafts.step()).data, drafts.seal(source).data)
    assert "product is not the one that this incremental package starts from" in proof.refusal


def test_full_package_must_have_all_partitions_of_its_source(prove_package):
    """With a source, a full package is proved on a phone that has partitions already."""
    data = drafts.seal(drafts.full()).data
    assert prove_package(data).refusal == ""
    proof = prove_package(data, build_zip(drafts.SOURCE))
    assert proof.refusal == "The package leaves out the partition system of this phone."
    assert proof.rules[-1] == "phone"


def test_package_that_cannot_be_streamed(prove_package, monkeypatch):
    """Such a package is proved only as a whole file, as a phone would install it."""
    monkeypatch.setattr(prefix, "MAX_BEFORE_BYTES", 0)
    assert prove_package(build_zip(THIRD, SECOND), build_zip(SECOND)).ways == ("whole",)


def test_package_that_cannot_be_released(prove_package, tmp_path):
    """A package whose release a phone would not decode is an error, not a refusal."""
    draft = drafts.full()
    draft.texts["post-sdk-level"] = "0x1"
    with pytest.raises(InstallError, match=r"cannot be released: .*'sdk_level'") as refusal:
        prove_package(drafts.seal(draft).data)
    assert "any/any" not in str(refusal.value)
    with pytest.raises(InstallError, match="readable META-INF"):
        prove_package(b"no zip")
    assert not (tmp_path / "unfinished").exists()


class _StoppedError(Exception):
    """Stop the process here."""


def test_interrupted_proof_is_resumed(prove_package, tmp_path, monkeypatch):
    """Wherever a proof stops, the next one continues there, with the same result.

    It stops at each sentence, and at each fourth block.
    """
    monkeypatch.setattr(candidate, "BLOCK", 32 * 1024)
    arguments, steps = (build_zip(THIRD, SECOND), build_zip(SECOND)), []
    expected = prove_package(
        *arguments, say=steps.append, progress=lambda done, _: steps.append(done)
    )
    for last, step in enumerate(steps):
        if last % 4 and not isinstance(step, str):
            continue
        seen, again = [], []

        def stop(step, seen=seen, last=last):
            if len(seen) == last:
                raise _StoppedError
            seen.append(step)

        with pytest.raises(_StoppedError):
            prove_package(*arguments, say=stop, progress=lambda done, _, stop=stop: stop(done))
        proof = prove_package(
            *arguments, say=again.append, progress=lambda done, _, again=again: again.append(done)
        )
        assert proof == expected
        assert len(again) <= len(steps)
        for sentence, blocks in _streams(seen).items():
            # Reported blocks are durable, except for the last one.
            assert not set(blocks[:-1]) & set(_streams(again).get(sentence, ()))
    assert not (tmp_path / "unfinished").exists()


def _streams(steps):
    """Return the reported progress of each streamed installation."""
    found, sentence = {}, ""
    for step in steps:
        if isinstance(step, str):
            sentence = step
        elif "from which" in sentence or "as a stream" in sentence:
            found.setdefault(sentence, []).append(step)
    return found


def _interrupt(prove_package, *arguments):
    def stop(sentence):
        if "as a file" in sentence:
            raise _StoppedError

    with pytest.raises(_StoppedError):
        prove_package(*arguments, say=stop)


def test_proof_of_another_package_starts_anew(prove_package):
    """Phone and state of an unfinished proof are not used for another package."""
    _interrupt(prove_package, build_zip(SECOND))
    said = []
    proof = prove_package(build_zip(THIRD), say=said.append)
    assert {each.name: each.sha256 for each in proof.partitions} == _written(THIRD)
    assert any("as a stream" in sentence for sentence in said)


def test_folder_that_is_not_an_unfinished_proof(prove_package, tmp_path):
    """Such a folder is named and not emptied, and a folder in use is an error."""
    folder = tmp_path / "unfinished"
    _interrupt(prove_package, build_zip(SECOND))
    with lock_folder(folder, wait=False), pytest.raises(StateError, match="in use by another"):
        prove_package(build_zip(SECOND))
    (folder / "request.json").unlink()
    with pytest.raises(StateError, match="was not made by a proof"):
        prove_package(build_zip(SECOND))
    assert (folder / "phone").is_dir()


def test_package_that_changes_during_its_proof(prove_package, tmp_path):
    """The hashed bytes must be the installed bytes."""

    def change(sentence):
        if "as a file" in sentence:
            (tmp_path / "package.zip").write_bytes(build_zip(SECOND))

    with pytest.raises(StorageError, match="changed meanwhile"):
        prove_package(build_zip(SECOND), say=change)


def test_long_source_names_are_cut(prove_package):
    """A source's metadata may have 64 KiB and control characters of terminals."""
    source = drafts.full()
    source.texts["post-build"] = "\x1b[2J" + "x" * 50_000
    with pytest.raises(InstallError, match=r"is of \?\[2Jx+…, and") as caught:
        prove_package(drafts.seal(drafts.step()).data, drafts.seal(source).data)
    assert len(str(caught.value)) <= 300


def test_refused_before_the_package_is_read(prove_package, tmp_path):
    """A malformed certificate, and a named pipe, whose opening would wait for a writer."""
    with pytest.raises(InstallError, match="cannot be read"):
        prove_package(build_zip(SECOND), certificate=b"")
    path = tmp_path / "pipe.zip"
    os.mkfifo(path)
    request = Request(path, None, CERTIFICATE_FILE.read_bytes(), None, "1.2.3")
    with pytest.raises(InstallError, match="is not a regular file"):
        prove(request, tmp_path / "unfinished", say=lambda _: None)
