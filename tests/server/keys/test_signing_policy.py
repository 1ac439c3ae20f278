"""The key process refuses the requests of a compromised publisher."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner

from server.core.errors import FormatError, HeningError, ProfileError, ReleaseError, TrustError
from server.core.metadata import decode_snapshot, decode_targets
from server.core.pointer import encode_pointer
from server.keys.signing_policy import judge_public, judge_publication
from server.publisher.keys.messages import Publish
from server.publisher.plan import plan_publication
from server.publisher.verify import RoleVersion
from tests.cases import case
from tests.server.ceremony import release
from tests.server.keys.process import public_roles
from tests.server.world import CHANNEL, FIRST, PACKAGE_1, PACKAGE_2, SECOND

POINTER = CHANNEL.pointer_path


def make_request(world, pointers=None, files=(), **changes):
    """Return a request to publish the public state, with changes."""
    public = {path: encode_pointer(each) for path, each in world.published().pointers().items()}
    request = {
        "public": "",
        "now": world.now(),
        "files": [RoleVersion(*name, data) for name, data in dict(files).items()],
        "pointers": public if pointers is None else pointers,
        "renew": False,
        "logged": {},
        "burned": {},
    }
    return Publish(**(request | changes))


def judge(world, request, signed=None, now=None):
    """Judge a request against the public state."""
    root = world.folder.trusted_root.read_bytes()
    return judge_publication(
        request, world.published(), root, world.keys, signed or {}, now or world.now()
    )


def pointer(world, **changes):
    """Return the only pointer with changed members of its package."""
    custom = encode_pointer(world.published().pointers()[POINTER])
    custom["s"][0]["k"][0] |= changes
    return {POINTER: custom}


def test_new_versions_are_above_all_signed_ones(world):
    """New versions are above all signed ones, including those that were never public.

    Roles that the maintainers signed are published unchanged, with a snapshot that names them.
    """
    signed = {"latest": 40, "snapshot": 50, "timestamp": 60}
    publication = judge(world, make_request(world, renew=True), signed)
    named = {file.role: file.version for file in publication.files}
    assert named == {"latest": 41, "snapshot": 51}
    again = judge(world, make_request(world, pointers={}, renew=True), {**named, "timestamp": 61})
    assert {file.role: file.version for file in again.files} == {"latest": 42, "snapshot": 52}
    files = world.second_release()
    (armani, snapshot) = judge(world, make_request(world, files=files)).files
    assert armani == RoleVersion("armani", 3, files["armani", 3])
    assert decode_snapshot(snapshot.data).signed.meta["armani.json"].version == 3


def test_publishers_clock_is_ahead_or_behind(world):
    """The key process's clock limits each expiry, and no date precedes the public ones.

    The publisher's time is only accepted in between (ADR 36).
    """
    now, published = world.now(), world.published()
    own = judge(world, make_request(world, renew=True), now=now)
    for ahead in (timedelta(days=3650), timedelta(seconds=1)):
        assert judge(world, make_request(world, renew=True, now=now + ahead), now=now) == own
    early = judge(world, make_request(world, renew=True, now=datetime(2020, 1, 1, tzinfo=UTC)))
    signed = published.timestamp.expires - timedelta(days=1)
    late = plan_publication(
        *(published, published, [], published.pointers(), world.keys, signed), renew=True
    )
    assert early == late


def test_offer_of_unsigned_packages(world):
    """A pointer must name packages as their role lists them, in their own channel.

    A malformed pointer is refused as phones would refuse it.
    """
    paths = ("armani/id/beta/armani-1.zip", "cancro/id/stable/armani-1.zip")
    for changes, error in (
        *(({"x": "0" * 64}, "does not list with"), ({"z": 7}, "does not list with")),
        ({"p": "armani/id/stable/other.zip"}, "does not list with"),
        *(({"p": path}, "in another channel") for path in paths),
    ):
        with case(changes), pytest.raises((ReleaseError, FormatError), match=error):
            judge(world, make_request(world, pointer(world, **changes)))
    with pytest.raises(FormatError, match="the pointer latest/armani/id/stable"):
        judge(world, make_request(world, {POINTER: {"v": 1}}))
    with pytest.raises(FormatError, match="nonsense"):
        judge(world, make_request(world, {"latest/nonsense": {}}))


def test_offer_of_a_withdrawn_release(world):
    """A withdrawn release cannot be offered."""
    withdrawn = {FIRST: (PACKAGE_1, release(1, withdrawn=True))}
    files = {("armani", 3): world.ceremony.role("armani", 3, withdrawn)}
    with pytest.raises(ReleaseError, match="which is withdrawn"):
        judge(world, make_request(world, files=files))
    pointers = {POINTER: pointer(world)[POINTER] | {"h": True}}
    judge(world, make_request(world, pointers, files))


def test_role_with_wrong_signatures_or_version(world):
    """A role needs valid signatures of its keys and the next version.

    Roles that are signed here are not accepted from outside, even with valid signatures.
    """
    stranger = world.ceremony.keys["cancro"]
    published = world.published()
    role, version = published.roles["armani"], published.versions()["latest"]
    role.version = 3
    own = (world.folder.public / "metadata" / f"{version}.latest.json").read_bytes()
    for name, data, sentence in (
        (
            ("armani", 3),
            world.ceremony.sign("armani", role, stranger),
            "does not have the required signatures",
        ),
        (("armani", 2), world.ceremony.role("armani", 2), "armani 2 was submitted; 3 comes next"),
        (("dior", 1), world.ceremony.sign("dior", role, stranger), "does not delegate to dior"),
        (("latest", version), own, "latest is signed here and not submitted"),
    ):
        with pytest.raises(TrustError, match=sentence):
            judge(world, make_request(world, files={name: data}))


def test_root_with_foreign_online_keys(world):
    """Under a root that lists foreign online keys, nothing is signed."""
    other = [CryptoSigner.generate_ed25519().public_key]
    files = {("root", 2): world.ceremony.root(2, {"timestamp": other})}
    with pytest.raises(TrustError, match="this server's key for timestamp is not among those"):
        judge(world, make_request(world, files=files))


def test_first_publication_needs_the_pinned_root(fresh):
    """A first publication with another root than the pinned one is refused."""
    first = fresh.first_roles()
    first["root", 1] = fresh.ceremony.root(expires=fresh.ceremony.now + timedelta(days=7))
    request = Publish(
        "", fresh.now(), [RoleVersion(*n, d) for n, d in first.items()], {}, False, {}, {}
    )
    with pytest.raises(TrustError, match="does not start with the pinned root"):
        judge_publication(
            request, None, fresh.folder.trusted_root.read_bytes(), fresh.keys, {}, fresh.now()
        )


def test_logged_versions_are_limited(world):
    """A log may be at most 1000 versions of latest ahead of the signed one.

    After a loss of the record it may be ahead a little.
    """
    signed = {"latest": 40, "snapshot": 40, "timestamp": 40}
    for logged in ({"latest": 2**53 - 1}, {"latest": 1041}, {"snapshot": 41}, {"armani": 1}):
        with case(logged), pytest.raises(TrustError, match="the log is said to hold"):
            judge(world, make_request(world, renew=True, logged=logged), signed)
    burned = judge(world, make_request(world, renew=True, logged={"latest": 1040}), signed)
    assert burned.files[0].version == 1041


def test_public_state_is_adopted(world):
    """The public state is accepted if it verifies from the pinned root.

    A changed or missing file is refused.
    """
    root = world.folder.trusted_root.read_bytes()
    files = public_roles(world)
    taken = judge_public(files, None, root)
    assert set(taken.files) == {file for file in files if file.role != "timestamp"}
    assert judge_public(files, world.published(), root).snapshot_version == 3
    for role in ("timestamp", "snapshot", "targets", "armani", "latest"):
        (at,) = (index for index, file in enumerate(files) if file.role == role)
        data = files[at].data.replace(b'"version":', b'"version":1', 1)
        changed = [*files[:at], replace(files[at], data=data), *files[at + 1 :]]
        with case(role), pytest.raises(TrustError, match="does not have the required signatures"):
            judge_public(changed, None, root)
        with case(role), pytest.raises(FormatError, match="what is public has"):
            judge_public([*files[:at], *files[at + 1 :]], None, root)


def test_replay_of_an_older_public_state(world):
    """A replay of an older public state is refused, and the error says what to do."""
    root = world.folder.trusted_root.read_bytes()
    before = public_roles(world)
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    with pytest.raises(TrustError, match=r"armani 3 was public, and 2 is now: restore public/"):
        judge_public(before, world.published(), root)


def swapped(world, role, version, data):
    """Return the public state with one role's file replaced."""
    files = public_roles(world)
    (at,) = (index for index, file in enumerate(files) if file.role == role)
    return [*files[:at], RoleVersion(role, version, data), *files[at + 1 :]]


