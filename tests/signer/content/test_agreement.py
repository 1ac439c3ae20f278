"""Whether a folder is what a proposal is about."""

import pytest

from signer.content.agreement import check_is_proposed, find_replaced
from signer.content.errors import ContentError
from signer.content.plan import plan_packs
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
