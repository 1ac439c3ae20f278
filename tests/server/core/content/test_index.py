"""A role's index of packs: what is valid, and which versions may follow."""

import contextlib
import json
from functools import cache

import pytest
from hypothesis import given
from tuf.api.metadata import TargetFile

from server.core.content.index import check_index_succession, decode_index, decode_pack, targets_of
from server.core.content.kinds import KINDS, part_path, part_paths
from server.core.errors import FormatError, HeningError, ReleaseError
from server.core.metadata import decode_targets
from tests.cases import case
from tests.server.core.content.samples import entries_of, make_pack_role, pack
from tests.server.core.mutations import mutated
from tests.server.core.tuf_objects import keys_of, make_role, signed


def content(**changes):
    """Return a `content` role with notices and wallpapers and a changed index."""
    kinds = ("notices", "wallpapers")
    role, _ = make_pack_role("content", {kind: entries_of(kind) for kind in kinds})
    role.unrecognized_fields["custom"] |= changes
    return role


def notices(**changes):
    """Return a `content` role with a changed index entry of notices."""
    role = content()
    role.unrecognized_fields["custom"]["packs"]["notices"] |= changes
    return role


def test_kinds_and_part_paths():
    """There are ten kinds, with the paths of their parts."""
    assert sum(kind.parts for kind in KINDS.values() if kind.role == "tables") == 52
    assert sum(kind.parts for kind in KINDS.values() if kind.role == "content") == 20
    assert part_path("zones", 3) == "tables/zones/03.xz"
    assert part_paths("themes") == ["content/themes/00.xz"]


def test_index_is_decoded():
    """An index has hosts and packs; a role without `custom` has neither.

    Unknown members are ignored.
    """
    index = decode_index("content", content())
    assert index.hosts == ("example.com",)
    assert [*index.packs] == ["notices", "wallpapers"]
    assert index.packs["notices"].sources[0].licence == "CC0-1.0"
    assert len(targets_of("wallpapers", content().targets)) == 2
    empty = decode_index("tables", make_role())
    assert (empty.hosts, empty.packs) == ((), {})
    for more in (notices(more=[1]), content(more=[1])):
        assert decode_index("content", more) == index
    rolled = decode_pack("apn", pack(rollout=[[10, 5], [20, 1000]]))
    assert [rolled.permille_at(now) for now in (9, 10, 19, 20)] == [0, 5, 5, 1000]


def test_invalid_indexes_are_refused():
    """An invalid index is refused, and the message names the kind if there is one."""
    for role, sentence in [
        (content(schema=2), "index of content is malformed"),
        (content(schema=True), "malformed"),
        (content(hosts="example.com"), "malformed"),
        (content(hosts=["b.com", "a.com"]), "not sorted"),
        (content(hosts=["a.com", "a.com"]), "not sorted"),
        (content(hosts=["A.com"]), "not a host name"),
        (content(hosts=[f"{n}.com" for n in range(10, 27)]), "malformed"),
        (content(packs=[]), "malformed"),
        (content(packs={}), "belongs to none of its packs"),
        (content(packs={"jokes": pack()}), "pack of 'jokes'"),
        (content(packs={"apn": pack()}), "pack of 'apn'"),
        (content(more="a" * 1_048_576), "over 1048576"),
        (notices(version=0), "the pack notices is malformed"),
        (notices(version=True), "malformed"),
        (notices(title={}), "malformed"),
        (notices(title={"en": "a" * 201}), "201 characters"),
        (notices(title={"en": "a\u202e"}), r"U\+202E"),
        (notices(sources=[]), "malformed"),
        (notices(sources=[{"licence": "MIT", "name": "a"}]), "version"),
        (notices(sources=[{"licence": "MIT", "name": "a", "version": "1", "x": 1}]), "unknown"),
        (notices(sources=[{"licence": "ü", "name": "a", "version": "1"}]), "regex"),
        (notices(sources=[{"licence": "MIT", "name": "a" * 81, "version": "1"}]), "81 char"),
        (notices(start=-1), "malformed"),
        (notices(start=5, end=5), "end is not above start"),
        (notices(end=None), "malformed"),
        (notices(rollout=[]), "malformed"),
        (notices(rollout=[[0, 1001]]), "malformed"),
        (notices(rollout=[[0, 5], [0, 6]]), "does not grow"),
        (notices(rollout=[[0, 5], [1, 4]]), "does not grow"),
        (notices(withdrawn=False), "malformed"),
        (notices(withdrawn=[0]), "malformed"),
        (notices(withdrawn=[2]), "above the pack's own"),
        (notices(version=2, withdrawn=[2, 1]), "do not ascend"),
        (notices(version=2, withdrawn=[1, 1]), "do not ascend"),
        (notices(version=2000, withdrawn=[*range(1, 1002)]), "malformed"),
    ]:
        with case(role, sentence), pytest.raises(FormatError, match=sentence):
            decode_index("content", role)


