"""A repository that offers the fixtures' real OTA packages for model armani, region id."""

import io
import zipfile
from functools import cache

from client_sim.device.factory import create_phone
from client_sim.device.image import Image, ImageFacts
from client_sim.device.phone import Phone
from fixtures.build import build_zip
from fixtures.catalogue import find_build
from fixtures.signing import CERTIFICATE_FILE
from tests.client_sim.device.fake_world import HOST, FakeWorld
from tests.client_sim.device.repository_simulator import START, Repository, make_pointer, make_step
from tests.client_sim.engine.streamed import facts_of

CERTIFICATE = CERTIFICATE_FILE.read_bytes()
NOW = START + 300 * 86_400  # after the newest fixture was "built"


@cache
def package(number, source=None):
    """Return the OTA zip of build `number`, incremental if `source` is a number."""
    old = None if source is None else find_build("armani", "id", source)
    return build_zip(find_build("armani", "id", number), old)


def facts(number):
    """Return what identifies build `number`; counters start at 1."""
    return facts_of(find_build("armani", "id", number))


def add_package(repository, number, source=None, **changes):
    """List a real package in the codename role and return its link for a pointer."""
    return add_data(repository, package(number, source), number, source, **changes)


def add_data(repository, data, number, source=None, **changes):
    """List arbitrary package bytes as a package of build `number` and return the link."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        pairs = dict(
            line.split("=", 1)
            for name in ("META-INF/com/android/metadata", "payload_properties.txt")
            for line in archive.read(name).decode().splitlines()
        )
    build = facts(number)
    names = ("FILE_HASH", "FILE_SIZE", "METADATA_HASH", "METADATA_SIZE")
    members = {
        "counter": build.counter,
        "fingerprint": build.fingerprint,
        "incremental": build.incremental,
        "payload_properties": {name: pairs[name] for name in names},
        "post_timestamp": build.post_timestamp,
        "property_files": pairs["ota-streaming-property-files"].rstrip(" "),
        "security_patch_level": build.security_patch_level,
        "source_builds": [] if source is None else [facts(source).fingerprint],
        "type": "full" if source is None else "incremental",
    }
    kind = "full" if source is None else f"from-{source}"
    name = f"armani-{number}-{kind}.zip"
    return repository.add_release(data, name, **{**members, **changes})


def announce(repository, number, links, **changes):
    """Publish a pointer to build `number`, for all phones."""
    build = facts(number)
    step = make_step(build.counter, links, t=build.post_timestamp, l=build.security_patch_level)
    repository.point({**make_pointer([step]), **changes})
    repository.publish("armani", "latest")


def make_repository(*sources):
    """Make a repository that offers build 1: in full, and from the builds with these numbers."""
    repository = Repository(NOW)
    announce(repository, 1, [add_package(repository, 1, source) for source in (None, *sources)])
    return repository


def path_of(repository, name):
    """Return the path under which a package is served."""
    return next(path for path in repository.files if path.endswith(name))


def break_one_byte(repository, name):
    """Change a byte of a package that is served."""
    path = path_of(repository, name)
    whole = repository.files[path]
    repository.files[path] = whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:]


def make_image(repository, port):
    """Return the image of a phone that polls `repository` on this machine."""
    image = ImageFacts("armani", "id", "stable", HOST, port, tls=False, built_at=START)
    return Image(image, repository.trusted_root, CERTIFICATE, None)


def make_phone(folder, repository, port=80, persona=None):
    """Make a phone on disk that runs build 0."""
    return create_phone(
        folder,
        make_image(repository, port),
        images=find_build("armani", "id", 0).images,
        build=facts(0),
        persona=persona,
    )


def open_phone(folder, repository, *, disk=None, now=NOW, draws=0):
    """Open a phone as after a restart; its world is in memory, and is `phone.world`.

    `draws` is how much of its random tape was used before.
    """
    world = FakeWorld(repository)
    world.clock = float(now)
    for _ in range(draws):
        world.entropy(1)

    def make_world(public, state):
        world.public, world.state = public, state
        return world

    phone = Phone(folder, make_world=make_world, disk=disk)
    phone.world = world
    return phone
