"""The questions about packages that are to be one release; each goes into the book, answered."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

from tuf.api.metadata import TargetFile

from server.core.floor import Floor
from server.core.release import Release
from signer.errors import ReleaseRefusal
from signer.ota.facts import OtaFacts
from signer.ota.sentences import show_name
from signer.release.changelog import check_locales, check_text
from signer.release.checks import (
    check_age,
    check_dates,
    check_patch_level,
    check_region,
    check_sources,
)
from signer.release.judgement import Book
from signer.release.order import ReleaseOrder
from signer.release.package_checks import Verdict, judge_package
from signer.release.proof import Proofs
from signer.release.sources import (
    ListedFulls,
    check_full_listed,
    check_left_out,
    check_same_partitions,
    check_source_bytes,
    find_full,
)


def judge_alone(
    book: Book, order: ReleaseOrder, facts: OtaFacts, first: OtaFacts, now: datetime
) -> None:
    """Judge a package by itself, and whether it leads to the build of `first`."""
    name = facts.path.name
    book.verdicts += judge_package(
        facts, order.channel.codename, allow_operations=order.allow_operations
    )
    book.ask(name, "is not from the future", check_dates, facts, now)
    if facts is not first:
        book.ask(name, "leads to the same build", _check_build, facts, first)


def judge_partitions(
    book: Book, packages: Sequence[OtaFacts], sources: Sequence[OtaFacts], listed: ListedFulls
) -> None:
    """Compare what the packages write: with their full package, else with the first of them."""
    question, build = "leads to the same partitions", packages[0].fingerprint
    full, elsewhere = find_full(build, packages), find_full(build, sources)
    if full is None and elsewhere is not None:
        name = elsewhere.path.name
        full = book.ask(name, "is the listed package", check_full_listed, elsewhere, listed)
    elif full is None:
        remark = "give this build's full package with --source"
        name = packages[0].path.name
        book.verdicts.append(Verdict(name, question, remark=remark, was_asked=False))
    reference = full or packages[0]
    for facts in packages:
        if facts is not reference:
            book.ask(facts.path.name, question, check_same_partitions, facts, reference)


def judge_beside(
    book: Book,
    order: ReleaseOrder,
    facts: OtaFacts,
    counter: int,
    releases: Mapping[str, Release],
    floor: Floor,
) -> None:
    """Judge a package beside what the model lists already, of any channel and region."""
    name = facts.path.name
    if any(release.fingerprint == facts.fingerprint for release in releases.values()):
        book.ask(name, "is for this region", check_region, facts, order.channel, releases)
    else:
        remark = f"a package does not say its region: make sure that it is {order.channel.region}"
        verdict = Verdict(name, "is for this region", remark=remark, was_asked=False)
        book.verdicts.append(verdict)
    book.ask(name, "is no older build", check_age, facts, counter, releases, floor)
    book.ask(name, "follows no newer patch level", check_patch_level, facts, counter, releases)


def judge_changelogs(
    book: Book, order: ReleaseOrder, targets: Sequence[TargetFile], known: Collection[str]
) -> None:
    """Judge what would be listed; a text among `known`, which the role has already, may stay."""
    asked: list[dict[str, str]] = []
    for target in targets:
        changelog = target.custom["changelog"]
        if changelog in asked:
            continue
        asked.append(changelog)
        subject = order.channel if len(asked) == 1 else target.path.rpartition("/")[2]
        book.ask(
            subject, "has every required locale", check_locales, changelog, order.required_locales
        )
        for locale, text in sorted(changelog.items()):
            if text not in known:
                book.ask(subject, f"has a changelog for {locale}", check_text, locale, text)


def judge_sources(
    book: Book,
    order: ReleaseOrder,
    facts: OtaFacts,
    counter: int,
    releases: Mapping[str, Release],
    sources: Sequence[OtaFacts],
    listed: ListedFulls,
) -> None:
    """Judge the builds that an incremental starts from, by their bytes where `sources` has them."""
    if not facts.source_builds:
        return
    name = facts.path.name
    book.ask(
        name, "starts from known builds", check_sources, facts, order.channel, counter, releases,
        order.factory_builds,
    )  # fmt: skip
    for source in facts.source_builds:
        question, full = f"starts from the bytes of {show_name(source)}", find_full(source, sources)
        if full is None:
            remark = "give that build's full package with --source"
            book.verdicts.append(Verdict(name, question, remark=remark, was_asked=False))
        else:
            book.ask(name, question, _check_source, facts, full, listed)


def judge_left_out(
    book: Book,
    proofs: Proofs,
    facts: OtaFacts,
    sources: Sequence[OtaFacts],
    listed: ListedFulls,
    before: AbstractSet[str],
) -> None:
    """Judge whether phones of a build `before` it find each of their partitions in the package.

    The role does not say which partitions a build has: its full package does, or a proof on it.
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
        book.ask(name, question, _check_left_out, facts, older, listed)
    if not olders:
        remark = "give the full package of the build before it with --source"
        if proved:
            remark = f"proved on {show_name(proved[0])}"
        elif not before and not facts.source_builds:
            remark = "no build of this region is listed before it"
        book.verdicts.append(Verdict(name, question, remark=remark, was_asked=bool(proved)))


def _check_build(facts: OtaFacts, first: OtaFacts) -> None:
    if facts.fingerprint != first.fingerprint:
        raise ReleaseRefusal(
            f"{facts.shown} leads to another build than {first.shown};"
            " sign the packages of each build in a run of their own."
        )


def _check_source(facts: OtaFacts, full: OtaFacts, listed: ListedFulls) -> None:
    check_source_bytes(facts, check_full_listed(full, listed))


def _check_left_out(facts: OtaFacts, full: OtaFacts, listed: ListedFulls) -> None:
    check_left_out(facts, check_full_listed(full, listed))
