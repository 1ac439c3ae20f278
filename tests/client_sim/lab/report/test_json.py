"""JSON for programs: whole, offsets that hold, the kill matrix as it was agreed on."""

import json
from dataclasses import replace

from client_sim.lab.report.json import matrix_to_dict, report_to_dict


def test_a_clean_report(reports):
    """Numbers and claims; nothing was found."""
    told = json.loads(json.dumps(report_to_dict(reports.clean)))
    assert (told["client"], told["verdict"], told["clean"], told["good"]) == (
        *("clean", "clean"),
        *(True, True),
    )
    assert told["claims"]["N3"] == {
        "says": "Nothing that a server says comes back.",
        "holds": True,
        "oracles": ["server-state"],
    }
    assert told["mutation"] == {"killed": 90, "survived": 10, "argued": 4, "percent": 90.0}
    assert bytes.fromhex(told["sample"][0]["octets"]) == reports.poll
    assert len(told["intervals"]) == 160
    assert told["crossings"] == {
        "factors": {"life": ["quiet", "talk"], "fault": ["none", "network"]},
        "coverage": [{"together": 2, "of": ["life", "fault"], "covered": 4, "all": 4}],
    }


def test_a_finding_has_its_bytes(reports):
    """Offending bytes lie where the offset says, and the field has its name."""
    told = json.loads(json.dumps(report_to_dict(reports.leaking)))
    check = told["checks"][0]
    (finding,) = check["findings"]
    assert (finding["channel"], finding["field"]) == ("octets", "request 1, body")
    start = finding["offset"] * 2
    assert finding["octets"][start:].startswith(finding["offending"])
    assert finding["offending"] == "2a" * 15
    assert bytes.fromhex(finding["other"]) == reports.poll
    assert check["smallest"]["differing_fields"] == ["imei"]
    assert told["matrix"] is told["mutation"] is told["wall_clock"] is None


def test_the_kill_matrix(reports):
    """`mutants` is a list of id, family and killers.

    An oracle that never looked did not keep silent.
    """
    told = json.loads(json.dumps(matrix_to_dict(reports.poor)))
    assert told["mutants"][1]["id"] == "query-2"
    assert told["mutants"][1]["family"] == "a value in the query"
    assert told["mutants"][1]["killed_by"] == ["grammar"]
    assert told["mutants"][1]["not_asked"] == []
    assert (told["survivors"], told["false_alarms"]) == (["whisper"], ["reader"])
    assert told["thin"] == ["an echo", "a whisper"]
    assert told["good"] is False
    assert told["score"] == 0.75
    row = replace(reports.poor.rows[1], not_asked=("server-state",))
    told = matrix_to_dict(replace(reports.poor, rows=(row,)))
    assert told["mutants"][0]["not_asked"] == ("server-state",)
