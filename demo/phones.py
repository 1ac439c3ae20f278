"""The phones of the story, made from factory images; each has its owner's data."""

from dataclasses import dataclass
from pathlib import Path

from client_sim.clock import read_clock, read_entropy
from client_sim.device.client import PollOutcome
from client_sim.device.factory import create_phone
from client_sim.device.image import Image, ImageFacts
from client_sim.device.phone import Phone
from client_sim.device.pointer import bucket
from client_sim.device.records import RecordStore
from client_sim.persona import Persona
from client_sim.world import BuildFacts, Public
from demo.stage import HOST, Stage
from demo.wiretap import TappedWorld
from fixtures.catalogue import PARTITIONS, Build

RESOLVER = {HOST: ["127.0.0.1"]}
CERTIFICATE = Path(__file__).parents[1] / "fixtures" / "keys" / "FIXTURE-ONLY-ota.cert.pem"


@dataclass
class DemoPhone:
    """A phone, and its values for the report.

    `in_at_half` says whether the rollout to 50 % offered it a build, `package` is the type of the
    last installed package, `bucket` the phone's place in that rollout.
    """

    name: str
    folder: Path
    phone: Phone
    build: Build
    in_at_half: bool = False
    package: str = ""
    bucket: int = 0

    @property
    def channel(self) -> str:
        """The phone's channel, `CODENAME/REGION/CHANNEL`."""
        facts = self.phone.image.facts
        return f"{facts.codename}/{facts.region}/{facts.channel}"

    def poll(self) -> PollOutcome:
        """Poll once."""
        return self.phone.poll()

    def poll_tapped(self) -> tuple[PollOutcome, TappedWorld]:
        """Poll once; return the outcome, and the world that recorded all bytes on the wire."""
        worlds: list[TappedWorld] = []

        def make_world(public: Public, state: RecordStore) -> TappedWorld:
            worlds.append(
                TappedWorld(public, state, now=read_clock, entropy=read_entropy, resolver=RESOLVER)
            )
            return worlds[-1]

        outcome = Phone(self.folder, make_world=make_world).poll()
        return outcome, worlds[-1]

    def install(self, *, is_healthy: bool = True) -> str:
        """Install the offer and reboot; return the incremental of the build that runs afterwards.

        Unless `is_healthy`, the new build does not boot.
        """
        before = self.phone.running_build
        done = self.phone.install()
        if done.installed is not None and done.offer is not None:
            self.package = done.offer.type
            self.phone.reboot(is_healthy=lambda build: is_healthy or build == before)
        return self.phone.running_build.incremental

    def draw(self, counter: int) -> int:
        """Return the phone's place (0 to 999) in the rollout of `counter`, for the report only."""
        facts = self.phone.image.facts
        secret = self.phone.state["secret"]
        return bucket(secret, facts.codename, facts.region, facts.channel, counter)


def counter_of(build: Build) -> int:
    """Return the counter of a build; each model has one sequence, in the order of build dates."""
    return 2 * build.number + (1 if build.region == "id" else 2)


def make_demo_phone(
    stage: Stage, name: str, build: Build, owner: Persona, *, channel: str = "stable", port: int = 0
) -> DemoPhone:
    """Make a phone that left the factory with `build` and belongs to `owner`."""
    image = Image(
        facts=ImageFacts(
            codename=build.codename,
            region=build.region,
            channel=channel,
            host=HOST,
            port=port or stage.port,
            tls=False,
            built_at=build.post_timestamp,
        ),
        root=(stage.repo / "metadata" / "1.root.json").read_bytes(),
        ota_certificate=CERTIFICATE.read_bytes(),
        authority=None,
    )
    folder = stage.folder / "phones" / name
    create_phone(
        folder,
        image,
        images={partition: build.image(partition) for partition in PARTITIONS},
        build=BuildFacts(
            fingerprint=build.fingerprint,
            incremental=build.incremental,
            counter=counter_of(build),
            post_timestamp=build.post_timestamp,
            security_patch_level=build.security_patch_level,
        ),
        persona=owner,
    )
    return DemoPhone(name, folder, Phone(folder, resolver=RESOLVER), build)
