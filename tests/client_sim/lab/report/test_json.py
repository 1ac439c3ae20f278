"""JSON of reports: complete, with correct offsets, and with the agreed form of the kill matrix."""

import json
from dataclasses import replace

from client_sim.lab.report.json import matrix_to_dict, report_to_dict


def test_clean_report(reports):
    """It has numbers and claims, and no findings."""
    data = json.loads(json.dumps(report_to_dict(reports.clean)))
    assert (data["client"], data["verdict"], data["clean"], data["good"]) == (
        *("clean", "clean"),
        *(True, True),
    )
    assert data["claims"]["N3"] == {
        "says": "Nothing that a server says comes back.",
        "holds": True,
        "oracles": ["server-state"],
    }
    assert data["mutation"] == {"killed": 90, "survived": 10, "argued": 4, "percent": 90.0}
    assert bytes.fromhex(data["sample"][0]["octets"]) == reports.poll
    assert len(data["intervals"]) == 160
    assert data["crossings"] == {
        "factors": {"life": ["quiet", "talk"], "fault": ["none", "network"]},
        "coverage": [{"together": 2, "of": ["life", "fault"], "covered": 4, "all": 4}],
    }


def test_finding_has_its_bytes(reports):
    """The offending bytes are at the offset."""
    data = json.loads(json.dumps(report_to_dict(reports.leaking)))
    check = data["checks"][0]
    (finding,) = check["findings"]
    assert (finding["channel"], finding["field"]) == ("octets", "request 1, body")
    start = finding["offset"] * 2
    assert finding["octets"][start:].startswith(finding["offending"])
    assert finding["offending"] == "2a" * 15
    assert bytes.fromhex(finding["other"]) == reports.poll
    assert check["smallest"]["differing_fields"] == ["imei"]
    assert data["matrix"] is data["mutation"] is data["wall_clock"] is None


def test_kill_matrix(reports):
    """Each mutant has its id, its family and the oracles that killed it.

    An oracle that did not examine the mutant is listed separately.
    """
    data = json.loads(json.dumps(matrix_to_dict(reports.poor)))
    assert data["mutants"][1]["id"] == "query-2"
    assert data["mutants"][1]["family"] == "a value in the query"
    assert data["mutants"][1]["killed_by"] == ["grammar"]
    assert data["mutants"][1]["not_asked"] == []
    assert (data["survivors"], data["false_alarms"]) == (["whisper"], ["reader"])
    assert data["thin"] == ["an echo", "a whisper"]
    assert data["good"] is False
    assert data["score"] == 0.75
    row = replace(reports.poor.rows[1], not_asked=("server-state",))
    data = matrix_to_dict(replace(reports.poor, rows=(row,)))
    assert data["mutants"][0]["not_asked"] == ("server-state",)