def test_public_state_that_breaks_the_profile(world):
    """Files that break the profile are refused, even with valid signatures.

    A file of another version than the snapshot names is refused, too.
    """
    root, published = world.folder.trusted_root.read_bytes(), world.published()
    foreign = {"cancro/id/stable/cancro-1.zip": (PACKAGE_1, release(1))}
    targets = published.targets
    targets.targets = published.roles["armani"].targets
    role = world.ceremony.role
    for name, version, data, error, sentence in (
        ("armani", 2, role("armani", 1), TrustError, "the file of armani is of another version"),
        ("armani", 2, role("armani", 2, foreign), ProfileError, "not a path of this role"),
        (
            "targets",
            1,
            world.ceremony.sign("targets", targets),
            ProfileError,
            "the targets role lists targets",
        ),
    ):
        with pytest.raises(error, match=sentence):
            judge_public(swapped(world, name, version, data), None, root)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=3), below),
    max_leaves=8,
)
ROLES = st.sampled_from(["root", "targets", "armani", "latest", "snapshot", "timestamp", "dior"])


@given(
    st.dictionaries(st.just(POINTER) | st.text(max_size=30), ANYTHING, max_size=2),
    st.lists(st.tuples(ROLES, st.integers(0, 2**53 - 1), st.binary(max_size=50)), max_size=3),
    st.dictionaries(ROLES, st.integers(0, 2**53 - 1), max_size=2),
)
def test_random_requests(published_state, pointers, files, logged):
    """A random request with files or pointers is refused with one of our errors."""
    named = [RoleVersion(*each) for each in files]
    request = make_request(published_state, pointers, logged=logged)
    request.files = named
    with contextlib.suppress(HeningError):
        judge(published_state, request)
        assert not named
        assert not pointers
    with pytest.raises(HeningError):
        judge_public(named, None, published_state.folder.trusted_root.read_bytes())


def test_limits_of_times_and_counters(world):
    """The key process has the same limits of times and counters as publisher and phone."""
    for days, custom, error in (
        (3660, release(2), "valid for only 3650 days"),
        (90, release(2, post_timestamp=4_000_000_000), "ahead of the time of signing"),
        (90, release(2**53 - 1, post_timestamp=1_767_225_602), "cannot be lowered later"),
    ):
        files = {FIRST: (PACKAGE_1, release(1)), SECOND: (PACKAGE_2, custom)}
        role = decode_targets("armani", world.ceremony.role("armani", 3, files)).signed
        role.expires = world.now() + timedelta(days=days)
        data = world.ceremony.sign("armani", role)
        with case(error), pytest.raises((ReleaseError, TrustError), match=error):
            judge(world, make_request(world, files={("armani", 3): data}))
