"""The chapter about the backup: off until the owner turns it on, encrypted, then erased."""

import shutil
import subprocess
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from client_sim.cloud import age
from client_sim.cloud.account import Cloud, Region, agree, fetch_policy, log_in, sign_up
from client_sim.cloud.errors import OffError
from client_sim.cloud.kinds import decode_inner
from client_sim.cloud.leave import erase, export, finish_erasure
from client_sim.cloud.options import Internet
from client_sim.cloud.owner_data import plant
from client_sim.cloud.photos import decode_photo
from client_sim.cloud.pieces import VAULT, original_path
from client_sim.cloud.pull import Report
from client_sim.cloud.recovery import confirm_words, make_words, recover
from client_sim.cloud.sync import synchronise
from client_sim.lab.cloud.phone import OurPhone
from client_sim.lab.cloud.programme import examine, load_client
from client_sim.persona import Persona, make_persona
from client_sim.world import Stream
from demo.stage import Stage, StageError
from server.core.cloud_policy import policy_key_name
from server.core.note import VerifierKey
from signer.cloud_policy import make_policy, sign_policy

_ROOT = Path(__file__).parents[1]
_PASSWORD = "hollow marble quiet ladder"  # noqa: S105 - of an account that is erased below
_LATER = "amber window secret pilot"
_WAIT = 600  # attempts to fetch the receipt, a tenth of a second apart
REGIONS = ("id", "eu")
LEAKY = "messages-too"
"""A leaky client of the lab: only contacts are on, but it also sends messages."""


@dataclass(frozen=True, slots=True)
class Backup:
    """The results of the chapter.

    `silent` has two counts of DNS queries and sent pieces of data: before the owner signed up, and
    after the backup was turned off again. `policies` describes the policies of two regions. `size`
    is the number of bytes of the first backup; `found` counts the contacts' values that occur in
    them in plain text. `back` is the number of contacts that the recovery words restored, `cards`
    the number of vCards in the export, `erased` the number of records in the receipt. `is_opened`
    says whether the photos decrypt to the originals. `is_clean`, `lives` (the number of runs) and
    `caught` (the methods that detected the leaky client) are results of the lab.
    """

    silent: tuple[int, int]
    policies: tuple[str, str]
    contacts: int
    size: int
    found: int
    back: int
    is_opened: bool
    cards: int
    erased: int
    is_clean: bool
    lives: int
    caught: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        """Whether the backup was silent, complete, encrypted and erased."""
        return (
            self.silent == (0, 0)
            and self.back == self.contacts == self.cards
            and self.found == 0
            and self.is_opened
            and self.erased > 0
        )


class _Counting(Internet):
    """The network access of a phone, which counts DNS queries and records sent data."""

    def __init__(self) -> None:
        super().__init__({}, None)
        self.names = 0
        self.sent: list[bytes] = []

    def resolve(self, host: str) -> Sequence[str]:
        self.names += 1
        return super().resolve(host)

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        return _Tap(super().connect(address, port, tls), self.sent)

    @property
    def count(self) -> int:
        """The number of DNS queries and of pieces of data that were sent."""
        return self.names + len(self.sent)


class _Tap:
    def __init__(self, stream: Stream, sent: list[bytes]) -> None:
        self._stream = stream
        self._sent = sent

    def send(self, data: bytes) -> None:
        self._sent.append(data)
        self._stream.send(data)

    def recv(self, limit: int) -> bytes:
        return self._stream.recv(limit)

    def close(self) -> None:
        self._stream.close()


def start_clouds(stage: Stage) -> dict[str, Region]:
    """Start a cloud for each region, with its example policy, and return them by name."""
    return {region: _start(stage, region) for region in REGIONS}


def _start(stage: Stage, region: str) -> Region:
    sources = _ROOT / "deploy" / "cloud" / "policies"
    text = sources / f"{region}.en.md"
    source = (sources / f"{region}.toml").read_bytes().replace(b"from = 2027", b"from = 2020")
    policy = make_policy(source, {"en": text.read_bytes()})
    key = SigningKey.generate()
    name = VerifierKey(policy_key_name(region), bytes(key.verify_key))
    folder = stage.folder / f"cloud-{region}"
    folder.mkdir()
    note = folder / "policy"
    note.write_bytes(sign_policy(policy, name, lambda signed: key.sign(signed).signature))
    words = ("--folder", folder / "cloud", "--pepper", folder / "pepper")
    given = ("--policy", note, "--policy-key", str(name), "--text", f"en={text}")
    stage.server("cloud", "init", *words, "--region", region, *given)
    return Region(region, stage.start_cloud(region, *words), str(name))


