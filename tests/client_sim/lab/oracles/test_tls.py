"""TLS names one host and one protocol, and comes back to nothing."""

from dataclasses import replace

import pytest

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.tls import judge_handshakes, judge_tls
from client_sim.lab.trace.observation import Channel, Departure, Observation

HONEST = b"name updates.example.org\nprotocols http/1.1\nresumes no\nearly-data no"


def observe(*handshakes):
    """Make a run with these handshakes, and a question that is none of them."""
    left = [Departure(0.0, "poll 1", Channel.DNS, -1, b"updates.example.org")]
    left += [
        Departure(1.0, f"poll {number}", Channel.TLS, number - 1, data)
        for number, data in enumerate(handshakes, 1)
    ]
    return Observation(tuple(left), (), (), (b"",) * len(handshakes), None)


@pytest.fixture
def phone(public):
    """Give a phone that polls by TLS."""
    return replace(public, tls=True)


@pytest.mark.parametrize(
    ("there", "instead", "field", "explanation"),
    [
        (b"updates.", b"imei.", "name", "name is imei.example.org, not updates.example.org"),
        (b"http/1.1", b"h2 http/1.1", "protocols", "protocols is h2 http/1.1, not http/1.1"),
        (b"resumes no", b"resumes yes", "resumes", "resumes is yes, not no"),
        (b"data no", b"data 7\xe9", "early-data", "early-data is 7é, not no"),
        (b"resumes no\n", b"", "resumes", "resumes is nowhere, not no"),
        (b"resumes no", b"resumes", "resumes", "resumes is nowhere, not no"),
        (b"resumes no", b"resumes  no", "resumes", "resumes is  no, not no"),
    ],
)
def test_what_is_not_that_of_the_fleet_is_found(there, instead, field, explanation, phone):
    """Another name, another protocol, a session from before, and what is not said."""
    data = HONEST.replace(there, instead)
    assert judge_tls(observe(HONEST, data), phone) == (
        Finding(
            "tls parameters, poll 2",
            explanation,
            *(data, 0, len(data), None, "tls parameters", field),
        ),
    )


def test_an_honest_connection_is_clean(phone, public):
    """So is a phone that polls without TLS, whatever is said, and a run without any."""
    assert judge_tls(observe(HONEST, HONEST), phone) == ()
    assert judge_tls(observe(b"resumes yes"), public) == ()
    assert judge_tls(observe(), phone) == ()


def test_everything_that_is_wrong_is_found(phone):
    """Each by itself, in the order of the handshake."""
    fields = [finding.field for finding in judge_tls(observe(b""), phone)]
    assert fields == ["name", "protocols", "resumes", "early-data"]


def test_a_handshake_that_is_not_that_of_the_first_is_found():
    """Beside what the first one was."""
    other = HONEST.replace(b"resumes no", b"resumes yes")
    assert judge_handshakes(observe(HONEST, HONEST, other)) == (
        Finding(
            "tls parameters, poll 3",
            "the handshake is not that of the first",
            *(other, 0, len(other), HONEST, "tls parameters", "handshake"),
        ),
    )
    (found,) = judge_handshakes(observe(HONEST, other))
    assert (found.data, found.other) == (other, HONEST)
    assert judge_handshakes(observe(HONEST, HONEST)) == ()
    assert judge_handshakes(observe()) == ()
