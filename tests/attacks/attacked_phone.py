"""A phone on disk, the repository that it trusts, and an attacking server between them."""

import datetime as dt
import re
import shutil
from copy import copy

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from client_sim.device import internet
from client_sim.device.errors import DeviceError
from client_sim.device.factory import create_phone
from client_sim.device.phone import Phone
from client_sim.lab.oracles.grammar import find_violations
from tests.client_sim.device import shop
from tests.client_sim.device.fake_world import HOST
from tests.client_sim.device.repository_simulator import Repository
from tests.patience import PATIENCE

# FORMATS section 9 and the request table of docs/PRIVACY.md, for the one model of these tests.
_PATH = (
    rb"/metadata/[1-9][0-9]*\.(?:root|snapshot|targets|latest|tables|content|armani)\.json"
    rb"|/metadata/timestamp\.json|/log/proof/(?:latest|tables|content|armani)\.[1-9][0-9]*"
)
_PACKAGE = rb"/targets/armani/id/stable/[0-9a-f]{64}\.[a-z0-9][a-z0-9._-]*\.zip"

PATHS = {
    "root": r"/metadata/\d+\.root\.json",
    "timestamp": r"/metadata/timestamp\.json",
    "snapshot": r"/metadata/\d+\.snapshot\.json",
    "targets": r"/metadata/\d+\.targets\.json",
    "latest": r"/metadata/\d+\.latest\.json",
    "proof of latest": r"/log/proof/latest\.\d+",
    "armani": r"/metadata/\d+\.armani\.json",
    "proof of armani": r"/log/proof/armani\.\d+",
    "package": r"/targets/.*",
}
"""The inputs of an installation, by name."""


class AttackedPhone:
    """A phone that runs build `number`, to which the next build is offered in full and in part."""

    def __init__(self, folder, server, number=0):
        self.folder = folder
        self.server = server
        self.number = number
        self.clock = float(shop.NOW)
        self.repository = server.repository = Repository(shop.NOW)
        server.behave()
        server.forget()
        self.error = None
        self._offer(number)
        self.remember_signers()

    @property
    def phone(self):
        """Open the phone, as after a restart."""
        return Phone(self.folder, resolver={HOST: ["127.0.0.1"]}, now=lambda: self.clock)

    def _offer(self, number):
        links = [shop.add_package(self.repository, number + 1)]
        links.append(shop.add_package(self.repository, number + 1, number))
        shop.announce(self.repository, number + 1, links)

    def announce(self, *links, **changes):
        """Point to packages as the next build."""
        shop.announce(self.repository, self.number + 1, list(links), **changes)

    def remember_signers(self):
        """Use the present keys for signing after the attack is over."""
        self._signers = copy(self.repository.signers)

    def poll(self):
        """Let the phone poll, which must succeed; returns the poll's outcome."""
        outcome = self.phone.poll()
        assert outcome.failure is None, outcome.failure
        return outcome

    def install(self):
        """Let the phone install; returns "refused", "nothing" or the build that will start."""
        try:
            done = self.phone.install()
        except DeviceError as error:
            self.error = error
            return "refused"
        return done.installed or "nothing"

    def heal(self):
        """Let the owners publish the correct state, and the server serve it."""
        internet.TIMEOUT = PATIENCE  # all answers come from here on; the fixture restores this
        repository = self.repository
        self.server.behave()
        self.server.repository = repository
        repository.now = int(self.clock)
        repository.signers = copy(self._signers)
        repository.overrides.clear()
        repository.signed["armani"].targets.clear()
        repository.signed["latest"].targets.clear()
        repository.publish("targets", "tables", "content")
        self._offer(self.number)

    def check_sent(self):
        """Check that every byte that the phone sent follows the request grammar."""
        host = f"{HOST}:{self.server.port}".encode()
        requests = re.compile(
            rb"(?:GET (?:(?:%b) HTTP/1\.1\r\nHost: %b\r\nAccept-Encoding: gzip"
            rb"|%b HTTP/1\.1\r\nHost: %b\r\nRange: bytes=[0-9]+-[0-9]+)\r\n\r\n)*"
            % (_PATH, re.escape(host), _PACKAGE, re.escape(host))
        )
        received = self.server.received
        assert self.server.failures == [], self.server.failures
        for data in received:
            assert requests.fullmatch(data), data
            assert not data or find_violations(data, host) == ()

    def check_unharmed(self):
        """Check that the phone still starts the build that it ran before."""
        phone = self.phone
        assert phone.slots.state.active == phone.slots.state.running
        assert phone.running_build == shop.facts(self.number)
        self._check_images(phone, self.number)
        phone.reboot(is_healthy=lambda _build: True)
        assert self.phone.running_build == shop.facts(self.number)

    def check_updated(self):
        """Check that the phone starts the next build, byte for byte."""
        phone = self.phone
        phone.reboot(is_healthy=lambda _build: True)
        assert phone.running_build == shop.facts(self.number + 1)
        self._check_images(phone, self.number + 1)

    def check_recovers(self):
        """Check that the phone installs the next build after the attack is over."""
        self.heal()
        assert self.install() == shop.facts(self.number + 1), self.error
        self.check_updated()
        self.check_sent()

    def _check_images(self, phone, number):
        for name, image in shop.find_build("armani", "id", number).images.items():
            assert phone.slots.image_path(name).read_bytes() == image.read_bytes()


def make_templates(folder, port):
    """Make one phone for each build that it may run; the phones are copied, never used."""
    for number in (0, 1):
        create_phone(
            folder / str(number),
            shop.make_image(Repository(shop.NOW), port),
            images=shop.find_build("armani", "id", number).images,
            build=shop.facts(number),
        )
    return folder


def make_certificate():
    """Return the PEM certificate of a package signer that no phone knows."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "another client")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=3_650))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM)


def answer_with(attacked, pattern, change):
    """Send `change(answer)`, a list of parts, wherever a path matches."""
    attacked.server.reply = lambda path, answer: (
        change(answer) if re.fullmatch(pattern, path) else [answer]
    )


def body_of(answer):
    """Return the body of an answer."""
    return answer.partition(b"\r\n\r\n")[2]


def make_attacked(templates, folder, server, number=0):
    """Copy a phone that runs build `number` and let it trust a repository of its own."""
    shutil.copytree(templates / str(number), folder)
    attacked = AttackedPhone(folder, server, number)
    (folder / "image" / "root.json").write_bytes(attacked.repository.trusted_root)
    return attacked
