import pytest

from signer.errors import ProposalError
from signer.proposal.signing import find_holdings, sign_proposal


def test_a_holder_signs_what_their_keys_may(office) -> None:
    """Each key in the folder signs each role that it may, and no other."""
    proposed = office.renew("armani", "tables")
    holdings = find_holdings(proposed.transition, office.desk("alice"))
    assert [(each.key.name, each.roles) for each in holdings] == [
        ("armani-1", ("armani",)),
        ("tables-1", ("tables",)),
    ]


def test_one_key_may_be_chosen(office, passphrases) -> None:
    """With a name only that key signs."""
    proposed = office.renew("armani", "tables")
    desk = office.desk("alice")
    holdings = find_holdings(proposed.transition, desk, ["tables-1"])
    file = sign_proposal(proposed.transition, proposed.identity, desk, holdings, passphrases)
    assert [signature.role for signature in file.signatures] == ["tables"]


def test_a_holder_without_a_key_is_told(office) -> None:
    """The sentence names the roles and says who to go to."""
    proposed = office.renew("armani")
    with pytest.raises(ProposalError, match=r"may sign what the proposal changes \(armani\)"):
        find_holdings(proposed.transition, office.desk("carol"))


@pytest.mark.parametrize(
    ("name", "sentence"), [("dior-1", "may not sign any role"), ("armani-1", "is not in")]
)
def test_a_chosen_key_must_be_there_and_may(office, name, sentence) -> None:
    """Carol has no key of armani, and hers of dior may not sign it."""
    proposed = office.renew("armani")
    with pytest.raises(ProposalError, match=sentence):
        find_holdings(proposed.transition, office.desk("carol"), [name])


def test_public_halves_alone_do_not_sign(office, tmp_path) -> None:
    """A folder with public halves only belongs to the one who proposes."""
    for name in ("armani-1", "armani-2"):
        data = (office.all_keys.folder / f"{name}.pub").read_bytes()
        (tmp_path / f"{name}.pub").write_bytes(data)
    proposed = office.renew("armani")
    with pytest.raises(ProposalError, match="No key in"):
        find_holdings(proposed.transition, type(office.all_keys)(tmp_path))
