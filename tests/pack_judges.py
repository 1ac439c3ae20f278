"""Asks server, signer and phone about the same packs, each by its own code, and compares them.

Parts are encoded by the tests, so that none of the three checks its own output.
"""

import copy
import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from tuf.api.metadata import TargetFile, Targets
from tuf.api.serialization import SerializationError
from tuf.api.serialization.json import CanonicalJSONSerializer

from client_sim.content.fetch import check_entries
from client_sim.content.index import File, decode_index, decode_part
from client_sim.content.kinds import KINDS
from client_sim.content.picture import check_picture
from client_sim.device.errors import ContentError
from server.core.content.index import decode_pack
from server.core.content.part import join_parts
from server.core.content.role import check_packs
from server.core.errors import HeningError
from signer.content.pack_folder import PackFolder
from signer.content.plan import plan_packs
from signer.content.validate import check_packs_to_sign
from signer.errors import SignerError
from tests.client_sim.content.packs import encode_part, number_of
from tests.server.core.content.samples import EXPIRES, HOSTS, PICTURE, entries_of, pack


class PacksDisagreementError(Exception):
    """Server, signer and phone judge a pack differently; the message has each answer."""


@dataclass(slots=True)
class Packs:
    """A pack of `kind`, ready to be published; `members` are those of the index."""

    kind: str
    entries: dict[str, Any]
    members: dict[str, Any] = field(default_factory=lambda: copy.deepcopy(pack()))
    pictures: dict[str, bytes] = field(default_factory=dict)


def make_sound(kind):
    """Return a pack that all three accept."""
    pictures = {"waves": PICTURE} if kind == "wallpapers" else {}
    return Packs(kind, entries_of(kind), pictures=pictures)


def check_judges(packs):
    """Return whether a pack is valid, as server, signer and phone agree.

    Raises PacksDisagreementError if they disagree, and passes on any exception that is not the
    usual refusal. A pack that JSON or a signed role cannot represent is invalid.
    """
    published = [packs]
    if packs.kind == "themes":  # themes name wallpapers
        published.append(make_sound("wallpapers"))
    try:
        parts = {each.kind: _encode_parts(each.kind, each.entries) for each in published}
        CanonicalJSONSerializer().serialize(_publish(published, parts)[0])
    except (ValueError, SerializationError):
        return False
    said = {
        "server": _ask_server(published, parts),
        "signer": _ask_signer(published, parts),
        "phone": _ask_phone(published, parts),
    }
    if len({reason is None for reason in said.values()}) > 1:
        raise PacksDisagreementError(f"{packs} is judged differently: {said}")
    return said["phone"] is None


def _ask_server(published, parts):
    role, files = _publish(published, parts)
    try:
        check_packs(KINDS[published[0].kind].role, None, role, files.__getitem__)
    except HeningError as error:
        return str(error)
    return None


def _ask_signer(published, parts):
    try:
        folders = []
        for each in published:
            decode_pack(each.kind, each.members)
            entries = join_parts(each.kind, parts[each.kind])
            folder = PackFolder(each.kind, each.members, entries, parts[each.kind], each.pictures)
            folders.append(folder)
        check_packs_to_sign(folders, HOSTS)
        plan_packs(Targets(version=1, expires=EXPIRES), folders, HOSTS, EXPIRES)
    except (HeningError, SignerError) as error:
        return str(error)
    return None


def _ask_phone(published, parts):
    name = KINDS[published[0].kind].role
    role, files = _publish(published, parts)
    listed = {
        path: (File(target.length, target.hashes["sha256"]), target.unrecognized_fields["custom"])
        for path, target in role.targets.items()
    }
    try:
        index = decode_index(name, role.unrecognized_fields["custom"], listed)
        for each in published:
            if each.kind not in index.packs:
                return "; ".join(index.warnings)
            pictures = index.packs[each.kind].pictures
            entries = {}
            for number, data in enumerate(parts[each.kind]):
                entries |= decode_part(data, KINDS[each.kind], number)
            check_entries(
                each.kind,
                entries,
                hosts=index.hosts,
                pictures=pictures,
                wallpapers=index.wallpapers,
            )
            for key in pictures:
                data = files[f"content/wallpapers/{key}.jpg"]
                check_picture(data, entries[key]["width"], entries[key]["height"])
    except ContentError as error:
        return str(error)
    return None


def _publish(published, parts):
    files = {}
    for each in published:
        folder = f"{KINDS[each.kind].role}/{each.kind}"
        files |= {f"{folder}/{number:02}.xz": data for number, data in enumerate(parts[each.kind])}
        files |= {f"{folder}/{name}.jpg": data for name, data in each.pictures.items()}
    targets = {
        path: TargetFile(
            len(data), {"sha256": hashlib.sha256(data).hexdigest()}, path, {"custom": {"schema": 1}}
        )
        for path, data in files.items()
    }
    packs = {each.kind: each.members for each in published}
    custom = {"hosts": HOSTS, "packs": packs, "schema": 1}
    fields = {"custom": custom}
    return Targets(version=1, expires=EXPIRES, targets=targets, unrecognized_fields=fields), files


def _encode_parts(kind, entries):
    split = [{} for _ in range(KINDS[kind].parts)]
    for key, entry in entries.items():
        split[number_of(kind, key)][key] = entry
    return tuple(
        encode_part(kind, number, part) if part else _encode_empty(kind, number)
        for number, part in enumerate(split)
    )


@lru_cache(256)
def _encode_empty(kind, number):
    return bytes(encode_part(kind, number, {}))
