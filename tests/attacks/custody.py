"""A repository whose keys are stolen: real programs, and a copy of the repository for each theft.

The owners hold one ceremony and make two releases; the first is offered, and a phone runs it. A
theft begins with a copy. Thieves sign with the tools of `role_thief.py`; owners use the programs.
"""

import json
import shutil
import time
from datetime import UTC, datetime, timedelta
from urllib.request import Request, urlopen

from demo.stage import HOST, PASSPHRASE
from fixtures.catalogue import Build
from fixtures.signing import CERTIFICATE_FILE
from fixtures.small_package import OtherBuild, small_zip
from signer.bundle_writer import prepared_bundle
from tests.attacks.poisoned import set_port
from tests.attacks.role_thief import load_key, load_role, submit
from tests.flows.thief_server import make_thief, serving
from tests.patience import PATIENCE, until
from tests.program_runner import ShiftedStage

CHANNEL = "armani/id/stable"
HOUR, DAY, YEAR = 3_600, 86_400, 365 * 86_400
HONEST, THIEF = "127.0.0.1", "127.0.0.2"
HELD = (
    *("root-1", "root-2", "root-3", "targets-1", "targets-2"),
    *("tables-1", "tables-2", "content-1", "armani-1"),
)
SPARE = ("targets-3", "targets-4", "tables-3", "tables-4", "content-2", "armani-2")


SOURCE = {"licence": "CC0-1.0", "name": "fixture", "version": "1"}
PACKS = {
    "emergency": {"ID": {"exact": True, "numbers": ["110", "112"]}},
    "features": {
        "calls": {
            "body": {"en": "It has always been able to."},
            "published": "2026-01-01",
            "severity": "info",
            "title": {"en": "Calls"},
        }
    },
}


