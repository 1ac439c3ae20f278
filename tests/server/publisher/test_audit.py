"""What an audit requests, and how it finds a wrong list of targets."""

import dataclasses
from contextlib import nullcontext

import pytest

from server.core.errors import TrustError
from server.core.metadata import decode_targets
from server.publisher import staging
from server.publisher.audit import AuditPlan, audit_staged, plan_audit
from server.publisher.plan import plan_publication
from server.publisher.verify import RoleVersion
from tests.cases import case
from tests.server.ceremony import release
from tests.server.world import CHANNEL, FIRST, PACKAGE_1, PACKAGE_2, SECOND

POINTER = CHANNEL.pointer_path


def test_plan_audit(world):
    """For a new role, the audit requests a target, an absent path, and the list of targets.

    Unchanged pointers are only looked up in the list. After a change of root or targets, every role
    is requested, because its keys can have changed.
    """
    trust = world.published()
    pointers = trust.pointers()
    plan = plan_audit({"armani", "cancro", "snapshot"}, trust, pointers, pointers)
    assert (plan.paths, plan.probes) == ([FIRST], ["armani/-/-/-", "cancro/-/-/-"])
    listed = {role: list(paths) for role, paths in plan.listed.items() if paths}
    assert listed == {"armani": [FIRST], "latest": sorted(pointers)}
    assert plan.listed.keys() == trust.roles.keys()
    assert plan_audit({"latest"}, trust, pointers, pointers).paths == []
    assert plan_audit({"latest"}, trust, {}, pointers).paths == [POINTER]
    for role in ("root", "targets"):
        plan = plan_audit({role}, trust, pointers, pointers)
        assert plan.paths == [FIRST, POINTER]
        assert len(plan.probes) == len(trust.roles)


def test_audit_of_pointers(world):
    """The audit fails if latest lists more or fewer pointers than were to be published."""
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


FILES = {FIRST: (PACKAGE_1, release(1)), SECOND: (PACKAGE_2, release(2))}
DEEP = FILES | {"armani/id/stable/deep/a.zip": (PACKAGE_2, release(3))}


def stage(world, files, number):
    """Stage armani 3 with `files` and return the folder."""
    published = world.published()
    data = world.ceremony.role("armani", 3, files)
    roles = {**published.roles, "armani": decode_targets("armani", data).signed}
    trust = dataclasses.replace(published, roles=roles)
    new = [RoleVersion("armani", 3, data)]
    publication = plan_publication(trust, published, new, {}, world.keys, world.now(), renew=True)
    staged = staging.staged_temporary(world.folder.staging, number)
    staging.write_staged(staged, publication)
    return staged


def test_audit_of_a_roles_targets(world):
    """A role with more or fewer targets than expected fails the audit.

    Only roles that the client visits are compared. A listed path that no client would look up in
    its role fails, too.
    """
    root = world.folder.trusted_root.read_bytes()
    for number, (files, listed, message) in enumerate(
        (
            (FILES, [SECOND, FIRST], ""),
            (FILES, [FIRST], "other targets in armani"),
            (FILES, [FIRST, SECOND, "armani/id/beta/b.zip"], "other targets in armani"),
            (DEEP, list(DEEP), "not delegated to it"),
        )
    ):
        staged = stage(world, files, number)
        plan = AuditPlan([FIRST], ["armani/-/-/-"], {"armani": listed, "cancro": ["never"]})
        refusing = pytest.raises(TrustError, match=message) if message else nullcontext()
        with case(listed), refusing:
            audit_staged(staged, world.folder.public, root, 1, plan)
