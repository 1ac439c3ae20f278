"""Sample captures and made ones, judged: clean is said of ours alone, and every leak is named."""

from dataclasses import replace
from functools import cache
from pathlib import Path

from client_sim.lab.captures.audit import audit_capture
from client_sim.lab.captures.known import decode_known
from client_sim.lab.captures.loading import load_capture
from client_sim.lab.captures.seen import Asked, Capture, Conversation, Loose, State
from client_sim.lab.trace.hello import Wire
from fixtures.captures import FOLDER, HOST, KNOWN, POLL
from tests.cases import case

HOST_LINE = f"{HOST}:8080".encode()
KNOWN_FILE = decode_known((FOLDER / "known.json").read_bytes())
POLL_BYTES = b"".join(POLL)
ADDRESS = b"198.51.100.10 8080 plain"
NAME = HOST.encode()


@cache
def audit(name, *, personal=False):
    """Audit a sample."""
    return audit_capture(load_capture(FOLDER / name), HOST_LINE, KNOWN_FILE, personal=personal)


def found(result, name):
    """Give the sentences of a question's findings."""
    (question,) = [each for each in result.questions if each.name == name]
    return [each.finding.explanation for each in question.evidence]


def talk(data=POLL_BYTES, target=ADDRESS, state=State.PLAIN, **more):
    """Give a connection."""
    return Conversation("c", target, 1, 0.0, data, state, **more)


def capture(*data):
    """Give a capture with connections that carry these bytes."""
    return Capture(
        "pcap",
        tuple(replace(talk(each), where=f"connection {n}") for n, each in enumerate(data, 1)),
    )


def test_the_phone_of_2014_is_found_out_value_by_value():
    """Carrier, IMEI, telephone number, the contact's and the sender's number, and the host."""
    result = audit("redmi-1s-2014.pcap", personal=True)
    assert result.verdict == "leak"
    told = found(result, "canaries")
    for name, value in (
        ("imei", KNOWN["imei"]),
        ("carrier", "Example+Tel"),
        ("phone_number", KNOWN["phone_number"]),
        ("contacts.number", KNOWN["contacts"][0]["number"]),
        ("messages.number", KNOWN["messages"][0]["number"]),
    ):
        assert any(each.startswith(name) and each.endswith(value) for each in told), name
    assert found(result, "egress").count("the phone contacts another host") == 3
    assert found(result, "egress").count("a DNS question for another name") == 3


def test_an_enciphered_question_is_no_secret():
    """Its token and account are named; what nobody can read is measured and not explained."""
    result = audit("miui-update.pcapng")
    assert result.verdict == "leak"
    told = found(result, "canaries")
    assert {each.split(" as ")[0] for each in told} == {"accounts.token", "accounts.name"}
    (row,) = [row for row in result.fields if row.name == "form q"]
    assert row.most > 1000


def test_polls_that_show_the_model_are_unexplained():
    """No value of the owner is in them, and yet they are not the request table's."""
    for name, field in (
        ("lineageos.har", "header User-Agent"),
        ("grapheneos.pcap", "header Range"),
    ):
        result = audit(name)
        assert result.verdict == "unexplained"
        assert found(result, "canaries") == []
        assert found(result, "grammar")
        assert field in {row.name for row in result.fields if row.most is not None}


def test_values_are_covered_unless_they_are_asked_for():
    """In sentences and in bytes, of every finding."""
    values = [
        value.encode()
        for value in (
            *(KNOWN["imei"], KNOWN["phone_number"], KNOWN["contacts"][0]["number"]),
            *(KNOWN["accounts"][0]["token"], KNOWN["accounts"][0]["name"]),
        )
    ]
    for name, personal in (
        ("redmi-1s-2014.pcap", False),
        ("miui-update.pcapng", False),
        ("miui-update.pcapng", True),
    ):
        result = audit(name, personal=personal)
        shown = b"\n".join(
            each.finding.data + each.finding.explanation.encode()
            for question in result.questions
            for each in question.evidence
        )
        assert any(value.lstrip(b"+") in shown for value in values) is personal


def test_short_values_are_found_as_whole_fields():
    """And nowhere in between."""
    known = decode_known(b'{"carrier": "CMCC"}')
    request = b"GET /?op=CMCC&o=XCMCC HTTP/1.1\r\nHost: h\r\n\r\n"
    assert found(audit_capture(capture(request), None, known), "canaries") == [
        "carrier as the whole of query op"
    ]


def test_what_is_more_than_polls_is_told():
    """By each question; ports and TLS are those of the first connection, an address may be any."""
    other = POLL_BYTES.replace(b"updates", b"mirrors")
    asked = (Asked("p to r", NAME, 1, b"cookie"), Asked("p to r", b"UPDATES", 1, b""))
    silent = talk(b"", b"198.51.100.10 80 plain", State.SILENT)
    quic = Loose("UDP port 443 (QUIC)", "p to s", 3, b"x" * 3600)
    led = {"addresses": {NAME: frozenset({"198.51.100.10"})}}
    no_name = "the phone contacts an address that no name resolved to"
    is_named = "TLS with another name, or no TLS"
    for talks, more, question, told in (
        ([talk(), talk(other)], {}, "egress", ["the phone contacts another host"]),
        ([talk(), talk(target=b"198.51.100.11 8080 plain")], {}, "egress", []),
        (
            *([talk(), talk(target=b"198.51.100.10 8081 plain")], {}),
            *("egress", ["the phone contacts another port"]),
        ),
        ([talk(), talk(target=b"198.51.100.10 8080 " + NAME)], {}, "egress", [is_named]),
        (
            *([talk()], {"asked": asked}, "egress"),
            ["a DNS question for another name", "a DNS question contains more than its name"],
        ),
        ([silent], {}, "egress", [no_name]),
        ([silent], led, "egress", []),  # an answer gave it
        (
            *([talk()], {"loose": (quic,)}, "traffic"),
            ["UDP port 443 (QUIC), 3 times: nothing explains these 3600 bytes"],
        ),
        ([], {}, "complete", ["it contains no request, and silence proves nothing"]),
    ):
        with case(question, told):
            seen = audit_capture(Capture("pcap", tuple(talks), **more), HOST_LINE, None)
            assert found(seen, question) == told
            assert not (told and seen.is_clean)