def test_unknown_paths_are_refused():
    """A role may list no further part and no other path."""
    for path in (
        *("content/notices/01.xz", "content/themes/00.xz", "content/notices/0.xz"),
        *("content/notices/00.zip", "content/notices/a.jpg", "content/wallpapers/A.jpg"),
        *("content/wallpapers/a.jpeg", "content/wallpapers/a.jpg\n"),
    ):
        role = content()
        custom = {"custom": {"schema": 1}}
        role.targets[path] = TargetFile(1, {"sha256": "0" * 64}, path, custom)
        with case(path), pytest.raises(FormatError, match="belongs to none"):
            decode_index("content", role)


def test_missing_and_oversized_parts_are_refused():
    """Every part must be listed with a schema, must not be empty, and has a maximum size."""
    role, _ = make_pack_role("tables", {"zones": entries_of("zones")})
    decode_index("tables", role)
    target = role.targets["tables/zones/15.xz"]
    for length in (0, 262_145):
        target.length = length
        with pytest.raises(FormatError, match=rf"15.xz has {length} bytes"):
            decode_index("tables", role)
    target.length = 1
    del target.unrecognized_fields["custom"]
    with pytest.raises(FormatError, match="`custom` object with a `schema`"):
        decode_index("tables", role)
    del role.targets["tables/zones/15.xz"]
    with pytest.raises(FormatError, match=r"does not list tables/zones/15\.xz"):
        decode_index("tables", role)
    picture = content()
    picture.targets["content/wallpapers/waves.jpg"].length = 8_388_609
    with pytest.raises(FormatError, match=r"waves\.jpg has 8388609 bytes"):
        decode_index("content", picture)


def test_valid_successors():
    """With the same pack version, only rollout, end, hosts and withdrawals may change.

    With a new pack version everything may change.
    """
    end, hosts = notices(end=2**40), content(hosts=[])
    for after in (content(), notices(rollout=[[5, 10]]), end, hosts, notices(withdrawn=[1])):
        check_index_succession("content", content(), after)
    new = notices(version=2, title={"en": "b"}, start=9, withdrawn=[1])
    new.targets["content/notices/00.xz"].hashes["sha256"] = "0" * 64
    check_index_succession("content", notices(withdrawn=[1]), new)
    later = notices(version=1001, withdrawn=[1])
    check_index_succession("content", content(), later)
    check_index_succession("content", later, notices(version=2001, withdrawn=[1, 5, 2001]))
    check_index_succession("content", None, notices(version=1000))
    check_index_succession("content", make_role(), content())


def test_invalid_successors_are_refused():
    """Each invalid successor is refused with its own message."""
    source = {"licence": "MIT", "name": "a", "version": "1"}
    gone = content()
    del gone.unrecognized_fields["custom"]["packs"]["notices"]
    del gone.targets["content/notices/00.xz"]
    other = content()
    other.targets["content/notices/00.xz"].hashes["sha256"] = "0" * 64
    fewer = content()
    del fewer.targets["content/wallpapers/waves.jpg"]
    for before, after, sentence in (
        (content(), gone, "the pack notices is removed"),
        (notices(version=2), notices(), "falls from version 2 to 1"),
        (content(), notices(title={"en": "b"}), "notices 1 changes its title"),
        (content(), notices(sources=[source]), "changes its sources"),
        (content(), notices(start=1), "changes its start"),
        (
            notices(withdrawn=[1]),
            content(),
            "version 1 of the pack notices was withdrawn, and that",
        ),
        (notices(withdrawn=[1]), notices(version=2), "version 1 of the pack notices was withdrawn"),
        (notices(version=2, withdrawn=[1]), notices(version=3, withdrawn=[2]), "version 1 of the"),
        (content(), notices(version=1002), "notices leaps from version 1 to 1002"),
        (make_role(), notices(version=1001), "notices leaps from version 0 to 1001"),
        (None, notices(version=1001), "notices leaps from version 0 to 1001"),
        (content(), other, "notices 1 changes its parts or pictures"),
        (content(), fewer, "wallpapers 1 changes its parts or pictures"),
    ):
        with pytest.raises(ReleaseError, match=sentence):
            check_index_succession("content", before, after)


@cache
def signed_content():
    """Return the signed bytes of a role content."""
    return signed(content(), *keys_of("content"))


@given(mutated(lambda: json.loads(signed_content())))
def test_mutated_roles_raise_only_our_error(document):
    """A role with random changes raises only our error, as first version and as successor."""
    with contextlib.suppress(HeningError):
        role = decode_targets("content", json.dumps(document).encode()).signed
        decode_index("content", role)
        check_index_succession("content", content(), role)
