"""A typical state of a team: three models, named builds, packs, and keys that expire soon."""

from datetime import timedelta

from tests.server.ceremony import release
from tests.server.core.content.samples import NEWS, entries_of, pack

DAY = 86_400
VERSIONS = {1: "1.0.4-id", 2: "1.1.0-id", 3: "1.2.0-id"}
CHANGELOGS = {
    1: {"en": "The first build.", "id": "Rilis pertama."},
    2: {"en": "Security fixes of October.", "id": "Perbaikan keamanan Oktober."},
    3: {
        "en": "Repairs the alarm clock.\nSecurity fixes of November.",
        "id": "Memperbaiki jam alarm.\nPerbaikan keamanan November.",
    },
}


def make_release(world, model, counter, **changes):
    """Return the custom object of a named build, made a month after the one before."""
    version = VERSIONS[counter]
    return release(counter) | {
        "fingerprint": f"Hening/{model}/{model}:14/UKQ1/{version}:user/release-keys",
        "incremental": version,
        "post_timestamp": world.epoch() - (4 - counter) * 30 * DAY,
        "security_patch_level": f"2026-{8 + counter:02}-05",
        "changelog": CHANGELOGS[counter],
        **changes,
    }


def list_builds(world, model, count, places=("id/stable",)):
    """Return a model role's files by path: `count` builds, with incrementals between them."""
    files = {}
    for counter in range(1, count + 1):
        full = make_release(world, model, counter)
        data = b"PK\x03\x04" + f"{model} {counter}".encode() * 90_000
        for place in places:
            files[f"{model}/{place}/{model}-{VERSIONS[counter]}.zip"] = (data, full)
            if counter > 1:
                source = make_release(world, model, counter - 1)["fingerprint"]
                step = full | {"type": "incremental", "source_builds": [source]}
                name = f"{model}-{VERSIONS[counter]}-from-{VERSIONS[counter - 1]}.zip"
                files[f"{model}/{place}/{name}"] = (data[: len(data) // 9], step)
    return files


def fill(world):
    """Publish this state on a fresh server: `cancro` expires in three days."""
    first = world.ceremony.first()
    first["root", 1] = world.folder.trusted_root.read_bytes()
    assert world.publish(first).reason == ""
    armani = list_builds(world, "armani", 3, ("id/stable", "id/beta"))
    cancro = list_builds(world, "cancro", 2)
    roles = {("armani", 2): world.ceremony.role("armani", 2, armani)}
    usual, world.ceremony.now = world.ceremony.now, world.now() - timedelta(days=87, hours=-2)
    roles["cancro", 2] = world.ceremony.role("cancro", 2, cancro)
    world.ceremony.now = usual
    now = world.epoch()
    notices = pack(3, start=now - DAY, rollout=[[now - DAY, 125], [now + DAY, 1000]])
    holidays = pack(2, title={"en": "Public holidays 2027"}, start=now + 30 * DAY)
    content, blobs = world.ceremony.packs(
        "content",
        2,
        {"notices": {"alarm-clock": NEWS}, "holidays": entries_of("holidays")},
        packs={"notices": notices | {"title": {"en": "Notices"}}, "holidays": holidays},
    )
    tables, others = world.ceremony.packs(
        "tables",
        2,
        {"zones": entries_of("zones")},
        packs={"zones": pack(4, title={"en": "Time zones"})},
    )
    roles |= {("content", 2): content, ("tables", 2): tables}
    packages = [data for data, _ in (armani | cancro).values()]
    assert world.publish(roles, [*packages, *blobs, *others]).reason == ""