def test_the_host_is_compared_byte_by_byte():
    """The first one is taken where none is given; the audit says that it was not told."""
    other = POLL_BYTES.replace(b"updates", b"mirrors")
    result = audit_capture(capture(POLL_BYTES, other), None, None)
    assert (result.host, result.is_told) == (HOST_LINE, False)
    assert (found(result, "egress"), found(result, "grammar")) == (
        ["the phone contacts another host"],
        [],
    )
    assert result.hosts == {NAME: 1, b"mirrors.hening.example": 1}
    result = audit_capture(capture(POLL_BYTES), NAME, None)
    assert "the second line must be Host with" in found(result, "grammar")[0]


def test_what_could_not_be_judged_is_never_clean():
    """Encrypted requests, gaps and other traffic, beside a poll that is; silence alone."""
    encrypted, cut = talk(state=State.ENCRYPTED, name=NAME), talk(gaps=("6 bytes are missing",))
    for talks, verdict in (
        ([talk(), encrypted], "not judged: encrypted"),
        ([talk(), cut], "not judged: incomplete"),
        ([], "not judged: incomplete"),
    ):
        result = audit_capture(Capture("pcap", tuple(talks)), HOST_LINE, None)
        assert (result.verdict, result.is_clean) == (verdict, False)


def test_a_value_that_is_split_over_headers_is_found():
    """A third of the IMEI in each; the fields that it was put together from are named."""
    imei = KNOWN["imei"].encode()
    lines = b"".join(b"X-%d: %s\r\n" % (place, imei[place : place + 5]) for place in (0, 5, 10))
    data = b"GET / HTTP/1.1\r\n" + lines + b"\r\n"
    result = audit_capture(capture(data), None, KNOWN_FILE)
    (canaries,) = [each for each in result.questions if each.name == "canaries"]
    assert [each.finding.where for each in canaries.evidence] == ["all headers of connection 1"]
    assert imei not in canaries.evidence[0].finding.data


def hello(**told):
    """Give what a network sees of TLS; `told` in place of what a phone of ours shows."""
    shown = {"name": HOST, "protocols": "http/1.1", "resumes": "no", "early-data": "no"} | told
    lines = "\n".join(f"{name} {value}" for name, value in shown.items())
    return Wire(lines.encode(), b"22:200")


def test_tls_shows_one_configuration():
    """Also of connections whose requests nobody can read; values in it are covered."""
    for told, fields in (
        ({}, []),
        ({"resumes": "yes"}, ["resumes", "handshake"]),
        ({"protocols": "h2"}, ["protocols", "handshake"]),
        ({"name": KNOWN["imei"]}, ["name", "handshake"]),
    ):
        target = b"198.51.100.10 443 " + NAME
        talks = tuple(
            talk(b"", target, State.ENCRYPTED, name=NAME, wire=wire)
            for wire in (hello(), hello(**told))
        )
        result = audit_capture(Capture("pcap", talks), NAME, None)
        says = [f"{field} differs from that of all phones of a fleet" for field in fields]
        assert found(result, "tls") == says
        (tls,) = [each for each in result.questions if each.name == "tls"]
        assert not any(KNOWN["imei"].encode() in each.finding.data for each in tls.evidence)


def test_known_values_are_looked_for_in_all_that_left():
    """Names, options, other protocols, bytes that contradict others."""
    imei = KNOWN["imei"].encode()
    seen = Capture(
        *("pcap", (talk(odd=(("sent twice, differing", imei),)),)),
        asked=(Asked("q", imei + b".t.example", 1, imei),),
        loose=(Loose("ICMP", "p to s", 1, imei),),
    )
    told = found(audit_capture(seen, HOST_LINE, KNOWN_FILE), "canaries")
    assert told == ["imei as it is: [15 bytes, not shown]"] * 4


def test_findings_are_counted_beyond_those_that_are_kept():
    """Fifty of three hundred are shown, and a window of their bytes."""
    result = audit_capture(capture(b"x" * 2000 + b"\r\n\r\n" * 300), HOST_LINE, None)
    (grammar,) = [each for each in result.questions if each.name == "grammar"]
    assert (grammar.count, len(grammar.evidence)) == (300, 50)
    assert all(len(each.finding.data) <= 400 for each in grammar.evidence)
    assert grammar.evidence[0].length == 2000


def test_the_samples_are_what_is_built_and_ours_are_clean():
    """A poll of ours in three formats, with and without the host and the values."""
    assert {path.name for path in Path(FOLDER).iterdir()} == {
        *("known.json", "ours.pcap", "ours.pcapng", "ours.har", "redmi-1s-2014.pcap"),
        *("miui-update.pcapng", "lineageos.har", "grapheneos.pcap", "dialects.pcap"),
    }
    assert audit("ours.pcap").is_clean
    for name in ("ours.pcap", "ours.pcapng", "ours.har"):
        for host in (None, HOST_LINE):
            result = audit_capture(load_capture(FOLDER / name), host, None)
            assert (result.verdict, result.is_clean) == ("clean", True), name
