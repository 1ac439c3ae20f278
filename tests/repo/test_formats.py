"""docs/FORMATS.md matches `server.core`: its vectors, its grammar and its limits."""

import hashlib
import hmac
import json
import re

from msgspec import UNSET
from tuf.api.metadata import DelegatedRole, Delegations, Targets

from client_sim.device.pointer import find_pointer_role
from client_sim.engine import manifest_checks
from client_sim.engine.bsdiff import apply_patch
from client_sim.engine.manifest import OperationType
from server.core import (
    bundle,
    checkpoint,
    encodings,
    latest,
    metadata,
    names,
    note,
    pointer,
    release,
    tlog,
)
from server.core.content import greetings, part, picture
from server.core.content.kinds import KINDS
from server.core.errors import HeningError
from server.core.proposal import MAX_PROPOSAL, Proposal, proposal_id
from server.core.release_texts import MAX_NOTE
from server.release.auth import accounts, audit_log, principal, tokens
from server.storage import database
from signer.proposal import document, signing, trust
from tests.cases import case
from tests.client_sim.device.formats_page import bucket_rows, json_vector, section
from tests.flows.test_package_rules import COUNTED
from tests.package_vectors import RULES


def rows(number, columns):
    """Return the body cells of the tables of a section that have this many columns."""
    cells = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in section(number).splitlines()
        if line.startswith("| ")
    ]
    return [row for row in cells if len(row) == columns and set(row[0]) != {"-"}][1:]


def grammar(name):
    """Return the regular expression that section 1 gives for a name."""
    line = next(row for row in section(1).splitlines() if row.startswith(f"| {name}"))
    form = re.search(r"^\| [^|]* \| [^`]*`([^`]+)`", line)[1]
    return re.compile(form.replace(r"\|", "|"))


def table_names(number, columns):
    """Return the names in the first column of a section's table."""
    return {row[0].strip("`") for row in rows(number, columns)}


def test_release_vector():
    """The release of section 3 has the stated hash and every stated member.

    Table, vector and class have the same members, except for the optional ones.
    """
    data, digest = json_vector(3)
    assert hashlib.sha256(data).hexdigest() == digest
    custom = encodings.decode_canonical_json(data, limit=10_000)
    read = release.decode_release("armani/id/stable/a.zip", custom)
    assert (read.type, read.counter, read.min_counter) == ("incremental", 3, 0)
    assert read.fingerprint == custom["fingerprint"]
    assert read.changelog["id"] == "Memperbaiki jam alarm."
    assert read.payload_properties.file_size == "141000"
    assert encodings.encode_canonical_json(custom) == data
    assert table_names(3, 3) == set(custom)
    optional = {"csig", "drain_until", "labels"}
    assert set(custom) | optional == set(release.Release.__struct_fields__)


def test_pointer_vectors():
    """The pointers of section 4 have the stated hashes and are encoded to the same bytes.

    Table, vector and class have the same members; the second pointer is the first one with a
    complete build.
    """
    data, _ = json_vector(4)
    for text, complete in ((data, UNSET), (b'{"c":2,' + data[1:], 2)):
        assert hashlib.sha256(text).hexdigest() in section(4)
        custom = encodings.decode_canonical_json(text, limit=10_000)
        read = pointer.decode_pointer("latest/armani/id/stable", custom)
        assert read.complete_before == complete
        assert encodings.encode_canonical_json(pointer.encode_pointer(read)) == text
    assert [read.permille_at(now) for now in (0, 1767311999, 1767312000)] == [0, 0, 10]
    assert [read.permille_at(now) for now in (1767398400, 1767484800, 2**53)] == [500, 1000, 1000]
    assert table_names(4, 3) | {"c"} == set(custom)
    assert set(custom) == set(pointer.Pointer.__struct_encode_fields__)


