"""The next version of a role of packs."""

from datetime import UTC, datetime

import pytest
from tuf.api.metadata import Targets

from server.core.content.index import decode_index
from server.core.content.role import check_packs
from signer.content.plan import (
    check_is_proposed,
    check_links_that_stay,
    find_replaced,
    pack_files,
    plan_pack_edit,
    plan_packs,
    plan_withdrawal,
)
from signer.errors import ContentError
from signer.proposal.trust import State, Transition
from tests.server.core.content.samples import NEWS, entries_of
from tests.signer.content.packs import make

EXPIRES = datetime(2026, 9, 1, tzinfo=UTC)
EMPTY = Targets(version=1, expires=EXPIRES)


def planned(*packs, current=EMPTY, hosts=("example.com",)):
    """Return the next version of a role with these packs."""
    return plan_packs(current, packs, hosts, EXPIRES)


def test_plan_packs() -> None:
    """All parts and pictures are listed, and the server accepts the role."""
    packs = [make(kind) for kind in ("notices", "themes", "wallpapers")]
    role = planned(*packs)
    files = {path: data for pack in packs for path, data in pack_files(pack).items()}
    assert role.version == 2
    assert [*role.targets] == sorted(files)
    check_packs("content", EMPTY, role, files.__getitem__)


def test_pack_replaces_its_former_version() -> None:
    """Packs of other kinds and the hosts stay."""
    first = planned(make("notices"), make("wallpapers"))
    second = planned(make("wallpapers", {}, pictures={}, version=2), current=first, hosts=None)
    assert [*second.targets] == ["content/notices/00.xz", "content/wallpapers/00.xz"]
    index = decode_index("content", second)
    assert (index.hosts, index.packs["notices"].version) == (("example.com",), 1)
    assert index.packs["wallpapers"].version == 2
    again = plan_packs(first, [make("wallpapers", {}, pictures={}, version=2)], None, EXPIRES)
    assert again == second


def test_invalid_change_is_refused() -> None:
    """The server's rules apply, and the message gives the next version."""
    with pytest.raises(ContentError, match=r"notices 1 does not follow version 1.*--version 2"):
        planned(make("notices"), current=planned(make("notices")))
    with pytest.raises(ContentError, match="notices leaps from version 0 to 9007199254740991"):
        planned(make("notices", version=2**53 - 1))
    with pytest.raises(ContentError, match="content 1 has no pack notices"):
        plan_pack_edit(EMPTY, "notices", {"end": 9}, EXPIRES)
    with pytest.raises(ContentError, match="content 1 has no pack notices"):
        plan_withdrawal(EMPTY, "notices", 1, EXPIRES)
    with pytest.raises(ContentError, match="end is not above start"):
        plan_pack_edit(planned(make("notices", start=9)), "notices", {"end": 9}, EXPIRES)
    with pytest.raises(ContentError, match="not a host name"):
        planned(make("emergency", entries_of("emergency")), hosts=["A"])


def test_plan_pack_edit() -> None:
    """Share and end change; parts and unknown members stay."""
    first = planned(make("notices"))
    first.unrecognized_fields["custom"]["more"] = 1
    first.unrecognized_fields["custom"]["packs"]["notices"]["shops"] = [1]
    second = plan_pack_edit(first, "notices", {"end": 9, "rollout": [[3, 10]]}, EXPIRES)
    pack = decode_index("content", second).packs["notices"]
    assert (pack.end, pack.rollout, second.targets) == (9, [(3, 10)], first.targets)
    custom = second.unrecognized_fields["custom"]
    assert (custom["more"], custom["packs"]["notices"]["shops"]) == (1, [1])
    third = plan_pack_edit(second, "notices", {"end": None}, EXPIRES)
    assert "end" not in third.unrecognized_fields["custom"]["packs"]["notices"]
    with pytest.raises(ContentError, match="end is not above start"):
        plan_pack_edit(third, "notices", {"end": 0}, EXPIRES)


def test_plan_withdrawal() -> None:
    """The listed version or an earlier one is withdrawn permanently."""
    first = plan_withdrawal(planned(make("notices")), "notices", None, EXPIRES)
    assert decode_index("content", first).packs["notices"].withdrawn == [1]
    third = planned(
        make("notices", version=3), current=planned(make("notices", version=2), current=first)
    )
    assert decode_index("content", third).packs["notices"].withdrawn == [1]
    fourth = plan_withdrawal(third, "notices", 2, EXPIRES)
    pack = decode_index("content", fourth).packs["notices"]
    assert (pack.withdrawn, pack.is_withdrawn, fourth.targets) == ([1, 2], False, third.targets)
    for version, sentence in (
        (1, "notices 1 is withdrawn already, and that is final"),
        (4, "There is no notices 4 yet: version 3 is listed"),
    ):
        with pytest.raises(ContentError, match=sentence):
            plan_withdrawal(fourth, "notices", version, EXPIRES)
    role = planned(make("notices", withdrawn=[1]))
    assert decode_index("content", role).packs["notices"].withdrawn == []


def transition(before, after):
    """Return a transition of the role content."""
    return Transition(
        None if before is None else State(None, None, {"content": before}),
        State(None, None, {"content": after}),
        {"content": None},
    )


def test_proposed_and_replaced_pack() -> None:
    """A pack folder must have the bytes that the proposal lists, before and after."""
    old, new = make("notices"), make("notices", {"a": NEWS}, version=2)
    before = plan_packs(EMPTY, [old], ["example.com"], EXPIRES)
    found = transition(before, plan_packs(before, [new], None, EXPIRES))
    check_is_proposed(found, new)
    assert find_replaced(found, [old]) == {"notices": old}
    with pytest.raises(ContentError, match="lists another pack notices"):
        check_is_proposed(found, old)
    with pytest.raises(ContentError, match="notices 2 is not the pack that the proposal replaces"):
        find_replaced(found, [new])
    with pytest.raises(ContentError, match="does not change tables"):
        check_is_proposed(found, make("zones"))
    with pytest.raises(ContentError, match="is not the pack"):
        find_replaced(transition(None, before), [old])


def test_removed_host() -> None:
    """A host can be removed only if no pack that stays links to it."""
    notices, features = make("notices"), make("features")  # both link to example.com
    plain = make("notices", {"a": {key: NEWS[key] for key in NEWS if key != "link"}}, version=2)
    both = ["example.com", "example.org"]
    current = plan_packs(EMPTY, [notices, features], both, EXPIRES)
    check_links_that_stay(current, [], both, [])
    check_links_that_stay(current, [], ["example.com"], [notices, features])
    check_links_that_stay(current, [plain], ["example.com"], [features])
    with pytest.raises(
        ContentError, match=r"notices 1 stays, and may link to example\.org, .*--st"
    ):
        check_links_that_stay(current, [], ["example.com"], [features])
    with pytest.raises(ContentError, match=r"leads to example\.com, which is not an allowed host"):
        check_links_that_stay(current, [plain], ["example.org"], [features])
    with pytest.raises(ContentError, match="notices 2 is not the pack that is signed"):
        check_links_that_stay(current, [], ["example.com"], [plain, features])
    current = plan_packs(EMPTY, [notices], ["example.com"], EXPIRES)
    with pytest.raises(ContentError, match="stays"):
        check_links_that_stay(current, [], [], [])
    gone = plan_withdrawal(current, "notices", None, EXPIRES)
    check_links_that_stay(gone, [], [], [])  # the links of a withdrawn pack are not used
