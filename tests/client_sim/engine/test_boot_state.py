import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.engine.apply import PartitionResult
from client_sim.engine.boot_state import (
    EMPTY_SLOT,
    BootState,
    SlotState,
    decode_boot_state,
    encode_boot_state,
)
from client_sim.engine.errors import EngineError, SlotError
from client_sim.world import BuildFacts
from tests.cases import case

BUILD = BuildFacts("f/p", "1.0", 3, 1000, "2026-01-05")
SLOT = SlotState(
    bootable=True,
    successful=True,
    failed=False,
    tries_remaining=0,
    build=BUILD,
    package="1" * 64,
    partitions=(PartitionResult("system", 4096, "0" * 64),),
)
STATE = BootState("a", "a", {"a": SLOT, "b": EMPTY_SLOT})
GOLDEN = (
    b'{"active":"a","running":"a","schema":1,"slots":{"a":{"bootable":true,"build":{"counter":3,'
    b'"fingerprint":"f/p","incremental":"1.0","post_timestamp":1000,'
    b'"security_patch_level":"2026-01-05"},"failed":false,"package":"' + b"1" * 64 + b'",'
    b'"partitions":[{"name":"system","sha256":"'
    + b"0"
    * 64
    + b'","size":4096}],"successful":true,"tries_remaining":0},'
    b'"b":{"bootable":false,"build":null,"failed":false,"package":null,"partitions":[],"successful":false,'
    b'"tries_remaining":0}}}\n'
)


def test_encoding_of_the_boot_state():
    """The file is canonical JSON."""
    assert encode_boot_state(STATE) == GOLDEN
    assert decode_boot_state(GOLDEN) == STATE
    text = json.dumps(json.loads(GOLDEN), sort_keys=True, separators=(",", ":"))
    assert f"{text}\n".encode() == GOLDEN


facts = st.builds(BuildFacts, st.text(), st.text(), *[st.integers(0, 2**60)] * 2, st.text())
slot_states = st.builds(
    SlotState,
    bootable=st.booleans(),
    successful=st.booleans(),
    failed=st.booleans(),
    tries_remaining=st.integers(0, 7),
    build=st.none() | facts,
    package=st.none() | st.text(),
    partitions=st.just(()),
)
names = st.sampled_from("ab")


@given(
    st.builds(BootState, names, names, st.fixed_dictionaries({"a": slot_states, "b": slot_states}))
)
def test_boot_state_round_trip(state):
    """What is written is read as the same state."""
    assert decode_boot_state(encode_boot_state(state)) == state


def test_damaged_boot_states_are_refused():
    """Other encodings and values are refused, and the error says to flash the phone."""
    for data in (
        b"",
        b"{}",
        b"null",
        b"[" * 100_000,
        GOLDEN[:-1],
        GOLDEN + b"\n",
        GOLDEN.replace(b":", b": ", 1),
        GOLDEN.replace(b'"active":"a"', b'"active":"c"'),
        GOLDEN.replace(b'"active":"a"', b'"active":"a","active":"a"'),
        GOLDEN.replace(b'"schema":1', b'"schema":2'),
        GOLDEN.replace(b'"schema":1', b'"schema":1,"more":1'),
        GOLDEN.replace(b"1000", b"1e3"),
        GOLDEN.replace(b"1000", b'"1000"'),
        GOLDEN.replace(b"true", b"1"),
        GOLDEN.replace(b'"f/p"', b'"f\\/p"'),
        GOLDEN.replace(b'"f/p"', b'"f\xff"'),
        GOLDEN.replace(b'"b":', b'"c":'),
        b" " * (256 * 1024 + 1),
    ):
        with case(data), pytest.raises(SlotError, match="flash the phone anew"):
            decode_boot_state(data)


@given(st.integers(0, len(GOLDEN) - 1), st.integers(0, 255))
def test_changed_bytes_of_a_boot_state(at, byte):
    """A changed byte is refused, or gives the encoding of another state."""
    data = GOLDEN[:at] + bytes([byte]) + GOLDEN[at + 1 :]
    try:
        assert encode_boot_state(decode_boot_state(data)) == data
    except EngineError:
        return