def show_backup(stage: Stage, regions: dict[str, Region]) -> Backup:
    """Play the chapter: a new phone, a backup, a second phone, turning off, export, erasure."""
    owner = make_persona(7)
    first, second, third = (_Phone(stage, name, regions) for name in ("backup", "again", "berlin"))
    plant(first.cloud, owner)
    before = first.try_to_sync() + second.try_to_sync()
    jakarta = first.begin("id", "ani")
    berlin = third.begin("eu", "ilse")
    words = make_words(first.cloud)
    confirm_words(first.cloud, words, _PASSWORD)
    first.cloud.switch("contact", is_on=True)
    first.cloud.switch("photo", is_on=True)
    mark = len(first.way.sent)
    synchronise(first.cloud, Report())
    sent = b"".join(first.way.sent[mark:])
    is_opened = _open_pieces(first.cloud, stage)
    back = second.restore("id", "ani", words)
    for kind in ("contact", "photo"):
        first.cloud.switch(kind, is_on=False)
    mark = first.way.count
    after = first.try_to_sync() - mark
    cards = _export(first.cloud, stage)
    erased = _erase(second)
    found = examine(OurPhone, parts=frozenset())
    caught = examine(load_client(LEAKY), parts=frozenset(), enough=2)
    for each in (first, second, third):
        each.cloud.store.close()
    return Backup(
        silent=(before, after),
        policies=(jakarta, berlin),
        contacts=len(owner.contacts),
        size=len(sent),
        found=_count_names(owner, sent),
        back=back,
        is_opened=is_opened,
        cards=cards,
        erased=erased,
        is_clean=not found.findings,
        lives=found.runs,
        caught=caught.killed_by,
    )


class _Phone:
    """A phone of the chapter."""

    def __init__(self, stage: Stage, name: str, regions: dict[str, Region]) -> None:
        self.way = _Counting()
        self.cloud = Cloud(stage.folder / "phones" / f"cloud-{name}", self.way, regions)

    def try_to_sync(self) -> int:
        """Synchronise although nothing is on; return the count of what was sent so far."""
        try:
            synchronise(self.cloud, Report())
        except OffError:
            return self.way.count
        raise StageError("a phone synchronised although nothing is on")

    def begin(self, region: str, name: str) -> str:
        """Sign up and agree to the policy; return a description of its terms."""
        cloud = self.cloud
        sign_up(cloud, cloud.regions[region], name, _PASSWORD, "phone")
        policy, _ = fetch_policy(cloud, cloud.region, "en")
        agree(cloud, policy, "en", at_least=30, guardian=False)
        terms = policy.terms
        return f"{terms.country}, {terms.minimum_age} years, erased within {terms.hours.erase} h"

    def restore(self, region: str, name: str, words: str) -> int:
        """Recover the account with the words; return the number of restored contacts."""
        cloud = self.cloud
        recover(cloud, cloud.regions[region], name, words, _LATER)
        log_in(cloud, cloud.regions[region], name, _LATER, "another phone")
        policy, _ = fetch_policy(cloud, cloud.region, "en")
        agree(cloud, policy, "en", at_least=30, guardian=False)
        cloud.store.set("words", b"1")
        cloud.switch("contact", is_on=True)
        synchronise(cloud, Report())
        return len(cloud.store.live("contact"))


def _count_names(owner: Persona, sent: bytes) -> int:
    values = [value for each in owner.contacts for value in (each.name, each.number, each.address)]
    return sum(value.encode() in sent for value in values)


def _open_pieces(cloud: Cloud, stage: Stage) -> bool:
    """Decrypt all photos from the server with `age`, if installed, or with the phone's own code.

    Return whether all of them equal the originals.
    """
    (row,) = cloud.store.live("keys")
    text = str(decode_inner(row.body or b"")["age"])
    key, file = stage.folder / "age-key", stage.folder / "piece.age"
    key.write_text(f"{text}\n")
    for each in cloud.store.live("photo"):
        photo, opened = decode_photo(each.body or b""), b""
        for piece in photo.pieces:
            with cloud.connect() as service:
                service.program = (cloud.name, cloud.store.get("program").decode())
                body = service.blob("GET", f"{VAULT}/data/{piece.name}") or b""
            file.write_bytes(body)
            if shutil.which("age"):
                words = ["age", "-d", "-i", str(key), str(file)]
                plain = subprocess.run(words, check=True, capture_output=True).stdout
            else:
                plain = age.decrypt(body, age.Identity.decode(text))
            opened += plain[: piece.length]
        if opened != original_path(cloud, photo).read_bytes():
            return False
    return True


def _export(cloud: Cloud, stage: Stage) -> int:
    """Export everything; return the number of vCards in the export."""
    path = stage.folder / "mine.zip"
    export(cloud, path)
    with zipfile.ZipFile(path) as archive:
        return archive.read("contacts.vcf").count(b"BEGIN:VCARD")


def _erase(phone: _Phone) -> int:
    """Erase the account; return the number of records in the signed receipt."""
    erase(phone.cloud)
    for _ in range(_WAIT):
        said: dict[str, Any] | None = finish_erasure(phone.cloud)
        if said is not None:
            return int(said["erased"]["items"])
        time.sleep(0.1)
    raise StageError("the erasure did not end; see cloud-id.log")
