"""A preview says what the phone's own implementation decides for the same pointer."""

from hypothesis import given, settings
from hypothesis import strategies as st

from client_sim.device.choose import decide_update
from client_sim.device.pointer import bucket
from client_sim.device.pointer import decode_pointer as phone_reads
from client_sim.world import BuildFacts
from server.core.errors import HeningError
from server.core.names import decode_channel
from server.core.pointer import encode_pointer
from server.core.release import decode_release
from server.publisher.rollout import plan_halt, plan_offer, plan_pause
from server.release.rollouts.preview import OLDER, Share, preview
from tests.server.ceremony import release

CHANNEL = decode_channel("armani/id/stable")
NOW = 1_770_000_000
FACTORY = "Hening/armani/armani:14/UKQ1/0:user/release-keys"


def fingerprint(counter):
    """Return the fingerprint of a counter's build; 0 is the factory's."""
    return FACTORY if counter == 0 else release(counter)["fingerprint"]


def catalogue(*entries):
    """Return releases and files from tuples (channel, counter, min_counter, source counters)."""
    releases, files = {}, {}
    for number, (channel, counter, stone, sources) in enumerate(entries):
        path = f"{channel}/{number}-{counter}.zip"
        changes = {"min_counter": stone}
        if sources:
            builds = [fingerprint(source) for source in sources]
            changes |= {"type": "incremental", "source_builds": builds}
        releases[path] = decode_release(path, release(counter, **changes))
        files[path] = (1000 * counter + number + 1, f"{number:064x}")
    return releases, files


def test_path_with_a_stepping_stone():
    """The preview shows each build's path, with incrementals and a stepping stone."""
    releases, files = catalogue(
        (CHANNEL, 1, 0, ()),
        (CHANNEL, 2, 0, ()),
        (CHANNEL, 2, 0, (0,)),
        (CHANNEL, 3, 2, ()),
        (CHANNEL, 3, 2, (2,)),
        ("armani/eu/stable", 4, 0, ()),
    )
    pointer = plan_offer(CHANNEL, 3, releases, files, [(NOW - 5, 10), (NOW + 9, 1000)], None, NOW)
    seen = preview(CHANNEL, pointer, releases, NOW)
    assert (seen.channel, seen.counter, seen.state) == (str(CHANNEL), 3, "offered")
    assert seen.shares == (Share(NOW, 10), Share(NOW + 9, 1000))
    rows = [
        (way.build, way.counter, [(hop.counter, hop.type) for hop in way.hops], way.end)
        for way in seen.ways
    ]
    assert rows == [
        (OLDER, 0, [(2, "full"), (3, "incremental")], "newest"),
        (FACTORY, 0, [(2, "incremental"), (3, "incremental")], "newest"),
        (fingerprint(1), 1, [(2, "full"), (3, "incremental")], "newest"),
        (fingerprint(2), 2, [(3, "incremental")], "newest"),
        (fingerprint(3), 3, [], "current"),
    ]
    assert seen.ways[1].length == 2003 + 3005
    assert [hop.build for hop in seen.ways[1].hops] == [fingerprint(2), fingerprint(3)]


@st.composite
def worlds(draw):
    """Draw up to five releases and a pointer to the newest that can be offered."""
    entries = []
    for counter in range(1, draw(st.integers(2, 6))):
        stone = draw(st.sampled_from([0, 0, *range(counter)]))
        entries.append((CHANNEL, counter, stone, ()))
        sources = draw(st.lists(st.integers(0, counter - 1), max_size=2, unique=True))
        entries += [(CHANNEL, counter, stone, (source,)) for source in sources]
    releases, files = catalogue(*entries)
    starts = sorted(draw(st.lists(st.integers(-50, 50), min_size=1, max_size=4, unique=True)))
    shares = sorted(
        draw(st.lists(st.integers(0, 1000), min_size=len(starts), max_size=len(starts)))
    )
    schedule = [(NOW + start, share) for start, share in zip(starts, shares, strict=True)]
    final = max(entry[1] for entry in entries)
    try:
        pointer = plan_offer(CHANNEL, final, releases, files, schedule, None, NOW)
    except HeningError:  # no upgrade path leads to the newest
        pointer = plan_offer(CHANNEL, 1, releases, files, schedule, None, NOW)
    changes = draw(st.sampled_from(["", "", "pause", "halt", "stone gone"]))
    if changes == "pause":
        pointer = plan_pause(CHANNEL, pointer, {}, NOW)
    elif changes == "halt":
        pointer = plan_halt(CHANNEL, pointer, {})
    elif changes == "stone gone" and len(pointer.steps) > 1:
        pointer = type(pointer)(
            1, pointer.steps[1:], pointer.schedule, paused=False, halted=False, reason={}
        )
    return releases, pointer


@settings(max_examples=100)
@given(worlds(), st.binary(min_size=32, max_size=32), st.integers(0, 60))
def test_phones_follow_the_preview(world, secret, later):
    """The phone's implementation chooses exactly the packages of each previewed path."""
    releases, pointer = world
    seen = preview(CHANNEL, pointer, releases, NOW)
    theirs = phone_reads(CHANNEL.pointer_path, encode_pointer(pointer))
    place = bucket(secret, "armani", "id", "stable", pointer.steps[-1].counter)
    share = [each.permille for each in seen.shares if each.start <= NOW + later][-1]
    by_counter = {each.counter: each for each in releases.values()}
    for way in seen.ways:
        build, counter = way.build, way.counter
        for hop in way.hops:
            offer = decided(theirs, build, counter, secret, later).offer
            if place >= share:
                assert offer is None
                break
            assert (offer.path, offer.length, offer.type, offer.counter) == (
                hop.path,
                hop.length,
                hop.type,
                hop.counter,
            )
            build, counter = by_counter[hop.counter].fingerprint, hop.counter
        else:
            decision = decided(theirs, build, counter, secret, later)
            assert decision.offer is None
            words = {"halted": "halted", "newest": "is the newest", "current": "is the newest"}
            if place < share:
                assert words.get(way.end, "cannot be reached") in decision.reason


def decided(pointer, build, counter, secret, later):
    """Return the decision of a phone that runs `build`."""
    running = BuildFacts(build, str(counter), counter, 1_767_225_600 + counter, "2026-01-05")
    return decide_update(pointer, running, counter, secret, NOW + later, ())


def test_share_before_and_after_the_start():
    """The preview repeats the pointer's shares; before the start of the schedule it is 0."""
    releases, files = catalogue((CHANNEL, 1, 0, ()))
    for permille in (0, 1000):
        share = Share(NOW, permille)
        pointer = plan_offer(CHANNEL, 1, releases, files, [(NOW, permille)], None, NOW)
        assert preview(CHANNEL, pointer, releases, NOW).shares == (share,)
        early = preview(CHANNEL, pointer, releases, NOW - 1)
        assert early.shares == (Share(NOW - 1, 0), share)
