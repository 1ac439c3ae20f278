"""SARIF 2.1.0: the members that the standard requires (sections 3.13 to 3.30)."""

import base64
import json
from urllib.parse import unquote

from client_sim.lab.report.sarif import render_sarif
from tests.cases import case


def load(presentable):
    """Give the one run."""
    return decode_run(render_sarif(presentable))


def decode_run(text):
    """Give the one run of a log."""
    told = json.loads(text)
    assert told["version"] == "2.1.0"
    assert told["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = told["runs"]
    return run


def test_required_members(reports):
    """A driver with a name, rules with unique ids, results that point at their rule."""
    for name in ("clean", "leaking", "hostile"):
        with case(name):
            check_run(render_sarif(getattr(reports, name)))


def check_run(text):
    """Hold a log against the standard and give its one run."""
    run = decode_run(text)
    driver = run["tool"]["driver"]
    assert driver["name"] == "hening lab"
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len(set(ids))
    assert all(rule["shortDescription"]["text"] for rule in driver["rules"])
    assert isinstance(run["invocations"][0]["executionSuccessful"], bool)
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["message"]["text"].isprintable()
        assert result["level"] in {"none", "note", "warning", "error"}
        for location in result.get("locations", ()):
            region = location["physicalLocation"]["region"]
            assert region["byteOffset"] >= 0
            snippet = base64.b64decode(region["snippet"]["binary"], validate=True)
            assert snippet.hex(" ") == region["snippet"]["rendered"]["text"].removesuffix(" …")
            uri = location["physicalLocation"]["artifactLocation"]["uri"]
            assert uri.isascii()
            assert " " not in uri
    return run


def test_a_finding_is_a_result(reports):
    """With the bytes as hexadecimal, what the other run had, and a stable fingerprint."""
    first, second = load(reports.leaking)["results"]
    assert first["ruleId"] == "personal"
    place = first["locations"][0]["physicalLocation"]
    assert unquote(place["artifactLocation"]["uri"]) == "trace/bytes, connection 1, poll 1"
    assert place["region"]["byteLength"] == 15
    assert place["region"]["snippet"]["rendered"]["text"] == " ".join(["2a"] * 15)
    assert first["properties"]["otherOctets"] == reports.poll[28:43].hex(" ")
    assert first["partialFingerprints"] != second["partialFingerprints"]
    assert render_sarif(reports.leaking) == render_sarif(reports.leaking)


def test_a_clean_report_has_no_results(reports):
    """The rules of the kill matrix stand beside the oracles'.

    One result for the survivor, two for thin families, one for the false alarm.
    """
    run = load(reports.clean)
    assert run["results"] == []
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"][-3:]] == [
        *("survivor", "thin", "false-alarm")
    ]
    found = [result["ruleId"] for result in load(reports.hostile)["results"]]
    assert found == ["canaries", "survivor", "thin", "thin", "false-alarm"]
