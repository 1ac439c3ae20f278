"""Three attacks on a phone: by the network, by the server, and with all online keys stolen."""

from dataclasses import dataclass

from client_sim.device.errors import DeviceError, DownloadError, PointerError
from client_sim.persona import make_persona
from demo.hostile import HostileServer, flip_last_byte, forge_pointer
from demo.phones import DemoPhone, make_demo_phone
from demo.stage import Stage
from fixtures.catalogue import Build


@dataclass(frozen=True)
class Attack:
    """An attack: whether the phone refused it for the expected reason, and the phone's message."""

    name: str
    refused: bool
    sentence: str


def tamper_with_package(stage: Stage) -> Attack:
    """Change one bit of a package in transit."""
    with HostileServer(stage.port) as server:
        phone = _victim(stage, "victim-package", server.port)
        server.lies["/targets/armani/"] = flip_last_byte
        return _try("a package with one bit changed on the way", phone, server, DownloadError)


def replay_timestamp(stage: Stage, older: bytes) -> Attack:
    """Replay an older timestamp, which is validly signed."""
    with HostileServer(stage.port) as server:
        phone = _victim(stage, "victim-timestamp", server.port)
        _check_honest(phone)
        server.lies["/metadata/timestamp.json"] = lambda _body: older
        outcome = phone.poll()
    # One of several servers with the same name may lag, so the phone only warns.
    unharmed = outcome.offer is None and server.sent_lies == server.lies.keys()
    said = " ".join(outcome.warnings)
    return Attack("an older timestamp, validly signed", unharmed and bool(said), said)


def cross_channels(stage: Stage) -> Attack:
    """Steal every online key and offer the beta build in the stable channel."""
    with HostileServer(stage.port) as server:
        phone = _victim(stage, "victim-pointer", server.port)
        _check_honest(phone)
        server.lies.update(
            forge_pointer(stage.server_state, "latest/armani/id/stable", "latest/armani/id/beta")
        )
        return _try(
            "a pointer to another channel, signed with all online keys stolen",
            phone,
            server,
            PointerError,
        )


def _victim(stage: Stage, name: str, port: int) -> DemoPhone:
    return make_demo_phone(stage, name, Build("armani", "id", 0), make_persona(7), port=port)


def _check_honest(demo_phone: DemoPhone) -> None:
    """Poll before the server changes any body; raise the failure if there is one."""
    outcome = demo_phone.poll()
    if outcome.failure is not None:
        raise outcome.failure


def _try(
    name: str, demo_phone: DemoPhone, server: HostileServer, expected: type[DeviceError]
) -> Attack:
    """Let the phone install; it must raise `expected` after it received every changed body."""
    before = demo_phone.phone.running_build
    try:
        demo_phone.install()
    except expected as error:
        unharmed = (
            demo_phone.phone.running_build == before and server.sent_lies == server.lies.keys()
        )
        return Attack(name, unharmed, str(error))
    except DeviceError as error:
        return Attack(name, refused=False, sentence=f"failed for another reason: {error}")
    return Attack(
        name, refused=False, sentence=f"runs {demo_phone.phone.running_build.incremental}"
    )
