"""Cost and saving of splitting `latest`, compared with independent calculations."""

import gzip
import hashlib
import json

import pytest

from server.core.proposal import decode_proposal
from server.release.errors import NotFoundError
from server.release.rollouts.signed import Split, plan_price, propose_split


def role(paths, version=1):
    """Return a role file with pointers that hardly compress."""
    targets = {
        path: {"custom": {"r": hashlib.sha512(path.encode()).hexdigest()}, "length": 0}
        for path in paths
    }
    return {"signatures": [{"sig": "0" * 128}], "signed": {"targets": targets, "version": version}}


PATHS = [f"latest/m{number}/id/{channel}" for number in range(300) for channel in ("stable", "b")]


def digits(paths):
    """Return how many paths have each first digit of their SHA-256."""
    found = [hashlib.sha256(path.encode()).hexdigest()[0] for path in paths]
    return {digit: found.count(digit) for digit in "0123456789abcdef"}


@pytest.mark.parametrize("parts", [4, 16])
def test_each_part_has_its_share(parts):
    """Each part has the pointers whose hash begins with its digits, and its share of the size."""
    price = plan_price({"latest": role(PATHS)}, parts)
    (before,) = price.before
    assert (before.pointers, len(before.codenames)) == (600, 300)
    whole = json.dumps(role(PATHS), separators=(",", ":")).encode()
    assert before.size == len(gzip.compress(whole, 9, mtime=0))
    counted, each = list(digits(PATHS).values()), 16 // parts
    shares = [sum(counted[at : at + each]) for at in range(0, 16, each)]
    assert sorted(part.pointers for part in price.after) == sorted(shares)
    for part in price.after:
        assert part.size == pytest.approx(before.size * part.pointers / 600, rel=0.2)


def test_further_split_is_compared_with_existing_parts():
    """A further split is compared with the existing parts, not with the empty latest."""
    digit = {path: hashlib.sha256(path.encode()).hexdigest()[0] for path in PATHS}
    four = {
        f"latest-{part}": role(
            [path for path in PATHS if digit[path] in "0123456789abcdef"[4 * part : 4 * part + 4]]
        )
        for part in range(4)
    }
    price = plan_price({**four, "latest": role([])}, 16)
    assert len(price.before) == 4
    assert sum(part.pointers for part in price.before) == 600
    assert "a 4th of the fleet" in price.sentences[2]


def test_sentences_of_a_split():
    """The remarks give the saving and the smallest part, which is a phone's anonymity set."""
    now, then, shown, last = plan_price({"latest": role(PATHS)}, 16).sentences
    least = min(digits(PATHS).values())
    assert now.startswith("latest has 600 pointers of 300 models; a phone fetches ")
    assert then.startswith("In 16 parts it fetches ")
    assert f"the smallest has {least} channels of " in shown
    assert "the same for the whole fleet" in shown
    assert "cannot be taken back" in last
    price = plan_price({"latest": role(PATHS[:1])}, 16)
    assert len(price.after) == 16
    assert "the smallest has 0 channels of 0 models" in price.sentences[2]
    empty = plan_price({"latest": role([])}, 4)
    assert "nothing to speak of" in empty.sentences[0]


def test_a_proposal(world, tmp_path):
    """A proposed split changes targets and has the replaced roles as context.

    Without public metadata there is no split.
    """
    proposed = propose_split(Split(parts=4, note="Too large."), world.folder.public, world.now())
    proposal = decode_proposal(proposed.data)
    assert [(file.role, file.version) for file in proposal.context] == [("root", 1), ("targets", 1)]
    (change,) = proposal.changes
    assert (change.role, change.version, proposal.note) == ("targets", 2, "Too large.")
    delegated = [role["name"] for role in json.loads(change.data)["signed"]["delegations"]["roles"]]
    assert delegated[-5:] == ["latest-0", "latest-1", "latest-2", "latest-3", "latest"]
    assert "1 pointers of 1 models" in proposed.remarks[0]
    with pytest.raises(NotFoundError):
        propose_split(Split(parts=4), tmp_path, world.now())
