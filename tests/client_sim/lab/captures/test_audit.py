"""Every leak in captures is named, and only hening's own polls are clean."""

from dataclasses import replace
from functools import cache
from pathlib import Path

from client_sim.lab.captures.audit import audit_capture
from client_sim.lab.captures.capture import Capture, Conversation, DnsQuestion, OtherTraffic, State
from client_sim.lab.captures.known_values import decode_known
from client_sim.lab.captures.loading import load_capture
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
    """Return the explanations of a question's findings."""
    (question,) = [each for each in result.questions if each.name == name]
    return [each.finding.explanation for each in question.evidence]


def talk(data=POLL_BYTES, target=ADDRESS, state=State.PLAIN, **more):
    """Return a connection."""
    return Conversation("c", target, 1, 0.0, data, state, **more)


def capture(*data):
    """Return a capture of connections that carry these bytes."""
    return Capture(
        "pcap",
        tuple(replace(talk(each), where=f"connection {n}") for n, each in enumerate(data, 1)),
    )


def test_every_leak_of_the_phone_of_2014():
    """Carrier, IMEI, phone number, two numbers of contacts, and other hosts are found."""
    result = audit("redmi-1s-2014.pcap", personal=True)
    assert result.verdict == "leak"
    explanations = found(result, "canaries")
    for name, value in (
        ("imei", KNOWN["imei"]),
        ("carrier", "Example+Tel"),
        ("phone_number", KNOWN["phone_number"]),
        ("contacts.number", KNOWN["contacts"][0]["number"]),
        ("messages.number", KNOWN["messages"][0]["number"]),
    ):
        assert any(each.startswith(name) and each.endswith(value) for each in explanations), name
    assert found(result, "egress").count("the phone contacts another host") == 3
    assert found(result, "egress").count("a DNS question for another name") == 3


def test_encrypted_form_is_measured():
    """The token and the account are found; the size of the encrypted field is measured."""
    result = audit("miui-update.pcapng")
    assert result.verdict == "leak"
    explanations = found(result, "canaries")
    assert {each.split(" as ")[0] for each in explanations} == {"accounts.token", "accounts.name"}
    (row,) = [row for row in result.fields if row.name == "form q"]
    assert row.most > 1000


def test_polls_that_show_the_model_are_unexplained():
    """They contain no value of the owner, but are not in the request table."""
    for name, field in (
        ("lineageos.har", "header User-Agent"),
        ("grapheneos.pcap", "header Range"),
    ):
        result = audit(name)
        assert result.verdict == "unexplained"
        assert found(result, "canaries") == []
        assert found(result, "grammar")
        assert field in {row.name for row in result.fields if row.most is not None}


def test_values_are_redacted_unless_personal():
    """Explanations and bytes of every finding are redacted."""
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
    """They are not found within longer fields."""
    known = decode_known(b'{"carrier": "CMCC"}')
    request = b"GET /?op=CMCC&o=XCMCC HTTP/1.1\r\nHost: h\r\n\r\n"
    assert found(audit_capture(capture(request), None, known), "canaries") == [
        "carrier as the whole of query op"
    ]


def test_other_traffic_is_found_by_each_question():
    """Port and TLS must be those of the first connection; any resolved address is allowed."""
    other = POLL_BYTES.replace(b"updates", b"mirrors")
    dns_questions = (
        DnsQuestion("p to r", NAME, 1, b"cookie"),
        DnsQuestion("p to r", b"UPDATES", 1, b""),
    )
    silent = talk(b"", b"198.51.100.10 80 plain", State.SILENT)
    quic = OtherTraffic("UDP port 443 (QUIC)", "p to s", 3, b"x" * 3600)
    resolved = {"addresses": {NAME: frozenset({"198.51.100.10"})}}
    no_name = "the phone contacts an address that no name resolved to"
    other_tls = "TLS with another name, or no TLS"
    for talks, more, question, explanations in (
        ([talk(), talk(other)], {}, "egress", ["the phone contacts another host"]),
        ([talk(), talk(target=b"198.51.100.11 8080 plain")], {}, "egress", []),
        (
            *([talk(), talk(target=b"198.51.100.10 8081 plain")], {}),
            *("egress", ["the phone contacts another port"]),
        ),
        ([talk(), talk(target=b"198.51.100.10 8080 " + NAME)], {}, "egress", [other_tls]),
        (
            *([talk()], {"dns_questions": dns_questions}, "egress"),
            ["a DNS question for another name", "a DNS question contains more than its name"],
        ),
        ([silent], {}, "egress", [no_name]),
        ([silent], resolved, "egress", []),
        (
            *([talk()], {"other_traffic": (quic,)}, "traffic"),
            ["UDP port 443 (QUIC), 3 times: nothing explains these 3600 bytes"],
        ),
        ([], {}, "complete", ["it contains no request, and silence proves nothing"]),
    ):
        with case(question, explanations):
            seen = audit_capture(Capture("pcap", tuple(talks), **more), HOST_LINE, None)
            assert found(seen, question) == explanations
            assert not (explanations and seen.is_clean)


