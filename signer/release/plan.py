"""Decides what the next version of a codename role lists, and says every reason against it.

Source: docs/FORMATS.md section 3. Pure: from the current version, inspected packages and an order.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from tuf.api.metadata import TargetFile, Targets

from server.core.floor import Floor, decode_floor
from server.core.names import decode_channel, decode_release_path
from server.core.release import Release, decode_release, decode_releases
from signer.errors import ReleaseRefusal, refusing
from signer.ota.facts import OtaFacts
from signer.release.changelog import check_locales, check_text
from signer.release.checks import (
    check_age,
    check_full,
    check_incrementals,
    check_patch_level,
    check_region,
    check_sources,
    check_way,
)
from signer.release.edit import next_role
from signer.release.judgement import Book, JudgedRelease, Judgement
from signer.release.order import (
    ReleaseOrder,
    choose_counter,
    choose_min_counter,
    known_changelog,
    next_counter,
)
from signer.release.package_checks import judge_package
from signer.release.sources import check_source_bytes, check_sources_used, find_full
from signer.release.target import make_release


def plan_release(
    order: ReleaseOrder,
    packages: Sequence[OtaFacts],
    current: Targets,
    expires: datetime,
    sources: Sequence[OtaFacts] = (),
) -> Targets:
    """Return the next version of the role with `packages`, all of one build, listed in it.

    Targets that are there already stay as they are, unknown members included. Raises
    ReleaseRefusal with the first sentence that `judge_release` has against it. The result equals
    `current` but for version and expiry when everything is listed.
    """
    judged = judge_release(order, packages, current, expires, sources)
    if judged.planned is None:
        raise ReleaseRefusal(judged.refusals[0])
    return judged.planned


def judge_release(
    order: ReleaseOrder,
    packages: Sequence[OtaFacts],
    current: Targets,
    expires: datetime,
    sources: Sequence[OtaFacts] = (),
) -> JudgedRelease:
    """Return the answer to every question about `packages` as the next release of their model.

    `sources` are full packages of builds that incrementals start from, to compare bytes with.
    Raises ReleaseRefusal when there is nothing to judge: no package, or a role or channel that
    cannot be read.
    """
    if not packages:
        raise ReleaseRefusal("No package is given; name at least one zip.")
    with refusing(ReleaseRefusal):
        decode_channel(str(order.channel))
        releases = decode_releases(current)
        floor = decode_floor(current)
    channel, fingerprint, book = order.channel, packages[0].fingerprint, Book()
    book.ask(channel, "names each package once", _check_names, packages)
    for facts in packages:
        _judge_alone(book, order, facts, packages[0])
    chosen = book.ask(
        channel, "has a counter that grows", choose_counter, order, fingerprint, releases, floor
    )
    counter = chosen or next_counter(fingerprint, releases, floor)
    for facts in packages:
        _judge_beside(book, order, facts, counter, releases, floor)
        _judge_sources(book, order, facts, counter, releases, [*packages, *sources])
    if sources:
        book.ask(channel, "needs every --source", check_sources_used, packages, sources)
    stone = book.ask(
        channel, "has one stepping stone", choose_min_counter, channel, order.min_counter, counter,
        releases,
    )  # fmt: skip
    changelog = dict(order.changelog) or known_changelog(counter, releases)
    _judge_changelog(book, order, changelog)
    targets, listed = dict(current.targets), dict(releases)
    for facts in packages:
        path, name = f"{channel}/{facts.path.name}", facts.path.name
        known = targets.get(path)
        if known is not None:
            book.ask(name, "keeps the bytes of its path", _check_same_bytes, path, known, facts)
        targets[path] = make_release(order, facts, counter, stone or 0, changelog, known)
        release = book.ask(name, "can be listed", _read, path, targets[path])
        if release is not None:
            listed[path] = release
    for question, check in (
        ("has one full package", check_full),
        ("has at most two incrementals", check_incrementals),
        ("can be reached by every build", check_way),
    ):
        book.ask(channel, question, check, channel, counter, listed)
    planned = None
    if book.is_clean:  # else it would say the same again, in other words
        planned = book.ask(
            channel, "follows what is signed", next_role, channel.codename, current, targets,
            expires,
        )  # fmt: skip
    return JudgedRelease(tuple(book.judgements), counter, listed, planned)


def _judge_alone(book: Book, order: ReleaseOrder, facts: OtaFacts, first: OtaFacts) -> None:
    name = facts.path.name
    for verdict in judge_package(
        facts, order.channel.codename, allow_operations=order.allow_operations
    ):
        book.judgements.append(
            Judgement(name, verdict.question, verdict.refusal, verdict.remark, verdict.was_asked)
        )
    if facts is not first:
        book.ask(name, "leads to the same build", _check_build, facts, first)


def _judge_beside(
    book: Book,
    order: ReleaseOrder,
    facts: OtaFacts,
    counter: int,
    releases: Mapping[str, Release],
    floor: Floor,
) -> None:
    name = facts.path.name
    book.ask(name, "is for this region", check_region, facts, order.channel, releases)
    book.ask(name, "is no older build", check_age, facts, counter, releases, floor)
    book.ask(name, "follows no newer patch level", check_patch_level, facts, counter, releases)


def _judge_changelog(book: Book, order: ReleaseOrder, changelog: Mapping[str, str]) -> None:
    channel = order.channel
    book.ask(channel, "has every required locale", check_locales, changelog, order.required_locales)
    for locale, text in sorted(changelog.items()):
        book.ask(channel, f"has a changelog for {locale}", check_text, locale, text)


def _judge_sources(
    book: Book,
    order: ReleaseOrder,
    facts: OtaFacts,
    counter: int,
    releases: Mapping[str, Release],
    at_hand: Sequence[OtaFacts],
) -> None:
    if not facts.source_builds:
        return
    name = facts.path.name
    book.ask(
        name, "starts from known builds", check_sources, facts, order.channel, counter, releases,
        order.factory_builds,
    )  # fmt: skip
    for source in facts.source_builds:
        question, full = f"starts from the bytes of {source}", find_full(source, at_hand)
        if full is None:
            remark = "give that build's full package with --source"
            book.judgements.append(Judgement(name, question, remark=remark, was_asked=False))
        else:
            book.ask(name, question, check_source_bytes, facts, full)


def _check_names(packages: Sequence[OtaFacts]) -> None:
    for number, facts in enumerate(packages):
        others = [other for other in packages[:number] if other.path.name == facts.path.name]
        if any(other.sha256 == facts.sha256 for other in others):
            raise ReleaseRefusal(f"{facts.path.name} is named twice; name each package once.")
        if others:
            raise ReleaseRefusal(
                f"Two packages have the file name {facts.path.name}; rename one of them."
            )


def _check_build(facts: OtaFacts, first: OtaFacts) -> None:
    if facts.fingerprint != first.fingerprint:
        raise ReleaseRefusal(
            f"{facts.path.name} leads to another build than {first.path.name};"
            " sign the packages of each build in a run of their own."
        )


def _check_same_bytes(path: str, known: TargetFile, facts: OtaFacts) -> None:
    if (known.length, known.hashes) != (facts.length, {"sha256": facts.sha256}):
        raise ReleaseRefusal(
            f"{path} is listed already with other bytes, and a path keeps its bytes for ever;"
            " give the package another file name."
        )


def _read(path: str, target: TargetFile) -> Release:
    with refusing(ReleaseRefusal):
        decode_release_path(path)
        return decode_release(path, target.custom)
