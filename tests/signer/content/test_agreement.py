"""Whether a folder is what a proposal is about."""

import pytest

from signer.content.agreement import (
    check_is_proposed,
    check_links_that_stay,
    find_replaced,
)
from signer.content.errors import ContentError
from signer.content.plan import plan_packs, plan_withdrawal
from signer.proposal.trust import State, Transition
from tests.server.core.content.samples import NEWS
from tests.signer.content.packs import make
from tests.signer.content.test_plan import EMPTY, EXPIRES


def transition(before, after):
    """Return a transition of content alone."""
    return Transition(
        None if before is None else State(None, None, {"content": before}),
        State(None, None, {"content": after}),
        {"content": None},
    )


def test_the_pack_itself() -> None:
    """Listed with all of its octets, before and after."""
    old, new = make("notices"), make("notices", {"a": NEWS}, version=2)
    before = plan_packs(EMPTY, [old], ["example.com"], EXPIRES)
    found = transition(before, plan_packs(before, [new], None, EXPIRES))
    check_is_proposed(found, new)
    assert find_replaced(found, [old]) == {"notices": old}
    with pytest.raises(ContentError, match="lists another notices"):
        check_is_proposed(found, old)
    with pytest.raises(ContentError, match="notices 2 is not the pack that the proposal replaces"):
        find_replaced(found, [new])
    with pytest.raises(ContentError, match="changes no tables"):
        check_is_proposed(found, make("zones"))
    with pytest.raises(ContentError, match="is not the pack"):
        find_replaced(transition(None, before), [old])


def test_links_of_packs_that_stay_are_read_again_where_a_host_goes() -> None:
    """Those that nobody can read, or that lead there, keep the host."""
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


def test_a_pack_that_was_withdrawn_keeps_no_host() -> None:
    """Nobody uses its links."""
    current = plan_packs(EMPTY, [make("notices")], ["example.com"], EXPIRES)
    with pytest.raises(ContentError, match="stays"):
        check_links_that_stay(current, [], [], [])
    gone = plan_withdrawal(current, "notices", None, EXPIRES)
    check_links_that_stay(gone, [], [], [])