class Custody(ShiftedStage):
    """The repository in `folder`; its programs' clocks are `ahead` seconds ahead."""

    def __init__(self, folder, programs):
        super().__init__(folder, programs)
        self.api = ""
        self.phone = folder / "phone"

    def start_server(self, *options):
        """Start the server with an API, and wait until it prints both addresses."""
        _, self.api = self.start("--api-port", "0", *options, listens=2)
        self.api = self.api.removesuffix("/api/v1")
        set_port(self.phone, self.port)

    # Owners

    def hold_ceremony(self):
        """Make keys, roles, spare keys, a token with few rights, and a phone with build 0."""
        self.packages.mkdir(parents=True)
        state = ("--state", self.server_state)
        self.server("init", *state)
        self.signer("keys", "new", "--keys", self.keys, *HELD)
        self.signer(
            *("ceremony", "init", "--repo", self.repo, "--keys", self.keys, "--model", "armani"),
            *("--online", self.server_state / "keys" / "public.json", "--out", self.incoming),
        )
        self.signer("keys", "new", "--keys", self.keys, *SPARE)
        self.server("init", *state, "--root", self.repo / "metadata" / "1.root.json")
        self.server("account", "add", "eka", "--role", "engineer", "--codename", "armani", *state)
        narrow = [w for name in ("read", "upload", "submit") for w in ("--permission", name)]
        made = self.server("token", "create", "eka", "--label", "narrow", *narrow, *state)
        (self.folder / "token").write_text(made.strip())
        self.new_phone("phone")

    def package(self, number, build=None):
        """Return the package of a build of the catalogue or of `build`; make it if missing."""
        path = self.packages / f"armani-{number}.zip"
        if not path.exists():
            path.write_bytes(small_zip(build or Build("armani", "id", number)))
        return path

    def make_releases(self):
        """Publish packs and builds 1 and 2, offer build 1, and let the phone install it."""
        self.wait_for_results(1)
        packs = [self.pack(kind, 1, entries) for kind, entries in PACKS.items()]
        self.sign("content", "release", *packs)
        self.release(self.package(1))
        self.offer()
        self.release(self.package(2))
        assert self.ask("install")["installed"]
        mirror = ("--mirror", self.server_state / "public", "--memory", self.folder / "memory")
        self.signer("log", "audit", *mirror, "--root", self.repo / "metadata" / "1.root.json")

    def sign(self, group, command, *arguments, repo=None, keys=None):
        """Let key holders sign a change, and wait until the server has published it."""
        place = ("--repo", repo or self.repo, "--keys", keys or self.keys, "--out", self.incoming)
        done = self.signer(group, command, *place, *arguments)
        result = self._result(done["bundle"])
        assert result["status"] == "published", result
        return done

    def _result(self, bundle):
        answer = self.server_state / "results" / f"{bundle}.json"
        until(answer.exists)
        return json.loads(answer.read_bytes())

    def release(self, package, *options, repo=None, keys=None):
        """Sign a build and publish it."""
        where = ("--region", "id", "--channel", "stable", "--certificate", CERTIFICATE_FILE)
        return self.sign("release", "sign", *where, *options, package, repo=repo, keys=keys)

    def offer(self):
        """Offer the newest build to everyone."""
        self.rollout("offer", "--share", "100%")

    def rollout(self, action, *options):
        """Change the channel's pointer, and wait until the server shows it."""
        self.order("rollout", action, CHANNEL, *options)

    def order(self, *command):
        """Run a command that publishes, and wait until the server shows the result."""
        url = f"http://{HONEST}:{self.port}"
        self.server(*command, "--state", self.server_state, "--public-url", url)

    def pack(self, kind, version, entries):
        """Build a pack folder from entries."""
        drawn, built = (self.packages / f"{kind}-{version}{end}" for end in ("-drawn", ""))
        drawn.mkdir()
        (drawn / "entries.json").write_text(json.dumps(entries))
        members = {"kind": kind, "title": {"en": kind}, "version": version, "withdrawn": []}
        members |= {"rollout": [[1, 1000]], "start": 1, "sources": [SOURCE]}
        (drawn / "pack.json").write_text(json.dumps(members))
        edited = ("--edited", drawn, "--version", version)
        self.signer("content", "build", kind, *edited, "--out", built)
        return built

    def audit(self, mirror=None):
        """Let an auditor compare log and working folder; returns the kinds of the findings."""
        seen = mirror or self.server_state / "public"
        mirror = ("--mirror", seen, "--memory", self.folder / "memory")
        place = (*mirror, "--repo", self.repo, "--json")
        _, said, error = self.run("signer.cli", "log", "audit", *place)
        assert said, error
        return [finding["kind"] for finding in json.loads(said)["findings"]]

    def check(self):
        """Return the problems that `hening-server check` finds."""
        _, said, error = self.run("server.cli", "check", "--state", self.server_state, "--json")
        assert said, error
        return [each["error"] for each in json.loads(said) if each["error"]]

    def alarms(self):
        """Return the subjects of the server's alarms after it has next checked its state."""
        until(lambda: "server" not in self._alarms())
        return self._alarms()

    def _alarms(self):
        token = (self.folder / "token").read_text()
        asked = Request(f"{self.api}/api/v1/status", headers={"Authorization": f"Bearer {token}"})
        with urlopen(asked, timeout=PATIENCE) as answer:
            return [alarm["subject"] for alarm in json.load(answer)["alarms"]]

    def bring_in(self, *roles):
        """Copy to the working folder the server's role versions that the owners did not sign."""
        for file in (self.server_state / "public" / "metadata").iterdir():
            mine = self.repo / "metadata" / file.name
            if file.name.split(".")[1] in roles and not mine.exists():
                shutil.copy(file, mine)

    def reset(self, role, *stolen, kept=()):
        """Reset a role with one root that replaces stolen keys by spare keys."""
        roles = {key.partition("-")[0].partition(":")[0] for key in stolen}
        changes = [word for key in stolen for word in ("--remove", key)]
        spare = [key for key in SPARE if key.partition("-")[0] in roles]
        changes += [word for key in spare for word in ("--add", key)]
        values = ["--counter", "2"]
        if kept:
            values = ["--keep", "2", *(word for pack in kept for word in ("--pack", pack))]
        self.sign("ceremony", "reset", role, *values, *changes)

    def change_online_keys(self):
        """Make new online keys, list them, and switch to them."""
        self.order("keys", "new", "all", "--afresh")
        self.sign("ceremony", "online", "--online", self.server_state / "keys" / "public.json")
        self.order("keys", "switch", "all", "--at-once")

    def release_next(self):
        """Release and offer a build newer than all others; returns its name."""
        made = int(time.time() + self.ahead) + HOUR
        build = OtherBuild("armani", "id", 3, made, "2026-10-05")
        self.release(self.package("next", build))
        self.offer()
        return build.incremental

    def ask(self, command, address=HONEST, phone=None):
        """Let a phone `poll` or `install` at an address; raises StageError if the phone refuses."""
        place = ("--phone", phone or self.phone, "--resolve", f"{HOST}={address}", "--json")
        return self.device(command, *place)

    def show(self, phone=None):
        """Return a phone's state."""
        return self.device("show", "--phone", phone or self.phone, "--json")

    def packs(self):
        """Return the version of each kind of pack that the phone uses."""
        listed = self.device("content", "list", "--phone", self.phone, "--json")
        return {kind: pack["used"]["version"] for kind, pack in listed.items() if pack["used"]}

    def new_phone(self, name):
        """Make a phone that left the factory with build 0."""
        root = ("--root", self.repo / "metadata" / "1.root.json")
        self.device(
            *("create", "--phone", self.folder / name, "--package", self.package(0), *root),
            *("--certificate", CERTIFICATE_FILE, "--host", HOST, "--port", self.port or 1),
            "--plain",
        )
        return self.folder / name

    def another_phone(self, name):
        """Copy the phone as it is now."""
        return shutil.copytree(self.phone, self.folder / name)

    # Thieves

    def key(self, name):
        """Return a stolen offline key."""
        return load_key(self.keys, name, PASSPHRASE)

    def role(self, name):
        """Return the published version of a role, to be edited."""
        return load_role(self.server_state / "public" / "metadata", name).signed

    def submit(self, files, *packages):
        """Submit role files over the API with a token that may only read, upload and submit."""
        token = (self.folder / "token").read_text()
        return submit(self.api, token, files, *packages)

    def hand_in(self, files):
        """Put role files into `incoming`; returns the server's refusal, or "" if published."""
        with prepared_bundle(self.incoming, files, []) as bundle:
            bundle.reveal()
        result = self._result(bundle.id)
        return "" if result["status"] == "published" else result["reason"]

    def thief(self, ahead=0.0):
        """Return a thief with a copy of the online keys; its clock is `ahead` seconds ahead."""
        thief = make_thief(self.server_state)
        thief.world.now = lambda: datetime.now(UTC) + timedelta(seconds=self.ahead + ahead)
        return thief

    def mirror(self, thief):
        """Serve a thief's answers at the address THIEF."""
        return serving(thief, self.port)