def test_hosts_are_compared():
    """Without a given host the first one is used, and the audit says so."""
    other = POLL_BYTES.replace(b"updates", b"mirrors")
    result = audit_capture(capture(POLL_BYTES, other), None, None)
    assert (result.host, result.is_host_given) == (HOST_LINE, False)
    assert (found(result, "egress"), found(result, "grammar")) == (
        ["the phone contacts another host"],
        [],
    )
    assert result.hosts == {NAME: 1, b"mirrors.hening.example": 1}
    result = audit_capture(capture(POLL_BYTES), NAME, None)
    assert "the second line must be Host with" in found(result, "grammar")[0]


def test_unjudged_connections_are_not_clean():
    """Encrypted requests, gaps and a capture without requests are never clean."""
    encrypted, cut = talk(state=State.ENCRYPTED, name=NAME), talk(gaps=("6 bytes are missing",))
    for talks, verdict in (
        ([talk(), encrypted], "not judged: encrypted"),
        ([talk(), cut], "not judged: incomplete"),
        ([], "not judged: incomplete"),
    ):
        result = audit_capture(Capture("pcap", tuple(talks)), HOST_LINE, None)
        assert (result.verdict, result.is_clean) == (verdict, False)


def test_value_split_over_headers_is_found():
    """The finding names the joined fields, and is redacted."""
    imei = KNOWN["imei"].encode()
    lines = b"".join(b"X-%d: %s\r\n" % (place, imei[place : place + 5]) for place in (0, 5, 10))
    data = b"GET / HTTP/1.1\r\n" + lines + b"\r\n"
    result = audit_capture(capture(data), None, KNOWN_FILE)
    (canaries,) = [each for each in result.questions if each.name == "canaries"]
    assert [each.finding.where for each in canaries.evidence] == ["all headers of connection 1"]
    assert imei not in canaries.evidence[0].finding.data


def make_wire(**changes):
    """Return what a network sees of TLS; `changes` replace values of a clean phone."""
    values = {"name": HOST, "protocols": "http/1.1", "resumes": "no", "early-data": "no"} | changes
    lines = "\n".join(f"{name} {value}" for name, value in values.items())
    return Wire(lines.encode(), b"22:200")


def test_differing_tls_parameters_are_found():
    """Encrypted connections are judged, too; values in their parameters are redacted."""
    for changes, fields in (
        ({}, []),
        ({"resumes": "yes"}, ["resumes", "handshake"]),
        ({"protocols": "h2"}, ["protocols", "handshake"]),
        ({"name": KNOWN["imei"]}, ["name", "handshake"]),
    ):
        target = b"198.51.100.10 443 " + NAME
        talks = tuple(
            talk(b"", target, State.ENCRYPTED, name=NAME, wire=wire)
            for wire in (make_wire(), make_wire(**changes))
        )
        result = audit_capture(Capture("pcap", talks), NAME, None)
        expected = [f"{field} differs from that of all phones of a fleet" for field in fields]
        assert found(result, "tls") == expected
        (tls,) = [each for each in result.questions if each.name == "tls"]
        assert not any(KNOWN["imei"].encode() in each.finding.data for each in tls.evidence)


def test_known_values_are_found_in_all_traffic():
    """Names, DNS options, other protocols and contradicting bytes are searched."""
    imei = KNOWN["imei"].encode()
    seen = Capture(
        *("pcap", (talk(contradictions=(("sent twice, differing", imei),)),)),
        dns_questions=(DnsQuestion("q", imei + b".t.example", 1, imei),),
        other_traffic=(OtherTraffic("ICMP", "p to s", 1, imei),),
    )
    explanations = found(audit_capture(seen, HOST_LINE, KNOWN_FILE), "canaries")
    assert explanations == ["imei as it is: [15 bytes, not shown]"] * 4


def test_kept_findings_are_limited():
    """All 300 findings are counted, and 50 are kept, each with a window of its bytes."""
    result = audit_capture(capture(b"x" * 2000 + b"\r\n\r\n" * 300), HOST_LINE, None)
    (grammar,) = [each for each in result.questions if each.name == "grammar"]
    assert (grammar.count, len(grammar.evidence)) == (300, 50)
    assert all(len(each.finding.data) <= 400 for each in grammar.evidence)
    assert grammar.evidence[0].length == 2000


def test_samples_of_hening_are_clean():
    """A poll is clean in three formats, with and without the host and known values."""
    assert {path.name for path in Path(FOLDER).iterdir()} == {
        *("known.json", "ours.pcap", "ours.pcapng", "ours.har", "redmi-1s-2014.pcap"),
        *("miui-update.pcapng", "lineageos.har", "grapheneos.pcap", "dialects.pcap"),
    }
    assert audit("ours.pcap").is_clean
    for name in ("ours.pcap", "ours.pcapng", "ours.har"):
        for host in (None, HOST_LINE):
            result = audit_capture(load_capture(FOLDER / name), host, None)
            assert (result.verdict, result.is_clean) == ("clean", True), name
