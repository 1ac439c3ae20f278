"""Proof by installation: installs a package on a throw-away phone by the phone's own rules.

    1 the phone: empty, or with the build of the source's full package, installed and booted
    2 the package installed as a stream, if it can be
    3 the package installed as a file, into the emptied slot

Phones of the model that run the source's build can install a package that passes both. After an
interruption the same call continues: steps 1 and 2 after the last durable block, step 3 from its
start.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from client_sim.device.candidate import (
    MAX_REFUSAL,
    Candidate,
    InstallMode,
    Proof,
    ProvedSource,
    opened_candidate,
    shorten,
)
from client_sim.device.errors import InstallError, StateError, engine_refuses
from client_sim.device.records import lock_folder, replace_file
from client_sim.device.release import Release
from client_sim.device.update import Report, expect
from client_sim.engine.apply import PartitionResult, Progress
from client_sim.engine.errors import EngineError, NotStreamableError, SlotError
from client_sim.engine.install import install_package, install_stream
from client_sim.engine.manifest_checks import Note, RecordedRules, Rules, note_nothing
from client_sim.engine.signatures import hash_certificate
from client_sim.engine.slots import Slots
from client_sim.world import BuildFacts

_REQUEST: Final = "request.json"
_PHONE: Final = "phone"
_STREAMED: Final = "streamed"  # exists if the package was installed as a stream
# A temporary file, which a crash can leave while the first request is written.
_LEFTOVERS: Final = {f".{_REQUEST}.new"}


@contextmanager
def _opened_proof(directory: Path, request: bytes) -> Iterator[None]:
    """Open the folder of the proof of `request`; it is removed when the block ends without error.

    Raises StateError if another process uses the folder, or if it belongs to something else.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with lock_folder(directory, wait=False) as is_locked:
        if not is_locked:
            raise StateError(f"{directory} is in use by another proof; wait until it has ended.")
        _begin(directory, request)
        yield
        shutil.rmtree(directory)


def _begin(directory: Path, request: bytes) -> None:
    path, phone, discarded = (directory / name for name in (_REQUEST, _PHONE, "over"))
    if not path.exists() and any(each.name not in _LEFTOVERS for each in directory.iterdir()):
        raise StateError(f"{directory} exists and was not made by a proof; remove or rename it.")
    if discarded.exists():
        shutil.rmtree(discarded)
    if path.exists() and path.read_bytes() != request:
        # The record of progress is removed first. The rename removes the phone in one step, so that
        # a crash leaves no part of it.
        (directory / _STREAMED).unlink(missing_ok=True)
        if phone.exists():
            phone.rename(discarded)
            shutil.rmtree(discarded)
    replace_file(path, request)


# A placeholder for no build: every package is newer, and it has no partition to be missing.
_NO_BUILD: Final = BuildFacts("", "", 0, 0, "")


@dataclass(frozen=True, slots=True)
class Request:
    """The claim to prove: a package installs on a model, from a source's build or from none.

    `certificate` is the PEM certificate in the phone's image; `codename` None stands for the only
    model that the package names. `prover` is the version of this program.
    """

    package: Path
    source: Path | None
    certificate: bytes
    codename: str | None
    prover: str


def prove(
    request: Request, directory: Path, *, say: Report, progress: Progress | None = None
) -> Proof:
    """Install a package on a phone in `directory`, which is removed afterwards; return the proof.

    If the phone refuses the package, the proof contains the refusal. Raises InstallError if the
    package cannot become a release or the source is not the right one, StorageError or OSError if
    the disk failed, StateError if `directory` cannot be used.
    """
    with ExitStack() as stack:
        with engine_refuses():
            certificate = hash_certificate(request.certificate)
        package = _open(stack, request.package, say, progress)
        codename = request.codename or package.find_codename()
        release = package.state_release(codename)
        source, proved_source = None, None
        if request.source is not None:
            source = _open(stack, request.source, say, progress)
            _check_source(release, package, source)
            proved_source = ProvedSource(source.state_release(codename).fingerprint, source.sha256)
        elif release.type == "incremental":
            raise InstallError(
                f"{package.path.name} is an incremental: give the full package of the build that it"
                " starts from with --source."
            )
        identity = json.dumps(
            [package.sha256, source and source.sha256, certificate, codename, request.prover]
        ).encode()
        stack.enter_context(_opened_proof(directory, identity))
        slots = Slots(directory / _PHONE)
        run = _Run(slots, directory / _STREAMED, request.certificate, codename, say, progress)
        if not slots.is_flashed:
            slots.flash_factory({}, _NO_BUILD)
        if source is not None:
            run.install_source(source)
        attempts = run.try_modes(package, release)
        for each in (package, source):
            if each is not None:
                each.check_unchanged()
        return Proof(
            certificate=certificate,
            codename=codename,
            length=package.length,
            partitions=attempts.partitions,
            prover=request.prover,
            refusal=shorten(attempts.refusal, MAX_REFUSAL),
            rules=attempts.rules,
            sha256=package.sha256,
            source=proved_source,
            ways=attempts.ways,
        )


