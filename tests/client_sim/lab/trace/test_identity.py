"""A client sees the machine of its run, whichever call it asks; others see this one."""

import datetime as dt
import getpass
import io
import os
import platform
import pwd
import shutil
import socket
import threading
import time
import uuid
from pathlib import Path

from client_sim.lab.trace.identity import BEGUN, on_machine, prepare_machines
from client_sim.lab.trace.machine import make_machine


def read_card():
    """Read the address of a network card; None on a machine without it, or without `/sys`."""
    try:
        return Path("/sys/class/net/wlan0/address").read_text(encoding="ascii")
    except FileNotFoundError:
        return None


def read_identifier():
    """Read the machine's identifier; None on one that has none, such as without systemd."""
    try:
        return Path("/etc/machine-id").read_bytes()
    except FileNotFoundError:
        return None


prepare_machines()  # before a call is taken below
ONE, OTHER = make_machine(b"one"), make_machine(b"other")
LOOKS = {
    "host": socket.gethostname,
    "full name": socket.getfqdn,
    "system": os.uname,
    "platform": platform.node,
    "user": getpass.getuser,
    "user id": os.geteuid,
    "users": os.getresuid,
    "home": Path.home,
    "account": lambda: pwd.getpwuid(os.getuid()),
    "account by name": lambda: pwd.getpwnam(getpass.getuser()),
    "process": os.getpid,
    "thread": threading.get_native_id,
    "processors": os.cpu_count,
    "affinity": lambda: len(os.sched_getaffinity(0)),
    "memory": lambda: os.sysconf("SC_PHYS_PAGES"),
    "disk": lambda: shutil.disk_usage("/").total,
    "load": os.getloadavg,
    "card": uuid.getnode,
    "card's file": read_card,
    "zone": lambda: time.timezone,
    "offset": lambda: dt.datetime(2026, 1, 1).astimezone().utcoffset(),
    "environment": lambda: (os.environ["LANG"], os.getenv("HOSTNAME"), sorted(os.environ)),
    "identifier": read_identifier,
    "boot": lambda: Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"),
    "day": lambda: (time.localtime().tm_yday, time.ctime()[:10], time.strftime("%j")),
    "clock": lambda: round(time.time() / 1000),
    "whole clock": lambda: round(time.time_ns() / 1e12),
    "uptime": lambda: round(time.monotonic() / 1000),
    "uptime by number": lambda: round(time.clock_gettime(time.CLOCK_BOOTTIME) / 1000),
}


def test_each_look_shows_the_machine_of_the_run():
    """Another on each, the same on the same, and afterwards what it was."""
    for look in LOOKS.values():
        before = look()
        with on_machine(ONE):
            first = look()
            assert look() == first
        with on_machine(OTHER):
            assert look() != first
        if look is not os.getloadavg:  # what this machine does meanwhile is not up to the test
            assert look() == before


def test_a_machine_started_when_it_says():
    """Its clocks count from its own start, however long this computer has been up."""
    clocks = (time.monotonic, lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
    since = time.monotonic() - BEGUN[time.CLOCK_MONOTONIC]
    for clock in clocks:
        with on_machine(ONE):
            shown = clock()
        assert 0 <= shown - ONE.uptime - since < 60


def test_what_is_given_is_not_replaced():
    """Times that a caller names, other users, other files, and files that are written."""
    named = time.gmtime(0), time.strftime("%Y", time.gmtime(0)), pwd.getpwuid(0), io.open
    with on_machine(ONE):
        assert (time.gmtime(0), time.strftime("%Y", time.gmtime(0)), pwd.getpwuid(0)) == named[:3]
        assert Path(__file__).read_text(encoding="utf-8").startswith('"""A client sees')
        assert os.environ["PATH"]


def test_a_thread_that_was_there_before_is_not_fooled():
    """A progress bar goes on by its own clock; a thread of the client's is on its machine."""
    go, done, seen = threading.Event(), threading.Event(), []

    def look():
        go.wait()
        seen.append(socket.gethostname())
        done.set()

    threading.Thread(target=look, daemon=True).start()
    with on_machine(ONE):
        go.set()
        done.wait()
        own = threading.Thread(target=look)
        own.start()
        own.join()
    assert seen == [socket.gethostname(), ONE.host]


def test_a_machine_follows_from_its_seed():
    """All that it tells is another for another seed, but for what has few values."""
    make_machine.cache_clear()
    again = make_machine(b"one")
    assert all(getattr(again, name) == getattr(ONE, name) for name in type(ONE).__slots__)
    few = {"cpus", "parent", "release", "load"}
    for name in set(type(ONE).__slots__) - few:
        assert getattr(ONE, name) != getattr(OTHER, name), name