def bucket(secret, codename, region, channel, counter):
    """Compute a bucket as section 4 describes it."""
    text = b"\0".join(part.encode() for part in (codename, region, channel, str(counter)))
    return int.from_bytes(hmac.digest(secret, text, "sha256")[:8], "big") % 1000


def test_bucket_vectors():
    """Each row of the table, and the line after the pointer vector, equals the HMAC."""
    stated = re.search(r"first vector's secret and counter (\d+) the bucket is (\d+)", section(4))
    first = (bytes(range(32)), "armani", "id", "stable", *map(int, stated.groups()))
    for *place, expected in (*bucket_rows(), first):
        assert bucket(*place) == expected


def test_bundle_vector():
    """The bundle of section 6 has the stated id and is encoded to the same bytes."""
    data, stated = json_vector(6)
    read = bundle.decode_bundle(data)
    identity, again = bundle.encode_bundle(read)
    assert again == data
    assert identity == stated
    assert [(role.name, role.version) for role in read.roles] == [("armani", 2)]


def test_leaf_vector():
    """The leaf of section 7 has the stated RFC 6962 hash."""
    name, version, text, expected = re.search(
        r"Vector: `(\w+)`, (\d+), sha256 of `(\w+)` gives the RFC 6962 leaf hash\n`(\w{64})`",
        section(7),
    ).groups()
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert tlog.leaf_hash(checkpoint.encode_leaf(name, int(version), digest)).hex() == expected


def test_metadata_limits():
    """Root, timestamp, snapshot, other roles, proof and checkpoint have the page's limits."""
    text = re.search(r"Fixed limits.*?\n\n", section(2), re.DOTALL)[0]
    stated = [int(number.replace(",", "")) for number in re.findall(r"\d+(?:,\d{3})*", text)]
    known = [metadata.metadata_limit(r) for r in ("root", "timestamp", "snapshot", "targets")]
    assert stated == [*known, checkpoint.MAX_PROOF, note.MAX_NOTE]
    assert metadata.metadata_limit("armani") == metadata.metadata_limit("latest") == known[3]


def test_delegations():
    """`role_pattern` returns the page's patterns, for a model and for the common roles."""
    table = {row[0].strip("`"): row[2].strip("`") for row in rows(2, 4)}
    assert table.pop("one per codename").replace("CODENAME", "armani") == names.role_pattern(
        "armani"
    )
    assert set(table) == set(names.COMMON_ROLES)
    assert all(names.role_pattern(name) == pattern for name, pattern in table.items())


def test_parts_of_latest():
    """Server and phone put each pointer of the page's table into the stated part."""
    table = [[cell.strip("`") for cell in row] for row in rows(2, 5)]
    assert len(table) == 4
    for path, digest, digit, of_4, of_16 in table:
        assert hashlib.sha256(path.encode()).hexdigest().startswith(digest)
        assert int(digest[0], 16) == int(digit)
        for parts, role in ((1, "latest"), (4, of_4), (16, of_16)):
            assert latest.pointer_role(path, parts) == role
            whole = DelegatedRole("latest", ["0"], 1, terminating=True, paths=["latest/*/*/*"])
            delegated = {"latest": whole}
            if parts > 1:
                split = Targets(delegations=Delegations({}, delegated))
                delegated = latest.delegated_roles(latest.plan_split(split, parts, split.expires))
            assert find_pointer_role(delegated, path) == role


def test_reserved_names():
    """Every name that the page reserves is refused as a codename."""
    line = next(row for row in section(1).splitlines() if row.startswith("| reserved"))
    listed = re.findall(r"`([a-z]+)`", line)
    assert set(listed) == names.RESERVED_ROLES
    assert not any(names.is_codename(name) for name in [*listed, "latest-", "latest-0"])


