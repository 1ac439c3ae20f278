"""Edits of a model's role that signer and control plane share; the signer's tests do the others."""

from datetime import UTC, datetime

from tuf.api.metadata import TargetFile, Targets

from server.core.release import decode_floor
from server.core.role_edit import is_unchanged, plan_retirement
from tests.server.ceremony import release

EXPIRES = datetime(2030, 1, 1, tzinfo=UTC)


def test_retired_role_is_empty():
    """A retired role is empty, with a floor above all its builds."""
    role = Targets(version=7, expires=EXPIRES)
    path = "armani/id/stable/2.zip"
    role.targets[path] = TargetFile(9, {"sha256": "0" * 64}, path, {"custom": release(2)})
    planned = plan_retirement("armani", role, EXPIRES)
    assert (dict(planned.targets), decode_floor(planned).counter) == ({}, 3)
    assert not is_unchanged(role, planned)
    assert is_unchanged(planned, plan_retirement("armani", planned, EXPIRES))
