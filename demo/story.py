"""The chapters of the story, and the checks of their results."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from client_sim.cloud.account import Region
from client_sim.compat.checking import check_deployment
from client_sim.compat.http_client import AppPhone, HttpSite
from client_sim.device.client import PollingClient
from client_sim.lab.programme.dissection import explain_poll
from client_sim.lab.programme.live import Target, plan_public
from client_sim.lab.programme.result import ProgrammeResult
from client_sim.persona import make_persona
from demo.attacks import Attack, cross_channels, replay_timestamp, tamper_with_package
from demo.backup import Backup, show_backup, start_clouds
from demo.content import OWNERS, Content, build_packs, show_content
from demo.examination import examine_clients
from demo.narrator import Narrator
from demo.phones import CERTIFICATE, DemoPhone, counter_of, make_demo_phone
from demo.stage import HOST, PASSPHRASE, Stage
from fixtures.build import build_all
from fixtures.catalogue import CODENAMES, REGIONS, Build
from fixtures.signing import KEYS as KEYS_FOLDER
from signer.ota.csig import make_csig
from signer.ota.inspect import inspect_ota

APPS_BUILD = Build("armani", "id", 2)
OTA_KEY = KEYS_FOLDER / "FIXTURE-ONLY-ota.key.pem"
CHANNELS = [f"{codename}/{region}/stable" for codename in CODENAMES for region in REGIONS]
KEYS = [
    *(f"root-{n}" for n in (1, 2, 3)),
    *(f"{role}-{n}" for role in ("targets", "tables") for n in (1, 2)),
    "content-1",
    *(f"{codename}-1" for codename in CODENAMES),
]


@dataclass
class Story:
    """The results of the story, for the final table and the report.

    `poll` shows the requests of a poll with the rules that allow them. `checks` has questions,
    answers, and whether each answer is the expected one.
    """

    demo_phones: list[DemoPhone] = field(default_factory=list)
    attacks: list[Attack] = field(default_factory=list)
    results: dict[str, ProgrammeResult] = field(default_factory=dict)
    poll: str = ""
    content: Content | None = None
    backup: Backup | None = None
    checks: list[tuple[str, str, bool]] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether all checks hold."""
        return all(holds for _, _, holds in self.checks)


def tell(stage: Stage, narrator: Narrator) -> Story:
    """Play the whole story; raises StageError if a program fails."""
    # These depend on no chapter, so they are made in parallel with the first ones.
    with ThreadPoolExecutor(2) as beside:
        packages = beside.submit(build_all, stage.packages)
        packs = beside.submit(build_packs, stage)
        clouds = beside.submit(start_clouds, stage)
        return _tell(stage, narrator, packages, packs, clouds)


def _tell(
    stage: Stage,
    narrator: Narrator,
    packages: Future[list[Path]],
    packs: Future[list[dict[str, Any]]],
    clouds: Future[dict[str, Region]],
) -> Story:
    story = Story()
    _keys(stage, narrator, packages)
    submissions = _release(stage, narrator, 1, 1)
    stage.server(
        "rollout", "offer", *CHANNELS, "--state", stage.server_state, "--share", "100%", "--json"
    )
    _first_installation(stage, narrator, story)
    older = (stage.server_state / "public" / "metadata" / "timestamp.json").read_bytes()
    _release(stage, narrator, 2, submissions)
    _half(stage, narrator, story)
    _whole(stage, narrator, story)
    _beta(stage, narrator, story)
    _apps(stage, narrator, story)
    _attacks(stage, narrator, story, older)
    _content(stage, narrator, story, packs)
    _backup(stage, narrator, story, clouds)
    _privacy(stage, narrator, story)
    return story


def _keys(stage: Stage, narrator: Narrator, packages: Future[list[Path]]) -> None:
    narrator.chapter("1 · Keys")
    with narrator.working("building packages, making keys"):
        stage.server("init", "--state", stage.server_state)
        stage.signer("keys", "new", "--keys", stage.keys, *KEYS)
        models = [word for codename in CODENAMES for word in ("--model", codename)]
        online = stage.server_state / "keys" / "public.json"
        stage.signer(
            "ceremony", "init", "--repo", stage.repo, "--keys", stage.keys,
            "--online", online, *models, "--out", stage.incoming,
        )  # fmt: skip
        root = stage.repo / "metadata" / "1.root.json"
        stage.server("init", "--state", stage.server_state, "--root", root)
        stage.speak_dialects()
        stage.start_server()
        stage.wait_for_results(1)
        zips = packages.result()
    narrator.say(f"{len(zips)} OTA zips were built from ext4 and erofs images.")
    narrator.say(
        f"{len(KEYS)} offline keys signed root (2 of 3), targets and {len(CODENAMES)} models."
    )
    narrator.say(f"Their passphrase is {PASSPHRASE}: they sign nothing but this demo.")
    narrator.say(
        f"The server made its online keys, was given the root, and listens on {stage.port}."
    )


