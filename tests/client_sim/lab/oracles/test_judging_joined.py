"""What was put together from fields has left by the way that those fields left by."""

from client_sim.lab.oracles import canary
from client_sim.lab.oracles.judging import judge_canaries
from client_sim.lab.trace.observation import Channel, Departure, Observation

IMEI = b"001017204862139"


def test_a_value_over_two_headers_left_in_bytes():
    """It has no offset on the wire, and a channel all the same."""
    data = b"GET /a HTTP/1.1\r\nX-A: %b\r\nX-B: %b\r\n\r\n" % (IMEI[:7], IMEI[7:])
    left = Departure(1.0, "poll 1", Channel.BYTES, 0, data)
    target = Departure(1.0, "poll 1", Channel.CONNECT, 0, b"198.51.100.1 8080 plain")
    seen = Observation((target, left), (), (), (b"",), None)
    (found, *_) = judge_canaries(seen, canary.CanarySearch({"imei": (IMEI,)}, layers=1))
    assert found.channel == "octets"
    assert found.field == found.where
    assert found.data != data
