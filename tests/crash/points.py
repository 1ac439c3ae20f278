r"""The points at which processes are killed: a name, and the durable change that follows it.

`watch` reports the changes. A point is just before the first change that its expression matches. A
story with a change that no name matches fails its test: add a name.
"""

from types import MappingProxyType

_TEMPORARY = r"create {}/\.tmp-{}"
_NAMED = r"rename {0}/\.tmp-{1} > {0}/{1}"


def _file(name, folder, file):
    """Return the two points of a file that is written under a temporary name and renamed."""
    return {
        f"{name} is not begun": _TEMPORARY.format(folder, file),
        f"{name} is written and has no name": _NAMED.format(folder, file),
    }


LEASE = {
    "no process publishes": r"commit leases",
    "the lease is taken": r"committed leases",
}
RETURN = {
    "the lease is not given back": r"commit leases \d+",
    "the lease is given back": r"committed leases \d+",
}
STAGING = {
    **_file("a staged role file", r"staging/\.tmp-publication-\d+/metadata", r"\d+\.[a-z]+\.json"),
    **_file("the staged timestamp", r"staging/\.tmp-publication-\d+", r"timestamp\.json"),
    **_file("the staged plan", r"staging/\.tmp-publication-\d+", r"plan\.json"),
    "the publication is audited and not accepted": (
        r"rename staging/\.tmp-publication-\d+ > staging/publication"
    ),
}
LOG = {
    "the publication is accepted and no leaf is in the log": r"commit log_entries",
    "the leaves are in the log and in no file": r"committed log_entries",
    **_file("a tile of entries", r"public/log/tile/entries/\d+\.p", r"\d+"),
    **_file("a tile of hashes", r"public/log/tile/\d/\d+\.p", r"\d+"),
    **_file("the checkpoint", r"public/log", "checkpoint"),
    **_file("a proof", r"public/log/proof", r"[a-z]+\.\d+"),
}
PUBLIC = {
    **_file("the note of a new root", "public", r"roots\.json"),
    **_file("a public codename role", r"public/metadata", r"\d+\.armani\.json"),
    **_file("the public pointers", r"public/metadata", r"\d+\.latest\.json"),
    **_file("the public snapshot", r"public/metadata", r"\d+\.snapshot\.json"),
    **_file("the public root", r"public/metadata", r"\d+\.root\.json"),
    **_file("the public timestamp", r"public/metadata", r"timestamp\.json"),
}
DONE = {
    "the publication is public and still staged": (
        r"rename staging/publication > staging/\.tmp-done"
    ),
    "the staged publication is out of sight": r"rmtree staging/\.tmp-done",
    "the staged publication is half removed": r"remove staging/\.tmp-done/.*",
}
BUNDLE = {
    "a blob is not begun": r"create blobs/\w\w/\.tmp-\w+",
    "a blob is written and has no name": r"(rename|link) blobs/\w\w/\.tmp-\w+ > blobs/\w\w/SHA",
    "the blobs are there and not recorded": r"commit blobs",
    "the blobs are recorded": r"committed blobs",
    "the bundle is public and has no row": r"commit submissions,trail_entries,trail_head",
    "the bundle has a row and no result": r"committed submissions,trail_entries,trail_head",
    **_file("the result", "results", r"SHA\.json"),
    "the result is known and the bundle still waits": r"rename incoming/SHA > staging/\.tmp-SHA",
    "the bundle is out of sight": r"rmtree staging/\.tmp-SHA",
    "the bundle is half removed": r"remove staging/\.tmp-SHA/.*",
}
ORDER = {
    "a command is given and not recorded": r"commit changes,trail_entries,trail_head",
    "a command is recorded": r"committed changes,trail_entries,trail_head",
    "a command is planned and its intent is not written": r"commit changes,trail_head",
    "a command's intent is written": r"committed changes,trail_head",
    "a command is carried out and not done": r"commit changes,trail_entries,trail_head 2",
    "a command is done": r"committed changes,trail_entries,trail_head 2",
}
HALT = {
    "a halt is given and not recorded": r"commit changes,trail_entries,trail_head",
    "a halt is recorded": r"committed changes,trail_entries,trail_head",
    "a halt is planned and what waits not cancelled": r"commit changes,trail_entries,trail_head 2",
    "a halt's intent is written and what waits cancelled": (
        r"committed changes,trail_entries,trail_head 2"
    ),
    "a halt is carried out and not done": r"commit changes,trail_entries,trail_head 3",
    "a halt is done": r"committed changes,trail_entries,trail_head 3",
}
#: The commit point of a publication: before it, changes are discarded; after it, completed.
TURNS = {
    name: expression
    for name, expression in {**STAGING, **LOG, **PUBLIC, **DONE}.items()
    if name.startswith(("the publication is", "the leaves are", "the public timestamp"))
}
KEYS = {
    **_file("a key file", "keys", r"[a-z]+\.next\.pem"),
    **_file("the public halves", "keys", r"public\.json"),
}
SIGNED_AGAIN = {
    **_file("the count of signings", "public", r"proofs\.json"),
    **_file("a proof signed again", r"public/log/proof", r"[a-z]+\.\d+"),
    **_file("the checkpoint signed again", r"public/log", "checkpoint"),
}
UPLOAD = {
    "a part begins and the upload lives no longer for it": r"commit uploads",
    "a part begins": r"committed uploads",
    **_file("the note where a part begins", "uploads", r"ID\.from"),
    "a part has arrived and does not count": r"remove uploads/ID\.from",
    "an upload is whole and not in the store": r"link uploads/ID > blobs/\w\w/\.tmp-SHA\.ID",
    "an upload is in the store and has no name": (
        r"rename blobs/\w\w/\.tmp-SHA\.ID > blobs/\w\w/SHA"
    ),
    "an upload's blob is there and not recorded": (
        r"commit blobs,trail_entries,trail_head,uploads"
    ),
    "an upload's blob is recorded and in the audit log": (
        r"committed blobs,trail_entries,trail_head,uploads"
    ),
    "an upload's file is needed no more": r"remove uploads/ID",
}
GARBAGE = {
    "a collection is not recorded": r"commit trail_entries,trail_head",
    "a collection is recorded and not begun": r"committed trail_entries,trail_head",
    "garbage is found and its records are there": r"commit blobs",
    "garbage has no records any more": r"committed blobs",
    "garbage is not removed yet": r"remove blobs/\w\w/SHA",
    "garbage is removed and not recorded": r"commit trail_entries,trail_head 2",
    "garbage is removed and recorded": r"committed trail_entries,trail_head 2",
}
EXPORT = {
    **_file("the list of what a mirror holds", "mirror", r"\.mirror\.json"),
    "a mirrored package is not begun": r"create mirror/targets/.*/\.tmp-\w+",
    "a mirrored package is written and has no name": r"rename mirror/targets/.* > .*\.zip",
    **_file("a mirrored proof", r"mirror/log/proof", r"[a-z]+\.\d+(?:\.gz)?"),
    **_file("a mirrored tile", r"mirror/log/tile/\w+/\d+\.p", r"\d+"),
    **_file("the mirrored checkpoint", r"mirror/log", r"checkpoint(?:\.gz)?"),
    **_file("a mirrored role", r"mirror/metadata", r"\d+\.(?!root)[a-z]+\.json(?:\.gz)?"),
    **_file("a mirrored root", r"mirror/metadata", r"\d+\.root\.json(?:\.gz)?"),
    **_file("the mirrored timestamp's compressed form", r"mirror/metadata", r"timestamp\.json\.gz"),
    **_file("the mirrored timestamp", r"mirror/metadata", r"timestamp\.json"),
}
BACKUP = {
    **_file("the note that a back-up is not whole", "backup", "INCOMPLETE"),
    "the database is copied and has no name": (
        r"rename backup/\.tmp-hening\.sqlite > backup/hening\.sqlite"
    ),
    **_file("a copied role", r"backup/public/metadata", r"\d+\.[a-z]+\.json"),
    **_file("the copied timestamp", r"backup/public/metadata", r"timestamp\.json"),
    "a copied package is not begun": r"create backup/blobs/\w\w/\.tmp-\w+",
    "a copied package is written and has no name": (
        r"rename backup/blobs/\w\w/\.tmp-\w+ > backup/blobs/\w\w/SHA"
    ),
    "everything is copied and noted as not whole": r"remove backup/INCOMPLETE",
}
#: Further changes at which no process is killed.
COPIED = {
    "the copy of the database is not begun": r"create backup/\.tmp-hening\.sqlite",
    **_file("a copied checkpoint", r"backup/public/log", "checkpoint"),
    **_file("a copied proof", r"backup/public/log/proof", r"[a-z]+\.\d+"),
    **_file("a copied tile", r"backup/public/log/tile/\w+/\d+\.p", r"\d+"),
    **_file("the copied note of a root", r"backup/public", r"roots\.json"),
    **_file("a copied result", r"backup/results", r"SHA\.json"),
}
REBUILD = {
    "the file of an empty database is not made": r"create hening\.sqlite",
    # A migration writes the first row of the audit log's head, and may write other tables as well.
    "an empty database has no tables": r"commit(?:ted)? (?!trail_entries).*trail_head.*",
    "the leaves are read and not recorded": r"commit log_entries",
    "the leaves are recorded again": r"committed log_entries",
    "the results are read and not recorded": r"commit submissions",
    "the results are recorded again": r"committed submissions",
    "blobs are hashed and not recorded": r"commit blobs",
    "some blobs are recorded again": r"committed blobs",
    "the last blobs are hashed": r"commit blobs 2",
    "the last blobs are recorded again": r"committed blobs 2",
    "a rebuilt database is not in the audit log": r"commit trail_entries,trail_head",
    "a rebuilt database is in the audit log": r"committed trail_entries,trail_head",
}
WEBHOOK = {
    "an event is detected and not queued": r"commit deliveries",
    "an event is queued": r"committed deliveries",
    "an event is queued and not known to be": r"commit noticed",
    "an event is known to be queued": r"committed noticed",
    "a delivery is due and not claimed": r"commit deliveries 2",
    "a delivery is claimed and not sent": r"committed deliveries 2",
    "a delivery is sent and that is not recorded": r"commit deliveries,webhooks",
    "a delivery is recorded": r"committed deliveries,webhooks",
}
BEGUN = {
    "a keyed request has come and its key is not written": r"commit idempotency_keys",
    "a key is written and nothing done": r"committed idempotency_keys",
}
ANSWERED = {
    "the work is done and the answer not kept": r"commit idempotency_keys 2",
    "the answer is kept and not sent": r"committed idempotency_keys 2",
}
#: Points of requests during which a whole server is killed; its other changes have other names.
API_STORIES = {
    "command": {
        **BEGUN,
        "a command is not recorded with its key": (
            r"commit changes,idempotency_keys,trail_entries,trail_head"
        ),
        "a command is recorded with its key": (
            r"committed changes,idempotency_keys,trail_entries,trail_head"
        ),
        "a keyed command's intent is written": r"committed changes,trail_head",
        **{name: text for name, text in TURNS.items() if "timestamp" in name},
        "a keyed command is public and not done": (
            r"commit changes,idempotency_keys,trail_entries,trail_head 2"
        ),
        "a keyed command is done": (
            r"committed changes,idempotency_keys,trail_entries,trail_head 2"
        ),
        **ANSWERED,
    },
    "account": {
        "a key is written and no account": r"committed idempotency_keys",
        "an account is recorded": r"committed accounts,idempotency_keys,trail_entries,trail_head",
        **ANSWERED,
    },
    "token": {
        "a token is recorded": r"committed idempotency_keys,tokens,trail_entries,trail_head",
        "a token's answer is kept": r"committed idempotency_keys 2",
    },
    "submission": {
        "a received bundle has no list": r"create incoming/\.tmp-api-SHA-\w+/bundle\.json",
        "a bundle is received and not recorded": (r"commit trail_entries,trail_head"),
        "a bundle is recorded and has no name": (r"committed trail_entries,trail_head"),
        "a received bundle gets its name": r"rename incoming/\.tmp-api-SHA-\w+ > incoming/SHA",
        "a received bundle is taken": r"commit submissions,trail_entries,trail_head",
    },
}