def _release(stage: Stage, narrator: Narrator, number: int, submissions: int) -> int:
    narrator.chapter(f"{2 if number == 1 else 4} · Release {number}")
    with narrator.working("inspecting and signing packages"):
        for codename in CODENAMES:
            for region in REGIONS:
                _sign(stage, Build(codename, region, number), "stable")
                submissions += 1
        stage.wait_for_published(submissions)
    narrator.say(
        f"Build {number} of each model and region was inspected, signed offline and published."
    )
    return submissions


def _sign(stage: Stage, build: Build, channel: str) -> None:
    zips = sorted(stage.packages.glob(f"{build.codename}-{build.incremental}-*.zip"))
    apps: list[str | Path] = []
    if build == APPS_BUILD and channel == "stable":
        apps = ["--label", "lineage.version=22.1", "--csig", _make_csig(stage, build)]
    stage.signer(
        "release", "sign", "--repo", stage.repo, "--keys", stage.keys,
        "--region", build.region, "--channel", channel, "--counter", str(counter_of(build)),
        "--changelog", f"en=Build {build.number}.", "--certificate", CERTIFICATE,
        "--factory-build", Build(build.codename, build.region, 0).fingerprint,
        *apps, "--out", stage.incoming, *zips,
    )  # fmt: skip


def _make_csig(stage: Stage, build: Build) -> Path:
    """Write the csig file of the full package, with which Custota verifies the package's parts."""
    path = stage.packages / f"{build.codename}-{build.incremental}-full.zip"
    csig = path.with_name(f"{path.name}.csig")
    facts = inspect_ota(path)
    csig.write_bytes(make_csig(facts, OTA_KEY.read_bytes(), CERTIFICATE.read_bytes(), str.encode))
    return csig


def _apps(stage: Stage, narrator: Narrator, story: Story) -> None:
    narrator.chapter("7 · Existing Updater apps")
    base = f"http://127.0.0.1:{stage.dialects}"
    phone = AppPhone("armani", channel="nightly", version="22.1", incremental="1.1.0-id")
    updated = []
    with narrator.working("asking as LineageOS's, GrapheneOS's and Custota's apps do"):
        for dialect in ("lineage1", "graphene", "custota"):
            target = stage.folder / f"{dialect}.zip"
            found = check_deployment(
                HttpSite(), dialect, base, phone, CERTIFICATE.read_bytes(), target
            )
            updated += [dialect] if found["fetched"] else []
    narrator.say(
        "The server offers the same build to existing Updater apps: strict simulations of"
        f" {', '.join(updated)} were offered it, fetched it and verified it."
    )
    (stage.server_state / "settings.toml").unlink()  # its ports may be in use on another machine
    narrator.say("Such an app reveals its model in each poll; hening's own phones do not.")
    story.checks.append(
        ("Do existing Updater apps update?", f"{len(updated)} apps", len(updated) == 3)
    )


def _first_installation(stage: Stage, narrator: Narrator, story: Story) -> None:
    narrator.chapter("3 · Phones")
    with narrator.working("making phones, polling, installing"):
        for number, channel in enumerate(CHANNELS * 2):
            codename, region, _ = channel.split("/")
            name = f"{codename}-{region}-{1 + number // len(CHANNELS)}"
            factory = Build(codename, region, 0)
            story.demo_phones.append(make_demo_phone(stage, name, factory, make_persona(number)))
        for demo_phone in story.demo_phones:
            demo_phone.install()
    running = sum(_number(demo_phone) == 1 for demo_phone in story.demo_phones)
    narrator.say(
        f"{len(story.demo_phones)} phones left the factory with build 0, polled, installed the full"
        f" package into the other slot and rebooted: {running} run build 1."
    )
    story.checks.append(("Does a real package get installed?", f"{running} phones", running == 12))


