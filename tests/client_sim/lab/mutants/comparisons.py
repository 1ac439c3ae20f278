"""What a trace may not depend on: comparisons in which all clean phones are one."""

from tests.client_sim.device.repository_simulator import DAY, START
from tests.client_sim.lab.mutants.habitat import (
    IDLE,
    OWNERS,
    STEPS,
    Lot,
    lead,
    serve_failing,
    serve_well,
    serve_with,
)

LOT = Lot()
HOSTILE = [
    serve_with(
        b'ETag: "%s"' % word,
        b"Set-Cookie: sid=%s; Path=/" % word,
        b"Last-Modified: Thu, 01 Jan 2026 00:00:%02d GMT" % number,
        b"Link: </metadata/%s.json>; rel=next" % word,
        b"Location: /metadata/%s" % word,
        b"Retry-After: %d" % (7200 + number),
        b'Alt-Svc: h2="%s.example:%d"' % (word, 8000 + number),
        b"Strict-Transport-Security: max-age=%d" % (31_536_000 + number),
        b'WWW-Authenticate: Digest realm="x", nonce="%s"' % word,
    )
    for number, word in enumerate((b"one", b"two", b"three", b"four"), 11)
]


def keys_of(word):
    """Make a server that gives a key of its own."""

    def serve(asked):
        answer = serve_well(asked)
        return answer.replace(b"keys", word) if asked.path == b"/ohttp-keys" else answer

    return serve


def whole(trace):
    """Take everything of a trace."""
    return trace.whole


def untimed(trace):
    """Take a trace without times."""
    return trace.data


def last_poll(trace):
    """Take the bytes of the fourth poll."""
    return trace.of_poll(4)


# What a leak follows: with all else equal, something else leaves. Of clean clients nothing does.
COMPARISONS = {
    "owner": (whole, [LOT.but(owner=owner) for owner in OWNERS]),
    "events": (whole, [LOT, LOT.but(steps=IDLE)]),
    "server": (whole, [LOT.but(serve=serve) for serve in HOSTILE]),
    "strictness": (whole, [LOT, LOT.but(serve=HOSTILE[0])]),
    "keys": (whole, [LOT.but(serve=keys_of(word)) for word in (b"keyA", b"keyB")]),
    "birth": (whole, [LOT.but(start=START + 36_977 * number) for number in range(14)]),
    "restarts": (whole, [LOT, LOT.but(steps=("reboot", *STEPS))]),
    "absence": (untimed, [LOT.but(steps=("poll", f"off {days * DAY}", "poll")) for days in (0, 9)]),
    "seed": (untimed, [LOT.but(seed=b"%d" % number) for number in range(8)]),
    "seed of weeks": (untimed, [LOT.but(seed=b"%d" % n, steps=("poll",) * 32) for n in range(3)]),
    "failures": (
        last_poll,
        [LOT.but(serve=serve_failing(serve_well, polls, b"")) for polls in ((), (1,), (1, 2))],
    ),
    "owner in a failure": (
        whole,
        [
            LOT.but(owner=owner, serve=serve_failing(serve_well, (2,), OSError("timed out")))
            for owner in OWNERS
        ],
    ),
}


def follows(make_client, what):
    """Say whether something else leaves a client, with nothing else changed."""
    take, (first, *others) = COMPARISONS[what]
    usual = take(lead(make_client, first))
    return any(take(lead(make_client, lot)) != usual for lot in others)
