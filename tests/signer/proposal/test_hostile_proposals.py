"""A proposal with arbitrary metadata is refused with a ProposalError, or reviewed."""

import copy
import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.core.proposal import MetadataText
from signer.errors import ProposalError
from signer.proposal.document import encode_proposal
from signer.proposal.propose import load_proposal
from signer.proposal.review import review_transition

VALUES = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 1.5, 2**53, 10**30, "", "x", "\ud800", "../../x"),
        *([], [1], {}, {"x": 1}, {"_type": "root"}, "0" * 64, "2026-13-40T00:00:00Z"),
    ]
)


def paths_of(value, prefix=()):
    """Yield the path of each place in a JSON value."""
    yield prefix
    if isinstance(value, dict):
        for name, item in value.items():
            yield from paths_of(item, (*prefix, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from paths_of(item, (*prefix, number))


def replaced(value, path, item):
    """Return a copy of a JSON value with another item at a path."""
    if not path:
        return item
    changed = copy.deepcopy(value)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = item
    return changed


@pytest.fixture
def proposal(team):
    """Propose to renew three roles."""
    return team.renew("root", "targets", "armani").proposal


@pytest.mark.parametrize("part", ["changes", "context"])
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_arbitrary_value_in_metadata(team, proposal, part, data) -> None:
    """Any value in a new version or its context is reviewed or refused."""
    files = getattr(proposal, part)
    number = data.draw(st.integers(0, len(files) - 1))
    value = json.loads(files[number].data)
    path = data.draw(st.sampled_from(list(paths_of(value))))
    changed = replaced(value, path, data.draw(VALUES))
    text = json.dumps(changed, separators=(",", ":"))
    files = [*files]
    files[number] = MetadataText(files[number].role, files[number].version, text)
    hostile = msgspec.structs.replace(proposal, **{part: files})
    try:
        proposed = load_proposal(encode_proposal(hostile), team.now)
    except ProposalError:
        return
    review_transition(proposed.transition, proposal.names, team.now)
    for metadata in proposed.transition.new.values():
        assert metadata.signed_bytes
