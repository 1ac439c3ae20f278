"""The scenarios by name, in the order in which they run."""

from collections.abc import Callable, Mapping
from functools import partial

from benchmarks.device.lab import Lab
from benchmarks.device.report import Report
from benchmarks.device.scenarios import (
    cold,
    dialects,
    downloads,
    fleet,
    flood,
    fresh,
    growth,
    hostile,
    idle,
    late,
    mixed,
    pipelining,
    polls,
    publish,
    sizes,
    tls,
    witness,
    workers,
)

SCENARIOS: Mapping[str, Callable[[Lab], Report]] = {
    "phone": polls.phone,
    "curl": polls.curl,
    "requests": polls.requests,
    "shuffled": polls.shuffled,
    "unchanged": polls.unchanged,
    "not-found": polls.not_found,
    "mixed": mixed.mixed,
    "fresh": fresh.one,
    "fresh-whole": fresh.whole,
    "late": late.late,
    "fleet": fleet.fleet,
    "single": downloads.single,
    "blocks-16": partial(downloads.blocks, piece=16),
    "blocks-8": partial(downloads.blocks, piece=8),
    "beside": downloads.beside,
    "dialects": dialects.dialects,
    "tls-poll": tls.polls,
    "tls-kept": tls.kept,
    "tls-downloads": partial(tls.downloads, connections=64),
    "tls-single": partial(tls.downloads, connections=1),
    "tls-late": tls.late,
    "flood": flood.flood,
    "publish": publish.publish,
    "workers": workers.workers,
    "hostile": hostile.hostile,
    "pipelining": pipelining.pipelining,
    "idle": idle.idle,
    "idle-tls": idle.idle_tls,
    "cold": cold.cold,
    "growth": growth.growth,
    "octets": sizes.sizes,
    "witness": witness.witness,
}
