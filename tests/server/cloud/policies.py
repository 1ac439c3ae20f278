"""Policies for a cloud in tests, signed by their own key, and statements of devices."""

import base64
import hashlib

from nacl.signing import SigningKey

from server.cloud.law.policies import accept_policy
from server.cloud.storage import MIGRATIONS
from server.cloud.storage.law_models import PolicyRow
from server.core.cloud_policy import convert_policy, encode_policy, policy_key_name
from server.core.encodings import encode_canonical_json
from server.core.note import VerifierKey
from server.storage.database import open_database

SIGNER = SigningKey(bytes(32))
KEY = VerifierKey(policy_key_name("id"), bytes(SIGNER.verify_key))
#: Settings of a cloud that accepts the policies below.
LAW = {"policy_key": str(KEY), "country": "ID", "law_minutes": 1440}
TEXT = b"We keep what your phone encrypts.\n"
HOURS = {"access": 70, "export": 71, "erase": 72, "stop_after_withdrawal": 48, "breach_notice": 73}
DAYS = {
    "inactive": 730,
    "notice": 30,
    "quarantine": 90,
    "revisions": 30,
    "tombstones": 400,
    "backups": 14,
    "session_idle": 180,
}
VALUES = {
    "schema": 1,
    "region": "id",
    "version": 1,
    "from": 0,
    "controller": {"name": "Example ROM", "contact": "privacy@rom.example"},
    "laws": [{"name": "UU 27/2022", "articles": ["40", "43"]}],
    "country": "ID",
    "may_live_in": ["ID"],
    "minimum_age": 13,
    "guardian_below": 18,
    "hours": HOURS,
    "days": DAYS,
    "transfer": {"allowed": False, "basis": ""},
    "purposes": ["encrypted backup"],
    "logs_days": 365,
    "text": {"en": hashlib.sha256(TEXT).hexdigest()},
}


def make_policy(**changed):
    """Return a policy with some members changed."""
    return convert_policy({**VALUES, **changed})


def sign(policy):
    """Return the note of a policy."""
    return encode_policy(policy, KEY, lambda text: SIGNER.sign(text).signature)


def hash_policy(policy):
    """Return the hash by which statements name a policy."""
    text = sign(policy).rpartition(b"\n\n")[0] + b"\n"
    return hashlib.sha256(text).hexdigest()


POLICY = make_policy()


def policy_words(folder):
    """Write this policy's files to `folder`; return the options of `cloud init` for it."""
    (folder / "en.md").write_bytes(TEXT)
    (folder / "1.policy").write_bytes(sign(POLICY))
    text = f"en={folder / 'en.md'}"
    return ["--policy", str(folder / "1.policy"), "--policy-key", str(KEY), "--text", text]


async def keep_policies(place, *policies):
    """Store policies in a cloud's database, in their order."""
    if not policies:
        return
    async with open_database(place, migrations=MIGRATIONS) as database, database.begin() as db:
        for policy in policies:
            if await db.get(PolicyRow, policy.version) is not None:
                continue
            await accept_policy(db, sign(policy), policy, {"en": TEXT}, 0)


def make_statement(policy=POLICY, /, key=None, **changed):
    """Return a device's consent to a policy; `changed` replace members of the signed statement."""
    key = key or SigningKey.generate()
    says = {
        "type": "consent",
        "schema": 1,
        "region": policy.region,
        "version": policy.version,
        "policy": hash_policy(policy),
        "locale": "en",
        "text": policy.text["en"],
        "at_least": 18,
        "guardian": False,
        **changed,
    }
    statement = encode_canonical_json(says)
    return {
        "statement": statement.decode(),
        "public_key": base64.b64encode(bytes(key.verify_key)).decode(),
        "signature": base64.b64encode(key.sign(statement).signature).decode(),
    }