@dataclass(frozen=True, slots=True)
class _Attempts:
    """The installations that were tried; the last one's rules, refusal and partitions."""

    ways: tuple[InstallMode, ...]
    rules: tuple[Rules, ...]
    refusal: str = ""
    partitions: tuple[PartitionResult, ...] = ()


@dataclass(frozen=True, slots=True)
class _Run:
    """State that all installations of a proof share.

    The file `streamed` exists if the package was installed as a stream.
    """

    slots: Slots
    streamed: Path
    certificate: bytes
    codename: str
    say: Report
    progress: Progress | None

    def install_source(self, source: Candidate) -> None:
        """Install and boot the build of the full package `source`, unless it runs already."""
        slots, release, state = self.slots, source.state_release(self.codename), self.slots.state
        if state.slots[state.running].package != source.sha256:
            self.say(f"Installing {source.path.name}, from which the package starts.")
            with engine_refuses():
                try:
                    self._stream(source, release)
                except NotStreamableError:
                    self._install(source, release)
                source.check_unchanged()
                slots.switch()
                slots.boot(lambda _: True)
        slots.mark_successful()

    def try_modes(self, package: Candidate, release: Release) -> _Attempts:
        """Install the package as a stream and as a file, up to the first refusal."""
        name, modes, recorded = package.path.name, list[InstallMode](), RecordedRules()
        try:
            if self.streamed.exists():
                modes.append("stream")
            else:
                self.say(f"Installing {name} as a stream.")
                try:
                    self._stream(package, release, recorded)
                except NotStreamableError as reason:
                    self.say(str(reason))
                except EngineError:
                    modes.append("stream")
                    raise
                else:
                    modes.append("stream")
                    replace_file(self.streamed, b"")
            modes.append("whole")
            recorded = RecordedRules()
            self.say(f"Installing {name} as a file.")
            # Otherwise the streamed build in the slot would count as installed.
            self.slots.begin_update()
            partitions = self._install(package, release, recorded)
        except SlotError as error:
            where = self.slots.directory
            raise StateError(f"The phone in {where} is damaged; remove it: {error}") from error
        except EngineError as error:
            return _Attempts(tuple(modes), recorded.groups, str(error))
        return _Attempts(tuple(modes), recorded.groups, partitions=partitions)

    def _stream(
        self, candidate: Candidate, release: Release, note: Note = note_nothing
    ) -> tuple[PartitionResult, ...]:
        expected = expect(release, candidate.sha256, self.certificate, self.codename)
        return install_stream(candidate, self.slots, expected, progress=self.progress, note=note)

    def _install(
        self, candidate: Candidate, release: Release, note: Note = note_nothing
    ) -> tuple[PartitionResult, ...]:
        candidate.file.seek(0)
        expected = expect(release, candidate.sha256, self.certificate, self.codename)
        return install_package(
            candidate.file, self.slots, expected, progress=self.progress, note=note
        )


def _open(stack: ExitStack, path: Path, say: Report, progress: Progress | None) -> Candidate:
    say(f"Hashing {path.name}.")
    return stack.enter_context(opened_candidate(path, progress))


def _check_source(release: Release, package: Candidate, source: Candidate) -> None:
    """Check that the phone can run the source's build; raises InstallError."""
    if source.metadata.is_incremental:
        raise InstallError(
            f"{source.path.name} is an incremental; give the full package of its build with"
            " --source."
        )
    build = source.metadata.values.get("post-build", "")
    if release.type == "incremental" and build not in release.source_builds:
        raise InstallError(
            f"{shorten(source.path.name)} is of {shorten(build, 100)}, and"
            f" {shorten(package.path.name)} does not start from that build; give another --source."
        )
