"""Judges packages by the reports of `hening-device prove` about them."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from server.core.names import Channel
from signer.errors import ReleaseRefusal
from signer.ota.facts import OtaFacts
from signer.ota.metadata import BLOCK
from signer.ota.sentences import MAX_SENTENCE, show_name, show_names
from signer.release.judgement import Book
from signer.release.package_checks import Verdict
from signer.release.proof import Proof, Proofs
from signer.release.sources import ListedFulls, find_full

_QUESTION = "installs on a phone"


def judge_proofs(
    book: Book,
    proofs: Proofs,
    channel: Channel,
    packages: Sequence[OtaFacts],
    sources: Sequence[OtaFacts],
    listed: ListedFulls,
) -> None:
    """Judge each of `packages` by the reports about it, and whether each report is about one."""
    for facts in packages:
        name = facts.path.name
        found = [proof for proof in proofs.given if proof.sha256 == facts.sha256]
        if facts.ota_type == BLOCK:
            remark = "it has no payload"
            book.verdicts.append(Verdict(name, _QUESTION, remark=remark, was_asked=False))
        elif not found and not proofs.is_required:
            remark = "not unpacked: give a report of `hening-device prove` with --proof"
            book.verdicts.append(Verdict(name, _QUESTION, remark=remark, was_asked=False))
        else:
            book.ask(
                name, _QUESTION, _check_proofs, found, facts, channel, proofs, sources,
                listed,
            )  # fmt: skip
    if proofs.given:
        book.ask(channel, "needs every --proof", _check_proofs_used, proofs.given, packages)


def check_proof(
    proof: Proof,
    facts: OtaFacts,
    channel: Channel,
    proofs: Proofs,
    sources: Sequence[OtaFacts],
    listed: ListedFulls,
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
    before = listed.before(facts.fingerprint, channel.region)
    _check_source(proof, facts, sources, listed, before, is_required=proofs.is_required)
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
    listed: ListedFulls,
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
            f"{facts.shown} was not proved on {show_names(unproved)}, from which it starts, too;"
            " prove it with the full package of each of its builds by --source."
        )


def _check_source(
    proof: Proof,
    facts: OtaFacts,
    sources: Sequence[OtaFacts],
    listed: ListedFulls,
    before: AbstractSet[str],
    *,
    is_required: bool,
) -> None:
    """Check that the package was installed on the very build that phones have.

    A full package may be proved on any listed build before it; on none where there is none.
    """
    name, source = facts.shown, proof.source
    if facts.type == "full":
        if source is None and not (before and is_required):
            return
        if source is None or source.fingerprint not in before | listed.factory_builds:
            raise ReleaseRefusal(
                f"{name} was proved on a phone of no listed build, whose partitions it could leave"
                " out; prove it with the full package of the build before it by --source."
            )
    elif source is None or source.fingerprint not in facts.source_builds:
        raise ReleaseRefusal(
            f"{name} was proved on another build than it starts from; prove it with the full"
            " package of that build by --source."
        )
    known = set(listed.of_build(source.fingerprint))
    full = find_full(source.fingerprint, sources)
    if full is not None:
        known.add(full.sha256)
    if known and source.sha256 not in known:
        raise ReleaseRefusal(
            f"{name} was proved on another package of {show_name(source.fingerprint)} than the"
            " listed one; prove it with that one by --source."
        )


def _check_proofs_used(given: Sequence[Proof], packages: Sequence[OtaFacts]) -> None:
    hashes = {facts.sha256 for facts in packages}
    for proof in given:
        if proof.sha256 not in hashes:
            raise ReleaseRefusal(
                f"A report given with --proof is of a package with the sha256 {proof.sha256}, which"
                " is none of these; leave it away, or prove the packages again."
            )