#: Commits that no other change follows, but an end, an answer or a message.
LAST = {
    "a command is done",
    "a halt is done",
    "an event is known to be queued",
    "a delivery is claimed and not sent",
    "a delivery is recorded",
    "garbage is removed and recorded",
    "a rebuilt database is in the audit log",
}


def _story(points, further=MappingProxyType({})):
    """Return the names at which a process is killed, and further names for its changes.

    After a commit the state stays the same until the next change, before which the process is
    killed.
    """
    same = {
        name: text
        for name, text in points.items()
        if text.startswith("committed") and name not in LAST
    }
    return {name: points[name] for name in points if name not in same}, {**further, **same}


STORIES = {
    "publish": _story({**LEASE, **BUNDLE, **STAGING, **LOG, **PUBLIC, **DONE}, RETURN),
    "roll out": _story({**ORDER, **TURNS}, {**LEASE, **STAGING, **LOG, **PUBLIC, **DONE, **RETURN}),
    "halt": _story({**HALT, **TURNS}, {**LEASE, **STAGING, **LOG, **PUBLIC, **DONE, **RETURN}),
    "new keys": _story({**KEYS, **SIGNED_AGAIN}, {**LEASE, **STAGING, **PUBLIC, **DONE, **RETURN}),
    "upload": _story(UPLOAD),
    "webhook": _story(WEBHOOK),
    "export": _story(EXPORT),
    "backup": _story(BACKUP, {**COPIED, **LEASE, **RETURN}),
    "rebuild": _story(REBUILD, {**LEASE, **RETURN}),
    "garbage": _story(GARBAGE, {**LEASE, **RETURN}),
}
