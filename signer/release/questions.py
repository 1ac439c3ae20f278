"""Asks the questions about the packages of one release and collects the answers."""

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from tuf.api.metadata import TargetFile, Targets

from server.core.names import Channel
from server.core.release import Floor, Release
from signer.errors import ReleaseRefusal, refusing
from signer.ota.errors import MAX_SENTENCE, show_name, show_names
from signer.ota.metadata import BLOCK
from signer.ota.summary import OtaFacts
from signer.release.checks import (
    check_age,
    check_dates,
    check_patch_level,
    check_region,
    check_sources,
)
from signer.release.edits import check_locales, check_text
from signer.release.package_checks import Verdict, judge_package
from signer.release.proof import Proof, Proofs
from signer.release.request import ReleaseRequest
from signer.release.sources import (
    FullPackages,
    check_full_listed,
    check_left_out,
    check_same_partitions,
    check_source_bytes,
    find_full,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class JudgedRelease:
    """Every verdict, the counter, and the planned role; `planned` is None when refused.

    `releases` are those that the role would list, refused or not, if they can be decoded.
    """

    verdicts: tuple[Verdict, ...]
    counter: int
    releases: Mapping[str, Release]
    planned: Targets | None

    @property
    def refusals(self) -> tuple[str, ...]:
        """The refusals, in the order in which they were found."""
        return tuple(each.refusal for each in self.verdicts if each.refusal)


class Checklist:
    """Collects verdicts."""

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []

    def ask(
        self, subject: object, question: str, check: Callable[..., T], *arguments: object
    ) -> T | None:
        """Record the verdict of `check`; return its result, or None when it refuses.

        It refuses with a ReleaseRefusal, or an error of `server.core`.
        """
        try:
            with refusing(ReleaseRefusal):
                result = check(*arguments)
        except ReleaseRefusal as refusal:
            self.verdicts.append(Verdict(str(subject), question, str(refusal)))
            return None
        self.verdicts.append(Verdict(str(subject), question))
        return result

    def skip(self, subject: str, question: str, remark: str) -> None:
        """Record that a question cannot be answered, with the reason or what to do."""
        self.verdicts.append(Verdict(subject, question, remark=remark, was_asked=False))

    @property
    def is_clean(self) -> bool:
        """Whether there is no refusal so far."""
        return not any(each.refusal for each in self.verdicts)


def judge_alone(
    checklist: Checklist, request: ReleaseRequest, facts: OtaFacts, first: OtaFacts, now: datetime
) -> None:
    """Judge a package by itself, and whether it leads to the build of `first`."""
    name = facts.path.name
    checklist.verdicts += judge_package(
        facts, request.channel.codename, allow_operations=request.allow_operations
    )
    checklist.ask(name, "is not from the future", check_dates, facts, now)
    if facts is not first:
        checklist.ask(name, "leads to the same build", _check_build, facts, first)


def judge_partitions(
    checklist: Checklist,
    packages: Sequence[OtaFacts],
    sources: Sequence[OtaFacts],
    listed: FullPackages,
) -> None:
    """Check that all packages write the partitions of their full package, or of the first one.

    Without a full package in `packages`, the build's full package in `sources` is the reference.
    """
    question, build = "leads to the same partitions", packages[0].fingerprint
    full, elsewhere = find_full(build, packages), find_full(build, sources)
    if full is None and elsewhere is not None:
        name = elsewhere.path.name
        full = checklist.ask(name, "is the listed package", check_full_listed, elsewhere, listed)
    elif full is None:
        remark = "give this build's full package with --source"
        checklist.skip(packages[0].path.name, question, remark)
    reference = full or packages[0]
    for facts in packages:
        if facts is not reference:
            checklist.ask(facts.path.name, question, check_same_partitions, facts, reference)


def judge_against_releases(
    checklist: Checklist,
    request: ReleaseRequest,
    facts: OtaFacts,
    counter: int,
    releases: Mapping[str, Release],
    floor: Floor,
) -> None:
    """Judge a package against the model's existing releases of any channel and region."""
    name = facts.path.name
    if any(release.fingerprint == facts.fingerprint for release in releases.values()):
        checklist.ask(name, "is for this region", check_region, facts, request.channel, releases)
    else:
        remark = f"a package does not say its region: make sure that it is {request.channel.region}"
        checklist.skip(name, "is for this region", remark)
    checklist.ask(name, "is no older build", check_age, facts, counter, releases, floor)
    checklist.ask(name, "follows no newer patch level", check_patch_level, facts, counter, releases)


def judge_changelogs(
    checklist: Checklist,
    request: ReleaseRequest,
    targets: Sequence[TargetFile],
    known: Collection[str],
) -> None:
    """Judge the changelogs to be listed, except texts in `known`, which the role has already."""
    judged: list[dict[str, str]] = []
    for target in targets:
        changelog = target.custom["changelog"]
        if changelog in judged:
            continue
        judged.append(changelog)
        subject = request.channel if len(judged) == 1 else target.path.rpartition("/")[2]
        checklist.ask(
            subject, "has every required locale", check_locales, changelog, request.required_locales
        )
        for locale, text in sorted(changelog.items()):
            if text not in known:
                checklist.ask(subject, f"has a changelog for {locale}", check_text, locale, text)


def judge_sources(
    checklist: Checklist,
    request: ReleaseRequest,
    facts: OtaFacts,
    counter: int,
    releases: Mapping[str, Release],
    sources: Sequence[OtaFacts],
    listed: FullPackages,
) -> None:
    """Judge the builds that an incremental starts from, by their bytes if `sources` has them."""
    if not facts.source_builds:
        return
    name = facts.path.name
    checklist.ask(
        name, "starts from known builds", check_sources, facts, request.channel, counter, releases,
        request.factory_builds,
    )  # fmt: skip
    for source in facts.source_builds:
        question, full = f"starts from the bytes of {show_name(source)}", find_full(source, sources)
        if full is None:
            checklist.skip(name, question, "give that build's full package with --source")
        else:
            checklist.ask(name, question, check_source_bytes, facts, full, listed)


def judge_omitted_partitions(
    checklist: Checklist,
    proofs: Proofs,
    facts: OtaFacts,
    sources: Sequence[OtaFacts],
    listed: FullPackages,
    before: AbstractSet[str],
) -> None:
    """Judge whether the package has every partition of phones that run a build in `before`.

    The role does not list a build's partitions, so its full package or a proof on it is needed.
    """
    name, question = facts.path.name, "leaves no partition out"
    olders = [
        full
        for full in sources
        if full.fingerprint in (facts.source_builds or before) and full.type == "full"
    ]
    proved = [
        proof.source.fingerprint
        for proof in proofs.given
        if proof.sha256 == facts.sha256 and proof.source is not None and not proof.refusal
    ]
    for older in olders:
        checklist.ask(name, question, check_left_out, facts, older, listed)
    if not olders:
        remark = "give the full package of the build before it with --source"
        if proved:
            remark = f"proved on {show_name(proved[0])}"
        elif not before and not facts.source_builds:
            remark = "no build of this region is listed before it"
        checklist.verdicts.append(Verdict(name, question, remark=remark, was_asked=bool(proved)))


def _check_build(facts: OtaFacts, first: OtaFacts) -> None:
    if facts.fingerprint != first.fingerprint:
        raise ReleaseRefusal(
            f"{facts.shown} leads to another build than {first.shown};"
            " sign the packages of each build in a run of their own."
        )


_QUESTION = "installs on a phone"


def judge_proofs(
    checklist: Checklist,
    proofs: Proofs,
    channel: Channel,
    packages: Sequence[OtaFacts],
    sources: Sequence[OtaFacts],
    listed: FullPackages,
) -> None:
    """Judge each of `packages` by the reports about it, and whether each report is about one."""
    for facts in packages:
        name = facts.path.name
        found = [proof for proof in proofs.given if proof.sha256 == facts.sha256]
        if facts.ota_type == BLOCK:
            checklist.skip(name, _QUESTION, "it has no payload")
        elif not found and not proofs.is_required:
            remark = "not unpacked: give a report of `hening-device prove` with --proof"
            checklist.skip(name, _QUESTION, remark)
        else:
            checklist.ask(
                name, _QUESTION, _check_proofs, found, facts, channel, proofs, sources,
                listed,
            )  # fmt: skip
    if proofs.given:
        checklist.ask(channel, "needs every --proof", _check_proofs_used, proofs.given, packages)


def check_proof(
    proof: Proof,
    facts: OtaFacts,
    channel: Channel,
    proofs: Proofs,
    sources: Sequence[OtaFacts],
    listed: FullPackages,
) -> None:
    """Raise ReleaseRefusal unless `proof` says that the package `facts` installs."""
    name = facts.shown
    if proof.prover != proofs.version:
        raise ReleaseRefusal(
            f"{name} was proved by hening-device {proof.prover}, and this is hening-signer"
            f" {proofs.version}; prove it with the same version."
        )
    if proofs.certificate and proof.certificate != proofs.certificate:
        raise ReleaseRefusal(
            f"{name} was proved with another certificate; prove it with the one that --certificate"
            " names."
        )
    if proof.codename != channel.codename:
        raise ReleaseRefusal(
            f"{name} was proved for {proof.codename}; prove it with --codename {channel.codename}."
        )
    _check_proof_source(proof, facts, channel, proofs, sources, listed)
    if proof.refusal:
        sentence = f"A phone refuses {name}: {proof.refusal}"
        if len(sentence) > MAX_SENTENCE:
            sentence = f"{sentence[: MAX_SENTENCE - 1]}…"
        raise ReleaseRefusal(sentence)
    written = {each.name: (each.size, each.sha256) for each in proof.partitions}
    stated = {each.name: (each.size, each.sha256) for each in facts.partitions}
    if proof.length != facts.length or written != stated:
        raise ReleaseRefusal(
            f"The report on {name} gives another length or other partitions than the package has;"
            " prove it again."
        )


def _check_proofs(
    found: Sequence[Proof],
    facts: OtaFacts,
    channel: Channel,
    proofs: Proofs,
    sources: Sequence[OtaFacts],
    listed: FullPackages,
) -> None:
    if not found:
        raise ReleaseRefusal(
            f"policy.toml requires a proof that {facts.shown} installs: run"
            " `hening-device prove` on it, and give its report with --proof."
        )
    for proof in found:
        check_proof(proof, facts, channel, proofs, sources, listed)
    proved = {proof.source.fingerprint for proof in found if proof.source is not None}
    unproved = [build for build in facts.source_builds if build not in proved]
    if unproved:
        raise ReleaseRefusal(
            f"{facts.shown} also starts from {show_names(unproved)}, and was not proved on it;"
            " run `hening-device prove --source` with the full package of each of its builds."
        )


def _check_proof_source(
    proof: Proof,
    facts: OtaFacts,
    channel: Channel,
    proofs: Proofs,
    sources: Sequence[OtaFacts],
    listed: FullPackages,
) -> None:
    """Check that the package was proved on a build that phones have.

    A full package may be proved on any listed build before it, or on none if there is none.
    """
    name, source = facts.shown, proof.source
    if facts.type == "full":
        before = listed.before(facts.fingerprint, channel.region)
        if source is None and not (before and proofs.is_required):
            return
        if source is None or source.fingerprint not in before | listed.factory_builds:
            raise ReleaseRefusal(
                f"{name} was not proved on a listed build, so it could leave out a partition of"
                " phones: run `hening-device prove --source` with the full package of the build"
                " before it."
            )
    elif source is None or source.fingerprint not in facts.source_builds:
        raise ReleaseRefusal(
            f"{name} was proved on another build than it starts from: run `hening-device prove"
            " --source` with the full package of that build."
        )
    known = set(listed.of_build(source.fingerprint))
    full = find_full(source.fingerprint, sources)
    if full is not None:
        known.add(full.sha256)
    if known and source.sha256 not in known:
        raise ReleaseRefusal(
            f"{name} was proved on another package of {show_name(source.fingerprint)} than the"
            " listed one: run `hening-device prove --source` with that one."
        )


def _check_proofs_used(given: Sequence[Proof], packages: Sequence[OtaFacts]) -> None:
    hashes = {facts.sha256 for facts in packages}
    for proof in given:
        if proof.sha256 not in hashes:
            raise ReleaseRefusal(
                f"A report given with --proof is of a package with the sha256 {proof.sha256}, which"
                " is none of these; omit it, or prove the packages again."
            )
