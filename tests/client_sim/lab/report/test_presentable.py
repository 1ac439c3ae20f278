"""Presenting a report redacts values, escapes texts, and changes nothing else."""

from client_sim.lab.report.presentable import present
from client_sim.lab.report.redaction import NoRedaction


def test_values_are_redacted_everywhere(reports):
    """In findings, compared bytes, samples and explanations, but a poll is unchanged.

    A value sent in two pieces is redacted in both, which keep their lengths.
    """
    result = reports.leaking.report.result
    imei = reports.owner.imei
    assert imei not in repr(result)
    for battery in result.batteries:
        for finding in battery.findings:
            assert finding.offending() == b"*" * 15
    assert result.batteries[-1].findings[0].explanation == "imei as it is: imei(15 digits)"
    assert result.owners == ()
    shown = reports.leaking.report.result.sample
    raw = reports.raw["leaking"].result.sample
    assert [len(d.data) for d in shown.departures] == [len(d.data) for d in raw.departures]
    (connection,) = shown.connections()
    assert connection.data == reports.leak.replace(reports.owner.imei.encode(), b"*" * 15)
    sent = [c.data for c in reports.clean.report.result.sample.connections()]
    assert sent == [reports.poll, reports.poll]


def test_revealed_report_has_values(reports):
    """Texts are escaped all the same."""
    shown = present(reports.raw["leaking"], NoRedaction()).report.result
    assert shown.batteries[-1].findings[0].explanation.endswith(reports.owner.imei)
    hostile = present(reports.raw["hostile"], NoRedaction()).report
    assert hostile.result.client.startswith("\\x1b[2J")


def test_texts_of_a_hostile_report_are_escaped(reports):
    """Names, explanations, fields, families, arguments and outcomes are printable."""
    report = reports.hostile.report
    result = report.result
    texts = [result.client, result.scope, result.sample.outcomes[0], result.fields[0].field]
    for battery in result.batteries:
        texts += [battery.findings[0].where, battery.findings[0].explanation]
        texts += [battery.smallest.text, *battery.smallest.steps]
        texts += battery.smallest.differing_fields
    texts += [text for pair in report.matrix.argued.items() for text in pair]
    texts += [row.leak for row in report.matrix.rows]
    assert [text for text in texts if not text.isprintable()] == []
