"""What an audit asks for, and that what it does not ask for cannot have changed."""

import pytest

from server.core.errors import TrustError
from server.publisher import staging
from server.publisher.audit import AuditPlan, audit_staged, plan_audit
from server.publisher.plan import plan_publication
from tests.server.world import CHANNEL, FIRST

POINTER = CHANNEL.pointer_path


def test_a_new_role_is_asked_for_every_target(world):
    """And for one that need not exist, so that an empty role is sound, too."""
    trust = world.published()
    pointers = trust.pointers()
    plan = plan_audit({"armani", "cancro", "snapshot"}, trust, pointers, pointers)
    assert plan == AuditPlan(
        [FIRST], ["armani/-/-/-", "cancro/-/-/-"], {"latest": sorted(pointers)}
    )


def test_pointers_that_changed(world):
    """Those that did not are looked for in the list alone."""
    trust = world.published()
    pointers = trust.pointers()
    assert plan_audit({"latest"}, trust, pointers, pointers).paths == []
    assert plan_audit({"latest"}, trust, {}, pointers).paths == [POINTER]


@pytest.mark.parametrize("role", ["root", "targets"])
def test_new_keys_may_count_for_every_role(world, role):
    """Each role must be sound then, and lead to one of its targets."""
    trust = world.published()
    pointers = trust.pointers()
    plan = plan_audit({role}, trust, pointers, pointers)
    assert plan.paths == [FIRST, POINTER]
    assert len(plan.probes) == len(trust.roles)


def test_a_pointer_more_or_less_is_noticed(world):
    """The client's own copy of latest lists exactly what was to be published."""
    published = world.published()
    pointers = published.pointers()
    publication = plan_publication(
        published, published, [], pointers, world.keys, world.now(), renew=True
    )
    staged = staging.staged_temporary(world.folder.staging, 7)
    staging.write_staged(staged, publication)
    root = world.folder.trusted_root.read_bytes()

    def audit(listed):
        plan = AuditPlan([], ["latest/-/-/-"], {"latest": listed})
        audit_staged(staged, world.folder.public, root, 1, plan)

    audit(pointers.keys())
    for wrong in ({POINTER, "latest/armani/id/beta"}, set()):
        with pytest.raises(TrustError, match="other pointers"):
            audit(wrong)