SAMPLES = [
    *("", "a", "0", "-", "_a", "A", "a_b", "a-b", "a.b", "a b", "a\n", "00", "1", "10"),
    *("9007199254740991", "\u0661", "+1", "en", "\u0430", "a.zip", "a..zip", "a.b.zip"),
    *("a" * 16, "a" * 17, "a" * 32, "a" * 33, "a" * 91 + ".zip", "a" * 92 + ".zip"),
]


def accepts(decode, text):
    """Return whether a decoder accepts a text."""
    try:
        decode(text)
    except HeningError:
        return False
    return True


def test_grammar_of_names():
    """Page and code agree on names, files and decimals, sample by sample."""
    for name, decode in (
        ("`codename`", names.check_codename),
        ("`region`", lambda part: names.decode_channel(f"armani/{part}/stable")),
        ("`file`", names.check_file_name),
        ("`decimal`", encodings.decode_decimal),
    ):
        for text in SAMPLES:
            with case(name, text):
                assert accepts(decode, text) == bool(grammar(name).fullmatch(text))


def test_locales():
    """Page and code agree on locales."""
    read = json.loads(json_vector(3)[0])
    for text in ("en", "fil", "e", "zh-Hans", "EN", "en-", "en_US", "en-abcdefghi", "aaaa", "en\n"):
        custom = read | {"changelog": {text: ""}}
        taken = accepts(lambda value: release.decode_release("a/b/c/d.zip", value), custom)
        assert taken == bool(grammar("`locale`").fullmatch(text)), text


def test_proof_example():
    """`encode_proof` writes the page's block with the placeholders filled in."""
    block = re.search(
        r"^```\n(c2sp\.org/tlog-proof@v1\n.*?)```", section(7), re.MULTILINE | re.DOTALL
    )[1]
    filled = block.replace("index I", "index 5").replace("CHECKPOINT\n", "signed\n")
    filled = re.sub(r"BASE64 .*", "A" * 43 + "=", filled)
    assert checkpoint.encode_proof(5, [bytes(32)], b"signed\n").decode() == filled


def test_proposal_vectors():
    """Proposal and signatures of section 10 have the stated id and encode to the same bytes."""
    blocks = re.findall(r"^```json\n(.*?)^```$", section(10), re.MULTILINE | re.DOTALL)
    proposal, signed = (block.encode() for block in blocks)
    identity = hashlib.sha256(proposal).hexdigest()
    assert identity in section(10)
    assert proposal_id(proposal) == identity
    read = document.decode_proposal(proposal)
    assert document.encode_proposal(read) == proposal
    assert trust.decode_unsigned(read.changes[0]).signed.version == 2
    file = signing.decode_signatures(signed)
    assert file.proposal == identity
    assert signing.encode_signatures(file) == signed


def test_members_and_limits_of_proposals():
    """Table and class of section 10 name the same members; limits of bytes and counts are equal."""
    table = {name for row in rows(10, 2) for name in re.findall(r"`(\w+)`", row[0])}
    assert table | {"schema", "kind"} == set(Proposal.__struct_fields__)
    assert MAX_PROPOSAL == 256 * 2**20
    assert signing.MAX_SIGNATURES == 16 * 2**20
    assert f"at most {MAX_NOTE} characters" in section(10)


async def test_audit_log_vectors(tmp_path):
    """The entries of section 11 have the same bytes when they are recorded again."""
    block = re.search(r"^```jsonl\n(.*?)^```$", section(11), re.MULTILINE | re.DOTALL)[1]
    stated = block.encode().splitlines(keepends=True)
    assert len(stated) == 2
    path = tmp_path / "hening.sqlite"
    async with database.open_database(path) as sessions, sessions.begin() as session:
        for line in stated:
            fields = json.loads(line)
            fields = {key: fields[key] for key in fields if key not in {"index", "sha256"}}
            entry = await audit_log.record(session, **fields)
            assert encodings.encode_canonical_json(audit_log.describe(entry)) == line


