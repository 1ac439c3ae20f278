"""The vectors of FORMATS section 17, and the page's table of a policy's numbers."""

import re
from pathlib import Path

from nacl.signing import SigningKey

from server.cloud.law.policies import open_signed
from server.cloud.law.receipts import Event, make_consent_receipt, make_erasure_receipt
from server.cloud.storage.law_models import Erasure
from server.core.cloud_policy import Deadlines, Lifetimes, Policy
from tests.server.cloud.device import NOW, SECRETS
from tests.server.cloud.policies import KEY, POLICY, make_statement, sign

PAGE = (Path(__file__).parents[4] / "docs" / "FORMATS.md").read_text()
SIGNED = open_signed(sign(POLICY), KEY)
STATEMENT = make_statement(key=SigningKey(bytes([1] * 32)))


def block(name):
    """Return a text block of the page."""
    return re.search(rf"^```text {name}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1]


def test_vectors_of_policy_and_statement():
    """Policy, statement and the hash by which statements name a policy equal the vectors."""
    assert block("policy").encode() == sign(POLICY)
    assert f"`{SIGNED.sha256}`" in PAGE
    text = f"{STATEMENT['statement']}{STATEMENT['public_key']}\n{STATEMENT['signature']}\n"
    assert block("statement") == text


def test_vectors_of_receipts():
    """The receipts of a consent and of an erasure equal the vectors."""
    event = Event(
        "A" * 22,
        "B" * 22,
        NOW,
        is_given=True,
        method="device",
        locale="en",
        at_least=18,
        guardian=False,
        statement=STATEMENT["statement"].encode(),
        public_key=STATEMENT["public_key"],
    )
    assert block("consent").encode() == make_consent_receipt(SECRETS, event, SIGNED)
    erased = Erasure(
        id="C" * 22,
        account="B" * 22,
        reason="asked",
        asked_at=NOW,
        due_at=NOW + 72 * 60 * 60,
        bodies=2,
        items=4,
        size=20_000,
        root=bytes(32),
    )
    assert block("erasure").encode() == make_erasure_receipt(SECRETS, erased, SIGNED, NOW + 1)


POLICY_PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "cloud-policy.md").read_text(
    encoding="utf-8"
)
ABOUT = {"schema", "region", "controller", "laws", "purposes", "receipts"}


def test_each_number_of_a_policy_is_in_the_table():
    """The table has each number of a policy, and no descriptive member."""
    table = POLICY_PAGE.partition("## Which number is enforced where")[2].partition("\n## ")[0]
    cells = re.findall(r"^(\|[^|]+)", table, re.MULTILINE)
    named = set(re.findall(r"`([a-z_.]+)`", "".join(cells)))
    parts = {"hours": Deadlines, "days": Lifetimes}
    members = {
        member if part is None else f"{member}.{part}"
        for member in Policy.__struct_encode_fields__
        for part in (parts[member].__struct_fields__ if member in parts else (None,))
    }
    assert named == members - ABOUT
