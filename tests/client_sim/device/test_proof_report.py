import hashlib

import msgspec
import pytest

from client_sim.device.proof_report import Proof, encode_proof, make_printable
from client_sim.engine.rules import Rules
from tests.client_sim.device.formats_page import json_vector


def test_the_vector_of_formats():
    """The report of FORMATS section 14 is what is written of its values."""
    data, digest = json_vector(14)
    assert hashlib.sha256(data).hexdigest() == digest
    proof = msgspec.json.decode(data, type=Proof)
    assert encode_proof(proof) == data
    assert (proof.ways, set(proof.rules)) == (("stream", "whole"), set(Rules))


@pytest.mark.parametrize(
    ("sentence", "printed"),
    [("It is.", "It is."), ("a\nb\x1b[2J", "a?b?[2J"), ("é" * 301, "é" * 299 + "…")],
)
def test_a_refusal_is_one_printable_line(sentence, printed):
    """What a package's own bytes bring into a sentence cannot steer a terminal."""
    assert make_printable(sentence) == printed
