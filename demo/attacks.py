"""Three attacks, each by somebody with more power than he should have."""

from dataclasses import dataclass

from client_sim.device.errors import DeviceError
from demo.handsets import Handset, make_handset
from demo.hostile import HostileServer, flip_last_byte, forge_pointer
from demo.stage import Stage
from fixtures.catalogue import Build


@dataclass(frozen=True)
class Attack:
    """What was tried, whether the phone refused, and what it said."""

    name: str
    refused: bool
    sentence: str


def tamper_with_package(stage: Stage) -> Attack:
    """Change one bit of a package on its way."""
    with HostileServer(stage.port) as server:
        phone = _victim(stage, "victim-package", server.port)
        server.lies["/targets/armani/"] = flip_last_byte
        return _try("a package with one bit changed on the way", phone)


def replay_timestamp(stage: Stage, older: bytes) -> Attack:
    """Answer with a timestamp that was valid yesterday."""
    with HostileServer(stage.port) as server:
        phone = _victim(stage, "victim-timestamp", server.port)
        phone.poll()
        server.lies["/metadata/timestamp.json"] = lambda _body: older
        return _try("an older timestamp, validly signed", phone)


def cross_channels(stage: Stage) -> Attack:
    """Steal every online key and offer the beta build in the stable channel."""
    with HostileServer(stage.port) as server:
        phone = _victim(stage, "victim-pointer", server.port)
        phone.poll()
        server.lies.update(
            forge_pointer(stage.server_state, "latest/armani/id/stable", "latest/armani/id/beta")
        )
        return _try("a pointer to another channel, signed with all online keys stolen", phone)


def _victim(stage: Stage, name: str, port: int) -> Handset:
    return make_handset(stage, name, Build("armani", "id", 0), seed=7, port=port)


def _try(name: str, handset: Handset) -> Attack:
    before = handset.phone.running_build
    try:
        handset.install()
    except DeviceError as error:
        refused = handset.phone.running_build == before
        return Attack(name, refused, str(error))
    return Attack(name, refused=False, sentence=f"runs {handset.phone.running_build.incremental}")
