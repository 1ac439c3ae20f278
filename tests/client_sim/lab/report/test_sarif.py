"""SARIF 2.1.0 has the members that the standard requires (sections 3.13 to 3.30)."""

import base64
import json
from urllib.parse import unquote

from client_sim.lab.report.sarif import render_sarif
from tests.cases import case


def load(presentable):
    """Return the single run of a report."""
    return decode_run(render_sarif(presentable))


def decode_run(text):
    """Return the single run of a log."""
    log = json.loads(text)
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    return run


def test_required_members(reports):
    """The driver has a name, rules have unique ids, and results refer to their rule."""
    for name in ("clean", "leaking", "hostile"):
        with case(name):
            check_run(render_sarif(getattr(reports, name)))


def check_run(text):
    """Check the required members of a log and return its single run."""
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


def test_finding_is_a_result(reports):
    """It has the bytes as hexadecimal, the other run's bytes, and a stable fingerprint."""
    first, second = load(reports.leaking)["results"]
    assert first["ruleId"] == "personal"
    place = first["locations"][0]["physicalLocation"]
    assert unquote(place["artifactLocation"]["uri"]) == "trace/bytes, connection 1, poll 1"
    assert place["region"]["byteLength"] == 15
    assert place["region"]["snippet"]["rendered"]["text"] == " ".join(["2a"] * 15)
    assert first["properties"]["otherOctets"] == reports.poll[28:43].hex(" ")
    assert first["partialFingerprints"] != second["partialFingerprints"]
    assert render_sarif(reports.leaking) == render_sarif(reports.leaking)


def test_results_of_the_kill_matrix(reports):
    """A survivor, thin families and false alarms are results; a clean report has none."""
    run = load(reports.clean)
    assert run["results"] == []
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"][-3:]] == [
        *("survivor", "thin", "false-alarm")
    ]
    found = [result["ruleId"] for result in load(reports.hostile)["results"]]
    assert found == ["canaries", "survivor", "thin", "thin", "false-alarm"]
