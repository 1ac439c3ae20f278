"""Server and phone, two implementations of docs/FORMATS.md, accept and refuse the same bytes."""

import copy
import hashlib
import json
import re
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from client_sim.device.errors import DeviceError
from client_sim.device.pointer import decode_pointer as decode_pointer_phone
from client_sim.device.release import decode_release as decode_release_phone
from client_sim.device.tlog import decode_log_key
from client_sim.device.tlog import verify_proof as verify_proof_phone
from server.core.checkpoint import encode_checkpoint, encode_leaf, encode_proof, verify_proof
from server.core.errors import HeningError
from server.core.note import VerifierKey
from server.core.pointer import decode_pointer
from server.core.release import decode_release
from server.core.tiles import GrowingTree
from server.core.tlog import leaf_hash, tree_hash

SEED = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = VerifierKey("log.hening.test/main", SEED.public_key().public_bytes_raw())
PAGE = (Path(__file__).parents[2] / "docs" / "FORMATS.md").read_text(encoding="utf-8")
RELEASE, POINTER, *_ = (
    json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
)
PATH = "armani/id/stable/a.zip"
NUMBERS = [0, 1, -1, 2, 8, 9, 16, 17, 1000, 1001, 2**53 - 1, 2**53, 10**30, 1.0, 0.5]
WORDS = ["", "0", "01", "-9", "9007199254740991", "9007199254740992", "full", "incremental"]
WORDS += ["2026-02-30", "2026-01-05 ", "\uff12026-01-05", "a b", "\ud7ff", "../a.zip"]
WORDS += ["A" * 43 + "=", "A" * 42 + "B=", "A" * 44, "ab" * 32, "AB" * 32, "é" * 600]
WORDS += ["x" * n for n in (64, 65, 128, 129, 1024, 1025)]
WORDS += [
    f"armani/id/{name}.zip" for name in ("beta/a", "stable/a.", "stable/A", "stable/" + "a" * 92)
]
LISTS = [[], [1], ["x"], ["x"] * 8, ["x"] * 9, [[1, 2]], [[1, 2], [1, 3]]]
TEXTS = [
    {},
    {"en": "x"},
    {"EN": "x"},
    {"en": 1},
    *({"en": "é" * n} for n in (500, 501, 4000, 4001)),
]
VALUES = [None, True, False, *NUMBERS, *WORDS, *LISTS, *TEXTS]
#: Half of the changes remove a member.
EDGES = st.sampled_from([*VALUES, *[...] * len(VALUES)])


def places(value, path=()):
    """Return the path of every member below `value`."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for name, member in items:
        found.append((*path, name))
        if isinstance(member, dict | list):
            found += places(member, (*path, name))
    return found


def mutations(value):
    """Yield copies of `value` with one or two members replaced or removed."""
    changes = st.lists(st.tuples(st.sampled_from(places(value)), EDGES), max_size=2)
    return changes.map(lambda changes: apply(value, changes))


def apply(value, changes):
    """Return a copy of `value` with those changes that still fit; `...` removes a member."""
    changed = copy.deepcopy(value)
    for path, new in changes:
        target = changed
        try:
            for name in path[:-1]:
                target = target[name]
            if new is ...:
                del target[path[-1]]
            else:
                target[path[-1]] = copy.deepcopy(new)
        except (KeyError, IndexError, TypeError):
            continue
    return changed


def accepts(decode, *arguments):
    """Return whether a decoder accepts its arguments."""
    try:
        decode(*arguments)
    except (HeningError, DeviceError):
        return False
    return True


@settings(max_examples=1500)
@given(mutations(RELEASE))
@example(RELEASE | {"property_files": ""})
@example(RELEASE | {"property_files": "é" * 600})
@example(RELEASE | {"payload_properties": RELEASE["payload_properties"] | {"FILE_SIZE": "-9"}})
def test_releases(custom):
    """Server and phone both accept a changed release, or both refuse it."""
    assert accepts(decode_release, PATH, custom) == accepts(decode_release_phone, PATH, custom)


@settings(max_examples=1500)
@given(mutations(POINTER))
def test_pointers(custom):
    """Server and phone both accept a changed pointer, or both refuse it."""
    name = "latest/armani/id/stable"
    assert accepts(decode_pointer, name, custom) == accepts(decode_pointer_phone, name, custom)


def make_proof():
    """Return the proof of leaf 3 of 7, its entry's parts and the log's key."""
    roles = [("armani", n, hashlib.sha256(b"%d" % n).hexdigest()) for n in range(1, 8)]
    leaves = [leaf_hash(encode_leaf(*role)) for role in roles]
    note = encode_checkpoint(7, tree_hash(leaves), KEY, SEED.sign)
    tree = GrowingTree(0, {}.__getitem__)
    for leaf in leaves:
        tree.append(leaf)
    return encode_proof(3, tree.inclusion_proof(3), note)


PROOF = make_proof()
LINES = PROOF.decode().split("\n")


@settings(max_examples=1500)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(LINES) - 1),
            st.one_of(
                st.sampled_from(["", "index 3", "index 03", "index 4", "7", "07", *LINES]),
                st.just(...),
                st.tuples(st.integers(0, 90), st.characters(max_codepoint=0x2020)),
            ),
        ),
        max_size=2,
    )
)
@example([])
def test_proofs(changes):
    """Both accept a proof with removed, repeated or changed lines, or both refuse it."""
    lines = list(LINES)
    for place, new in changes:
        place = min(place, len(lines) - 1)  # noqa: PLW2901 - a removal may have shortened it
        if new is ...:
            del lines[place]
        elif isinstance(new, tuple):
            at, character = new
            lines[place] = lines[place][:at] + character + lines[place][at + 1 :]
        else:
            lines.insert(place, new)
    data = "\n".join(lines).encode()
    content = b"4"
    key = decode_log_key(str(KEY))
    entry = encode_leaf("armani", 4, hashlib.sha256(content).hexdigest())

    def phone():
        verify_proof_phone(data, key, role="armani", version=4, data=content)

    assert accepts(verify_proof, data, entry, KEY) == accepts(phone)