def _half(stage: Stage, narrator: Narrator, story: Story) -> None:
    narrator.chapter("5 · Half of the fleet")
    with narrator.working("rolling out, polling"):
        stage.server(
            "rollout", "offer", *CHANNELS, "--state", stage.server_state, "--share", "50%",
            "--public-url", f"http://127.0.0.1:{stage.port}", "--json",
        )  # fmt: skip
        wires = []
        for demo_phone in story.demo_phones:
            outcome, wire = demo_phone.poll_tapped()
            wires.append((wire.sent, wire.answers()))
            demo_phone.in_at_half = outcome.offer is not None
            demo_phone.bucket = demo_phone.draw(counter_of(_build(demo_phone, 2)))
        for demo_phone in story.demo_phones:
            if demo_phone.in_at_half:
                demo_phone.install()
    inside = [demo_phone for demo_phone in story.demo_phones if demo_phone.in_at_half]
    agree = all(
        demo_phone.in_at_half == (demo_phone.bucket < 500) for demo_phone in story.demo_phones
    )
    narrator.say(
        f"Build 2 was offered to 50 %: {len(inside)} of {len(story.demo_phones)} phones drew a"
        " number below 500 and installed it, the others wait."
    )
    asked, answered = ({pair[side] for pair in wires} for side in (0, 1))
    narrator.say(
        f"Before that, all {len(wires)} polled: {len(asked)} distinct sequence of requests,"
        f" {len(asked.pop())} bytes, and {len(answered)} distinct sequence of answers. Only the"
        " phone itself knows whether it was admitted."
    )
    same = len(set(wires)) == 1
    story.checks.append(
        ("Can the server tell the phones apart?", f"{len(set(wires))} distinct poll", same)
    )
    story.checks.append(
        (
            "Do phones decide on their own?",
            f"{len(inside)} of {len(story.demo_phones)} admitted",
            agree,
        )
    )


def _whole(stage: Stage, narrator: Narrator, story: Story) -> None:
    with narrator.working("rolling out to all phones"):
        stage.server(
            "rollout", "set", *CHANNELS, "--state", stage.server_state, "--share", "100%",
            "--public-url", f"http://127.0.0.1:{stage.port}", "--json",
        )  # fmt: skip
        for demo_phone in story.demo_phones:
            if not demo_phone.in_at_half:
                demo_phone.install()
    running = sum(_number(demo_phone) == 2 for demo_phone in story.demo_phones)
    kinds = sum(demo_phone.package == "incremental" for demo_phone in story.demo_phones)
    narrator.say(f"At 100 % the others followed: {running} run build 2, {kinds} by incremental.")
    story.checks.append(("Do all phones get build 2?", f"{running} phones", running == 12))


def _beta(stage: Stage, narrator: Narrator, story: Story) -> None:
    narrator.chapter("6 · A build that does not start")
    with narrator.working("one more release, in beta"):
        done = len(list((stage.server_state / "results").glob("[0-9a-f]*.json")))
        _sign(stage, Build("armani", "id", 3), "beta")
        stage.wait_for_results(done + 1)
        stage.server(
            "rollout", "offer", "armani/id/beta", "--state", stage.server_state,
            "--share", "100%", "--public-url", f"http://127.0.0.1:{stage.port}", "--json",
        )  # fmt: skip
        sold = Build("armani", "id", 2)
        tester = make_demo_phone(stage, "tester", sold, make_persona(99), channel="beta")
        running = tester.install(is_healthy=False)
        again = tester.poll()
    back = running == Build("armani", "id", 2).incremental and again.offer is None
    narrator.say(
        f"A beta phone installed build 3 (counter 7), which did not boot: it runs {running} again."
    )
    narrator.say(f"Its next poll: {again.reason}")
    story.checks.append(("Does a failed boot fall back?", running, back))


def _attacks(stage: Stage, narrator: Narrator, story: Story, older: bytes) -> None:
    narrator.chapter("8 · Attacks")
    with narrator.working("attacking"):
        story.attacks = [
            tamper_with_package(stage),
            replay_timestamp(stage, older),
            cross_channels(stage),
        ]
    for attack in story.attacks:
        narrator.say(f"{attack.name[0].upper()}{attack.name[1:]}: {attack.sentence}")
        verdict = "refused" if attack.refused else "ACCEPTED"
        story.checks.append((f"Attack: {attack.name}", verdict, attack.refused))


def _content(
    stage: Stage, narrator: Narrator, story: Story, packs: Future[list[dict[str, Any]]]
) -> None:
    narrator.chapter("9 · Public content")
    with narrator.working("publishing packs, polling from two countries"):
        story.content = content = show_content(stage, packs.result())
    entries = sum(pack["entries"] for pack in content.packs)
    narrator.say(
        f"{len(content.packs)} packs with {entries} entries were built, signed offline and"
        " published: access points, emergency numbers, time zones, greetings, wallpapers, themes."
    )
    narrator.say(
        f"A phone in {OWNERS[0].town} and one in {OWNERS[1].town} polled: the same"
        f" {content.requests} requests, {content.size} bytes, and the same answers."
    )
    for question, here, there in content.rows:
        narrator.say(f"{question[0].upper()}{question[1:]}: {here} | {there}")
    same = "the same bytes" if content.is_same else "DIFFERENT BYTES"
    story.checks.append(("Does content hide where a phone is?", same, content.is_same))
    own = all(here != there for _, here, there in content.rows)
    story.checks.append(("Does each find its own values?", f"{len(content.rows)} look-ups", own))


