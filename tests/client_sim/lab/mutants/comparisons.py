"""Inputs that differ in one thing, with which a clean client leaves equal traces."""

from tests.client_sim.device.repository_simulator import DAY, START
from tests.client_sim.lab.mutants.inputs import (
    IDLE,
    OWNERS,
    STEPS,
    Inputs,
    run,
    serve_failing,
    serve_well,
    serve_with,
)

INPUTS = Inputs()
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


def serve_keys(word):
    """Return a server with its own key for oblivious HTTP."""

    def serve(asked):
        answer = serve_well(asked)
        return answer.replace(b"keys", word) if asked.path == b"/ohttp-keys" else answer

    return serve


def whole(trace):
    """Return everything in a trace."""
    return trace.whole


def untimed(trace):
    """Return a trace without times."""
    return trace.data


def fourth_poll(trace):
    """Return the bytes of the fourth poll."""
    return trace.of_poll(4)


COMPARISONS = {
    "owner": (whole, [INPUTS.but(owner=owner) for owner in OWNERS]),
    "events": (whole, [INPUTS, INPUTS.but(steps=IDLE)]),
    "server": (whole, [INPUTS.but(serve=serve) for serve in HOSTILE]),
    "strictness": (whole, [INPUTS, INPUTS.but(serve=HOSTILE[0])]),
    "keys": (whole, [INPUTS.but(serve=serve_keys(word)) for word in (b"keyA", b"keyB")]),
    "birth": (whole, [INPUTS.but(start=START + 36_977 * number) for number in range(14)]),
    "restarts": (whole, [INPUTS, INPUTS.but(steps=("reboot", *STEPS))]),
    "absence": (
        untimed,
        [INPUTS.but(steps=("poll", f"off {days * DAY}", "poll")) for days in (0, 9)],
    ),
    "seed": (untimed, [INPUTS.but(seed=b"%d" % number) for number in range(8)]),
    "seed of weeks": (
        untimed,
        [INPUTS.but(seed=b"%d" % n, steps=("poll",) * 32) for n in range(3)],
    ),
    "failures": (
        fourth_poll,
        [INPUTS.but(serve=serve_failing(polls, b"")) for polls in ((), (1,), (1, 2))],
    ),
    "owner in a failure": (
        whole,
        [
            INPUTS.but(owner=owner, serve=serve_failing((2,), OSError("timed out")))
            for owner in OWNERS
        ],
    ),
}
"""By what differs: the compared part of a trace, and the inputs."""


def depends_on(make_client, what):
    """Return whether a client's trace depends on what differs in a comparison."""
    take, (first, *others) = COMPARISONS[what]
    expected = take(run(make_client, first))
    return any(take(run(make_client, inputs)) != expected for inputs in others)
