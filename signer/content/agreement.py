"""Whether a pack folder is the very pack that a proposal is about."""

from collections.abc import Collection, Sequence

from tuf.api.metadata import Targets

from server.core.content.entries import check_entries
from server.core.content.index import decode_index, targets_of
from signer.content.errors import ContentError
from signer.content.pack_folder import PackFolder
from signer.content.plan import pack_targets
from signer.errors import refusing
from signer.proposal.trust import Transition

WITH_LINKS = ("features", "notices")
"""Kinds whose entries may have links."""


def check_is_proposed(transition: Transition, pack: PackFolder) -> None:
    """Raise ContentError unless the proposal lists just the parts and pictures of `pack`."""
    if pack.role not in transition.new:
        raise ContentError(f"The proposal changes no {pack.role}, of which {pack.kind} is a pack.")
    if not _is_listed(transition.after.roles[pack.role], pack):
        raise ContentError(f"The proposal lists another {pack.kind} than is in the folder.")


def find_replaced(transition: Transition, packs: Sequence[PackFolder]) -> dict[str, PackFolder]:
    """Return those of `packs` that are replaced, by kind; ContentError for any that is not signed.

    What was there before is known by what the proposal brings along of it.
    """
    before = {} if transition.before is None else transition.before.roles
    for pack in packs:
        if pack.role not in before or not _is_listed(before[pack.role], pack):
            raise ContentError(
                f"{pack.kind} {pack.pack.version} is not the pack that the proposal replaces."
            )
    return {pack.kind: pack for pack in packs}


def check_links_that_stay(
    current: Targets,
    packs: Sequence[PackFolder],
    hosts: Collection[str],
    staying: Sequence[PackFolder],
) -> None:
    """Raise ContentError unless no link that stays leads to a host that is allowed no more.

    `packs` replace some of `current`, whose hosts `hosts` replace; `staying` are folders of others.
    Only where a host is no longer allowed they have to be there, as their links are read again.
    """
    index = decode_index("content", current)
    for pack in staying:
        if not _is_listed(current, pack):
            raise ContentError(f"{pack.kind} {pack.pack.version} is not the pack that is signed.")
    given = {pack.kind for pack in (*packs, *staying)}
    for host in sorted(set(index.hosts) - set(hosts)):
        for kind in WITH_LINKS:
            if kind in index.packs and not index.packs[kind].is_withdrawn and kind not in given:
                raise ContentError(
                    f"The pack {kind} {index.packs[kind].version} stays, and may link to {host},"
                    " which would be allowed no more: give its folder with --stays, so that it is"
                    " read again."
                )
    for pack in staying:
        with refusing(ContentError):
            check_entries(pack.kind, pack.entries, hosts)


def _is_listed(targets: Targets, pack: PackFolder) -> bool:
    listed = {
        path: (target.length, target.hashes["sha256"])
        for path, target in targets_of(pack.kind, targets.targets).items()
    }
    own = {path: (t.length, t.hashes["sha256"]) for path, t in pack_targets(pack).items()}
    return listed == own
