"""One row for one number, however it left."""

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.report.gathering import Told, gather


def told(*sentences):
    """Give the sentences that stand for all of these, and for how many."""
    findings = [Finding("here", said, b"octets", at, 1) for at, said in enumerate(sentences)]
    return [(each.finding.explanation, each.times) for each in gather(findings)]


def test_one_value_in_several_dresses_is_one():
    """The first says how it was dressed."""
    assert told(
        "imei as base64+0: imei(15 digits)",
        "serial as it is: serial(12 characters)",
        "imei as without check digit → base16: imei(15 digits)",
    ) == [("imei as base64+0: imei(15 digits)", 2), ("serial as it is: serial(12 characters)", 1)]


def test_two_values_of_a_field_are_two():
    """Where they are shown, they are told apart."""
    said = ["contacts.number as it is: +999", "contacts.number as it is: +998"]
    assert told(*said) == [(sentence, 1) for sentence in said]


def test_other_sentences_are_one_where_they_are_the_same():
    """Nothing is left out of them."""
    said = ["path: not in the table", "polls as late as others", "path: not in the table"]
    assert told(*said) == [("path: not in the table", 2), ("polls as late as others", 1)]


def test_one_place_is_one_value():
    """A contact who has called is in two fields."""
    sentences = ("calls.number as it is: +999", "contacts.number as it is: +999")
    one, other = (Finding("here", said, b"octets", 3, 2) for said in sentences)
    assert gather([one, other]) == (Told(one, 2),)
