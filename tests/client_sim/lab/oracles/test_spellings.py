"""Each kind of identifier has the spellings that people and machines write it in."""

import pytest

from client_sim.lab.oracles.spellings import spell


@pytest.mark.parametrize(
    ("value", "others"),
    [
        (
            b"001017204862139",
            (
                ("without check digit", b"00101720486213"),
                ("as IMEISV", b"0010172048621300"),
                ("with dashes", b"00-101720-486213-9"),
            ),
        ),
        (b"89999153902582269352", (("without check digit", b"8999915390258226935"),)),
        (
            b"+99902642509653",
            (
                ("without plus", b"99902642509653"),
                ("with 00", b"0099902642509653"),
                ("national", b"002642509653"),
                ("without country code", b"02642509653"),
            ),
        ),
        (
            b"02:20:ca:6c:b4:86",
            (
                ("without colons", b"0220ca6cb486"),
                ("with dashes", b"02-20-ca-6c-b4-86"),
                ("with dots", b"0220.ca6c.b486"),
                ("without the last byte", b"02:20:ca:6c:b4"),
            ),
        ),
        (
            b"f1eb1724-638c-448c-890e-554ad01bdee4",
            (("without dashes", b"f1eb1724638c448c890e554ad01bdee4"),),
        ),
        (b"lpcn3j4q46czx@example.org", (("local part", b"lpcn3j4q46czx"),)),
        (b"a@b@c", (("local part", b"a"),)),
        (b"Ilse Lpcn3j4q46czx", (("second name", b"Lpcn3j4q46czx"),)),
        (b"d74ee4aadbb8", ()),
        (b"", ()),
    ],
)
def test_a_value_is_spelled_in_so_many_ways(value, others):
    """The value itself comes first; what is no identifier has no other spelling."""
    assert spell(value) == (("", value), *others)
