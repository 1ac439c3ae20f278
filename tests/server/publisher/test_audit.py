"""What an audit requests, and why the rest cannot have changed."""

import contextlib
import dataclasses

import pytest

from server.core.errors import TrustError
from server.core.metadata import decode_targets
from server.publisher import staging
from server.publisher.audit import AuditPlan, audit_staged, plan_audit
from server.publisher.plan import plan_publication
from server.publisher.verify import RoleVersion
from tests.server.ceremony import release
from tests.server.world import CHANNEL, FIRST, PACKAGE_1, PACKAGE_2, SECOND

POINTER = CHANNEL.pointer_path


def test_a_new_role_is_asked_for(world):
    """A target, an absent one, so that an empty role is valid, too, and the lists."""
    trust = world.published()
    pointers = trust.pointers()
    plan = plan_audit({"armani", "cancro", "snapshot"}, trust, pointers, pointers)
    assert (plan.paths, plan.probes) == ([FIRST], ["armani/-/-/-", "cancro/-/-/-"])
    listed = {role: list(paths) for role, paths in plan.listed.items() if paths}
    assert listed == {"armani": [FIRST], "latest": sorted(pointers)}
    assert plan.listed.keys() == trust.roles.keys()


def test_pointers_that_changed(world):
    """Unchanged ones are looked up in the list alone."""
    trust = world.published()
    pointers = trust.pointers()
    assert plan_audit({"latest"}, trust, pointers, pointers).paths == []
    assert plan_audit({"latest"}, trust, {}, pointers).paths == [POINTER]


@pytest.mark.parametrize("role", ["root", "targets"])
def test_new_keys_may_count_for_every_role(world, role):
    """Then each role must be valid, and lead to one of its targets."""
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
        with pytest.raises(TrustError, match="other targets in latest"):
            audit(wrong)


@pytest.fixture
def audit(world):
    """Return what stages armani 3 with the given targets and audits it for `listed`."""

    def work(files, listed):
        published = world.published()
        data = world.ceremony.role("armani", 3, files)
        roles = {**published.roles, "armani": decode_targets("armani", data).signed}
        trust = dataclasses.replace(published, roles=roles)
        new = [RoleVersion("armani", 3, data)]
        publication = plan_publication(
            trust, published, new, {}, world.keys, world.now(), renew=True
        )
        staged = staging.staged_temporary(world.folder.staging, 7)
        staging.write_staged(staged, publication)
        root = world.folder.trusted_root.read_bytes()
        plan = AuditPlan([FIRST], ["armani/-/-/-"], {"armani": listed, "cancro": ["never"]})
        audit_staged(staged, world.folder.public, root, 1, plan)

    return work


FILES = {FIRST: (PACKAGE_1, release(1)), SECOND: (PACKAGE_2, release(2))}


@pytest.mark.parametrize(
    ("listed", "is_right"),
    [
        ([SECOND, FIRST], True),
        ([FIRST], False),
        ([FIRST, SECOND, "armani/id/beta/b.zip"], False),
    ],
)
def test_a_role_lists_what_was_to_be_published(audit, listed, is_right):
    """A target more or less of a role that the client visited is found; others are not checked."""
    refusing = pytest.raises(TrustError, match="other targets in armani")
    with contextlib.nullcontext() if is_right else refusing:
        audit(FILES, listed)


def test_a_target_that_is_not_delegated(audit):
    """A role that lists a path which no client would look up in it is not published."""
    strange = "armani/id/stable/deep/a.zip"
    files = FILES | {strange: (PACKAGE_2, release(3))}
    with pytest.raises(TrustError, match="not delegated to it"):
        audit(files, list(files))
