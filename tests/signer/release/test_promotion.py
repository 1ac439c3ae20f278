import pytest

from server.core.names import Channel
from server.core.role_edit import Withdrawal
from signer.errors import ReleaseRefusal
from signer.release.edits import PromotionRequest, plan_promotion, plan_withdrawal
from tests.cases import case
from tests.signer.builds import (
    BETA,
    EXPIRES,
    STABLE,
    fingerprint,
    make_facts,
    path_of,
    role_of,
    sign,
)


@pytest.fixture
def role():
    """Return a role with builds 1 and 2 in beta, 2 with an incremental; stable is empty."""
    both = [make_facts(2), make_facts(2, 1)]
    return sign(role_of(1, channel=BETA), both, BETA, changelog={"en": "Two."})


def promote(role, counter=2, target=STABLE, **more):
    """Plan a promotion from beta."""
    return plan_promotion(PromotionRequest(BETA, target, counter, **more), role, EXPIRES)


def test_promote_build(role) -> None:
    """Changelog and stepping stone can be given; the rest and the first path stay."""
    promotion = promote(role)
    assert promotion.paths == (path_of(2),)
    source, target = role.targets[path_of(2, None, BETA)], promotion.planned.targets[path_of(2)]
    assert (target.length, target.hashes) == (source.length, source.hashes)
    assert target.custom == source.custom
    assert target.custom["changelog"] == {"en": "Two."}
    assert promotion.planned.targets[path_of(2, None, BETA)] == source
    given = promote(promote(role, 1).planned, min_counter=1, changelog={"id": "Dua."}).planned
    custom = given.targets[path_of(2)].custom
    assert (custom["min_counter"], custom["changelog"]) == (1, {"id": "Dua."})


def test_promoted_incremental_needs_its_source(role) -> None:
    """It is promoted if the target channel lists its source; otherwise the reason is given."""
    (left,) = promote(role).left_out
    assert left == (
        f"{path_of(2, 1, BETA)} is not promoted: it starts from {fingerprint(1)}, which"
        " armani/id/stable does not list."
    )
    after_first = promote(role, 1).planned
    both = (path_of(2, 1), path_of(2))
    assert promote(after_first).paths == both
    assert promote(role, factory_builds=frozenset({fingerprint(1)})).paths == both


def test_invalid_promotion_is_refused(role) -> None:
    """Model and region stay the same, and the rules of `release sign` apply."""
    for more, sentence in (
        ({"target": Channel("armani", "eu", "stable")}, "armani/id cannot go to armani/eu"),
        ({"target": Channel("dior", "id", "stable")}, "armani/id cannot go to dior/id"),
        ({"target": BETA}, "armani/id/beta is named twice"),
        ({"target": Channel("armani", "id", "STABLE")}, "not a region or channel"),
        ({"counter": 9}, "lists no build with counter 9"),
        ({"min_counter": 1}, "has no release from which"),
        ({"min_counter": 2}, "is not below the build's counter"),
        ({"required_locales": ("en", "id")}, "no text for id"),
        ({"changelog": {"en": "<b>"}}, "has a new changelog in en that is not plain text"),
    ):
        with case(more), pytest.raises(ReleaseRefusal, match=sentence):
            promote(role, **more)
    taken = sign(role, [make_facts(3, path=make_facts(2).path)])
    with pytest.raises(ReleaseRefusal, match="other bytes"):
        promote(taken)


def test_invalid_old_changelog_is_promoted(role) -> None:
    """It is in the role already; a new one like it is refused."""
    for target in role.targets.values():
        target.custom["changelog"] = {"en": "See https://rom.example\u200b."}
    promoted = promote(role).planned
    assert promoted.targets[path_of(2)].custom["changelog"] == {
        "en": "See https://rom.example\u200b."
    }
    with pytest.raises(ReleaseRefusal, match="not plain text"):
        promote(role, changelog={"en": "See https://rom.example."})


def test_withdrawn_packages_are_not_promoted(role) -> None:
    """A build that is withdrawn in either channel stays; a withdrawn incremental is left out."""
    for place in (BETA, STABLE):
        request = Withdrawal((str(place),), 2)
        withdrawn = plan_withdrawal(request, promote(role).planned, EXPIRES)
        with pytest.raises(ReleaseRefusal, match=r"withdrawn.*that is final; promote another"):
            promote(withdrawn)
    once = promote(role, 1).planned
    withdrawn = plan_withdrawal(Withdrawal((path_of(2, 1, BETA),)), once, EXPIRES)
    promotion = promote(withdrawn)
    assert (promotion.paths, promotion.left_out) == ((path_of(2),), ())
    withdrawn = plan_withdrawal(Withdrawal((path_of(2, 1),)), promote(once).planned, EXPIRES)
    promotion = promote(withdrawn)
    assert promotion.planned.targets == withdrawn.targets
    assert promotion.left_out == (f"{path_of(2, 1)} stays withdrawn: that is final.",)
    everywhere = promote(promote(role, 1).planned).planned
    dev = Channel("armani", "id", "dev")
    first = promote(everywhere, 1, dev).planned
    edge = plan_withdrawal(Withdrawal((path_of(2, 1),)), first, EXPIRES)
    promotion = promote(edge, target=dev)
    assert promotion.paths == (path_of(2, None, dev),)
    assert promotion.left_out == (
        f"{path_of(2, 1, BETA)} is not promoted: its bytes are withdrawn as {path_of(2, 1)}.",
    )
    build = plan_withdrawal(Withdrawal((str(STABLE),), 2), first, EXPIRES)
    with pytest.raises(ReleaseRefusal, match=r"has the bytes of \S+, which is withdrawn, and that"):
        promote(build, target=dev)