def _backup(
    stage: Stage, narrator: Narrator, story: Story, clouds: Future[dict[str, Region]]
) -> None:
    narrator.chapter("10 · Backup")
    with narrator.working("turning a backup on, restoring, erasing, examining"):
        story.backup = backup = show_backup(stage, clouds.result())
    narrator.say("A new phone sent the cloud nothing: no DNS query, no connection.")
    narrator.say(f"Its owner agreed to the policy of a region: {' | '.join(backup.policies)}.")
    narrator.say(
        f"With contacts and photos on, it sent {backup.contacts} contacts in {backup.size} bytes,"
        f" which show {backup.found} of their names and numbers; `age` decrypts the photos."
    )
    narrator.say(f"Twelve recovery words restored {backup.back} contacts on a second phone.")
    narrator.say(
        f"Turned off again, it sent nothing. The export has {backup.cards} vCards for any address"
        " book."
    )
    narrator.say(f"The account was erased: the signed receipt counts {backup.erased} records.")
    caught = f"{len(backup.caught)} methods caught it" if backup.caught else "NOT CAUGHT"
    narrator.say(
        f"The lab simulated {backup.lives} lives of the phone and found"
        f" {'nothing' if backup.is_clean else 'LEAKS'}. A phone that also sends messages, with only"
        f" contacts on: {caught}."
    )
    silent = "nothing sent" if backup.silent == (0, 0) else "SOMETHING SENT"
    story.checks.append(("Is a backup that is off silent?", silent, backup.silent == (0, 0)))
    sealed = "encrypted, restored, erased" if backup.is_good else "NOT"
    story.checks.append(("Is a backup that is on encrypted?", sealed, backup.is_good))
    both = backup.is_clean and len(backup.caught) > 1
    story.checks.append(("Is a phone that uploads silently caught?", caught, both))


def _privacy(stage: Stage, narrator: Narrator, story: Story) -> None:
    narrator.chapter("11 · Privacy")
    target = Target(HOST, stage.port, "127.0.0.1")
    root = (stage.repo / "metadata" / "1.root.json").read_bytes()
    public = plan_public(target, root, codename="armani", region="id", channel="stable")
    with narrator.working("examining clients at both ends of real sockets"):
        story.results = examine_clients(target, public)
        said = explain_poll(PollingClient, public, time.time())
    story.poll = "\n".join(
        exchange.data.decode("latin-1").replace("\r\n", "\\r\\n\n").rstrip()
        + f"\n    # {exchange.rule}: {exchange.why}\n"
        for exchange in said
    )
    good, bad = story.results.values()
    size = f"{good.runs} phones, {good.polls} polls, {good.size} bytes"
    narrator.say(f"{size}: {_describe(good)}.")
    narrator.say(f"The same examination of a phone of 2014: {_describe(bad)}.")
    story.checks.append(("Do good phones reveal nothing?", _describe(good), good.is_clean))
    caught = set(bad.failed())
    story.checks.append(
        ("Is the phone of 2014 caught?", _describe(bad), {"canaries", "grammar"} <= caught)
    )


def _describe(result: ProgrammeResult) -> str:
    failed = result.failed()
    if not failed:
        return f"all {len(result.batteries)} checks passed"
    return f"{len(failed)} of {len(result.batteries)} checks found leaks"


def _build(demo_phone: DemoPhone, number: int) -> Build:
    return Build(demo_phone.build.codename, demo_phone.build.region, number)


def _number(demo_phone: DemoPhone) -> int:
    """Return the number of the build that a phone runs."""
    running = demo_phone.phone.running_build.incremental
    return next(n for n in range(4) if _build(demo_phone, n).incremental == running)


def to_dict(story: Story) -> dict[str, Any]:
    """Return the story as JSON values, with the names of phones but not of their owners."""
    return {
        "good": story.is_good,
        "checks": [
            {"question": question, "answer": answer, "holds": holds}
            for question, answer, holds in story.checks
        ],
        "phones": [
            {
                "name": demo_phone.name,
                "channel": demo_phone.channel,
                "factory": demo_phone.build.incremental,
                "bucket": demo_phone.bucket,
                "in_at_half": demo_phone.in_at_half,
                "running": demo_phone.phone.running_build.incremental,
                "package": demo_phone.package,
            }
            for demo_phone in story.demo_phones
        ],
        "attacks": [
            {"name": a.name, "refused": a.refused, "sentence": a.sentence} for a in story.attacks
        ],
        "poll": story.poll,
        "content": None if story.content is None else asdict(story.content),
        "backup": None if story.backup is None else asdict(story.backup),
    }