async def test_token_vector(tmp_path):
    """The bytes of section 12's vector make its text, and the database stores the stated hash."""
    stated, kept = re.search(
        r"^Vector: `([^`]+)`, kept as `([0-9a-f]{64})`", section(12), re.MULTILINE
    ).groups()
    form = re.search(r"`(hening_\[.*?)`, (\d+) characters", section(12))
    assert re.fullmatch(form[1], stated)
    assert len(stated) == int(form[2])
    root = principal.command_line_principal("root")
    data = iter([bytes.fromhex("0123456789ab"), bytes(range(32))])
    path = tmp_path / "hening.sqlite"
    async with database.open_database(path) as sessions, sessions.begin() as session:
        await accounts.create_account(
            session, root, name="ani", role=principal.Role.VIEWER, codenames=["*"], at=0
        )
        issued = await tokens.create_token(
            session, root, lambda _: next(data), account="ani", label="x", expires_at=9, at=0
        )
    assert (issued.text, issued.row.secret_sha256) == (stated, kept)


def test_patch_vector():
    """Section 14: a reader that follows only the page's words gets the new data from the old."""
    text = section(14)
    patch = bytes.fromhex(re.search(r"```hex\n(.*?)```", text, re.DOTALL)[1])
    old, new = re.search(r"from `(\w+)` the patch", text)[1], re.search(r"makes `(\w+)`", text)[1]
    assert apply_patch(old.encode(), patch, len(new)) == new.encode()


def test_operation_types():
    """Each operation type has the page's number and the minor version from which it is allowed."""
    rows = re.findall(r"^\| ((?:`\w+` \d+,? ?)+) \| (\d) \|", section(14), re.MULTILINE)
    listed = {
        name: (int(number), int(minor))
        for names, minor in rows
        for name, number in re.findall(r"`(\w+)` (\d+)", names)
    }
    assert listed == {
        kind.name: (kind.value, minor) for kind, minor in manifest_checks.FIRST_MINOR.items()
    }
    refused = re.search(r"any other type.*?without a name", section(14), re.DOTALL)[0]
    assert {(name, int(number)) for name, number in re.findall(r"`(\w+)` (\d+)", refused)} == {
        (kind.name, kind.value) for kind in OperationType if kind.name not in listed
    }


def test_package_rules():
    """Each rule has its vectors and its side; a rule with a limit has the code's number."""
    table = {row[0].strip("`"): row for row in rows(14, 3) if row[0].startswith("`")}
    assert list(table) == list(RULES)
    for name, rule in RULES.items():
        assert table[name][2].startswith("signer") == rule.by_signer, name
        for limit in rule.limits:
            stated = f"{getattr(COUNTED[limit][0], limit):,}"
            assert stated in table[name][1], name


def test_kinds_of_packs():
    """Each kind has its role and its number of parts; the page's keys are in the stated parts."""
    table = {kind.strip("`"): (role.strip("`"), parts) for kind, role, parts, _ in rows(15, 4)}
    stated = {kind: place for kind, place in table.items() if place[0] in {"tables", "content"}}
    assert stated == {name: (kind.role, str(kind.parts)) for name, kind in KINDS.items()}
    vectors = [row for row in rows(15, 4) if row[1].strip("`") in KINDS]
    assert len(vectors) == 3
    for key, kind, byte, number in vectors:
        text = key.strip("`")
        assert hashlib.sha256(text.encode()).digest()[0] == int(byte)
        assert part.part_of(kind.strip("`"), text) == int(number)


def test_limits_of_packs():
    """The limits of encoded and decoded parts, of entries and of a picture's sides are equal."""
    text = section(15)
    for limit in (part.ENCODED_LIMIT, part.DECODED_LIMIT, part.MAX_ENTRIES, picture.MAX_SIDE):
        assert f"{limit:,}" in text
    assert f"at most {picture.MAX_SCANS} scans" in text
    assert f"at most {greetings.MAX_SEGMENTS} SMS segments" in text
