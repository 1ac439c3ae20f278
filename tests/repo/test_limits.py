"""The vectors of FORMATS section 16: signer, publisher and phone each check them separately."""

import hashlib
import json
import re
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, TargetFile, Targets

from client_sim.device import limits as phone
from client_sim.device.errors import TrustError
from client_sim.device.limits import check_followed
from server.core.errors import HeningError
from server.core.metadata import encode_metadata
from server.core.proposal import MetadataText, PackageFile, Proposal
from server.publisher.keys.online_keys import create_online_keys, load_online_keys
from server.publisher.published import Trust
from server.publisher.verify import RoleVersion, verify_submission
from signer.errors import ProposalError
from signer.proposal.trust import verify_proposal
from tests.cases import case
from tests.server.ceremony import Ceremony, release

PAGE = (Path(__file__).parents[2] / "docs" / "FORMATS.md").read_text()
BLOCK = re.search(r"^## 16\. .*?^```jsonl\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
VECTORS = [json.loads(line) for line in BLOCK[1].splitlines()]
SIGNED_AT = 1_767_400_000
NOW = datetime.fromtimestamp(SIGNED_AT, UTC)


@pytest.fixture(scope="module")
def ceremony(tmp_path_factory):
    """Return the offline keys of a repository made at that moment."""
    keys = tmp_path_factory.mktemp("keys")
    create_online_keys(keys)
    return Ceremony(load_online_keys(keys), NOW)


@pytest.fixture(scope="module")
def vectors(ceremony):
    """Return each vector's metadata before and after the change, and what refuses it."""
    return [make_vector(vector, ceremony) for vector in VECTORS]


def make_vector(vector, ceremony):
    """Return name, roots, targets, role before and after, and the programs that refuse it."""
    roots = [make_root(ceremony, 1, vector.get("lifetimes"), None)]
    if "resets" in vector:
        roots.append(make_root(ceremony, 2, vector.get("lifetimes"), vector["resets"]))
    before = ceremony.sign("armani", make_role(1, {"expires": 90, **vector["before"]}))
    after = ceremony.sign("armani", make_role(2, vector["after"]))
    return vector["name"], roots, ceremony.targets(), before, after, vector["refused"]


def make_root(ceremony, version, lifetimes, resets):
    """Return a root, with lifetimes and resets if given."""
    resets = resets and {
        name: {**reset, "time": SIGNED_AT + reset["time"]} for name, reset in resets.items()
    }
    members = {"lifetimes": lifetimes, "resets": resets}
    custom = {"log": str(ceremony.online.log_verifier), "schema": 1}
    custom |= {name: value for name, value in members.items() if value is not None}
    return ceremony.root(version, unrecognized_fields={"custom": custom})


def make_role(version, row):
    """Return the version of `armani` that one half of a vector describes."""
    role = Targets(version=version, expires=NOW + timedelta(days=row["expires"]))
    for counter, seconds, level in row["builds"]:
        path = f"armani/id/stable/{counter}.zip"
        custom = release(counter, post_timestamp=SIGNED_AT + seconds, security_patch_level=level)
        sha256 = hashlib.sha256(path.encode()).hexdigest()
        role.targets[path] = TargetFile(1, {"sha256": sha256}, path, {"custom": custom})
    custom = {name: row[name] for name in ("floor", "reset") if name in row}
    if "floor_time" in row:
        custom["floor_time"] = SIGNED_AT + row["floor_time"]
    if custom:
        role.unrecognized_fields["custom"] = {"floor": 0, "schema": 1, **custom}
    return role


def load(data):
    """Return the signed part of metadata."""
    return Metadata.from_bytes(data).signed


def test_publisher(ceremony, vectors):
    """The publisher refuses what the vectors say, submitted over the published state."""
    others = {name: load(ceremony.role(name)) for name in ("cancro", "tables", "content")}
    for name, roots, targets, before, after, refused in vectors:
        published = Trust(load(roots[0]), load(targets), {"armani": load(before), **others})
        files = [RoleVersion("armani", 2, after)]
        files += [RoleVersion("root", 2, root) for root in roots[1:]]
        with case(name), refusal(HeningError, is_expected="publisher" in refused):
            verify_submission(files, published, roots[0], ceremony.online, NOW, {})


def test_signer(vectors):
    """The signer refuses the changes that the vectors say, as proposals to be signed."""
    for name, roots, targets, before, after, refused in vectors:
        context = [("armani", 1, before), ("root", 1, roots[0]), ("targets", 1, targets)]
        changes = [("armani", 2, after), *(("root", 2, root) for root in roots[1:])]
        proposal = Proposal(
            schema=1,
            kind="proposal",
            created=SIGNED_AT,
            note="",
            names={},
            context=[MetadataText(role, version, data.decode()) for role, version, data in context],
            changes=[
                MetadataText(role, version, encode_metadata(Metadata(load(data))).decode())
                for role, version, data in changes
            ],
            packages=packages(load(before), load(after)),
        )
        with case(name), refusal(ProposalError, is_expected="signer" in refused):
            verify_proposal(proposal, NOW)


def packages(before, after):
    """Return the files that a role newly lists, in the form of a proposal."""
    new = after.targets.keys() - before.targets.keys()
    return sorted(PackageFile(after.targets[p].hashes["sha256"], 1, Path(p).name) for p in new)


def test_phone(vectors):
    """The phone refuses what it can detect without the previous version."""
    for name, roots, _targets, _before, after, refused in vectors:
        root, role = load(roots[-1]), load(after)
        with case(name), refusal(TrustError, is_expected="phone" in refused):
            check_followed("armani", role, root)
            phone.check_new_version("armani", role, root, SIGNED_AT)


def refusal(error, *, is_expected):
    """Return a context that requires `error`, or no exception."""
    return pytest.raises(error) if is_expected else nullcontext()


def test_root_that_shortens_validity(ceremony):
    """The publisher accepts the root together with a version of the role that expires sooner."""
    others = {name: load(ceremony.role(name)) for name in ("cancro", "tables", "content")}
    before = {"armani": make_role(1, {"expires": 90, "builds": []}), **others}
    first = make_root(ceremony, 1, None, None)
    published = Trust(load(first), load(ceremony.targets()), before)
    root = RoleVersion("root", 2, make_root(ceremony, 2, {"tables": 30}, None))
    sooner = Targets(version=2, expires=NOW + timedelta(days=31))
    tables = RoleVersion("tables", 2, ceremony.sign("tables", sooner))
    with pytest.raises(HeningError, match="sign tables again"):
        verify_submission([root], published, first, ceremony.online, NOW, {})
    trust = verify_submission([root, tables], published, first, ceremony.online, NOW, {})
    assert (trust.root.version, trust.roles["tables"].version) == (2, 2)
