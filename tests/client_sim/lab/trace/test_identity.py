"""A client sees the machine of its run in every call, and other threads see the real one."""

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

from client_sim.lab.trace.identity import CLOCKS_AT_IMPORT, on_machine, prepare_machines
from client_sim.lab.trace.machine import make_machine


def read_card():
    """Read the address of a network card; None without that card or `/sys`."""
    try:
        return Path("/sys/class/net/wlan0/address").read_text(encoding="ascii")
    except FileNotFoundError:
        return None


def read_identifier():
    """Read the machine's identifier; None without one, for example without systemd."""
    try:
        return Path("/etc/machine-id").read_bytes()
    except FileNotFoundError:
        return None


prepare_machines()  # before a function is referenced below
ONE, OTHER = make_machine(b"one"), make_machine(b"other")
CALLS = {
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


def test_each_call_shows_the_machine_of_the_run():
    """Each machine has its own value, and the real value returns after the run."""
    for call in CALLS.values():
        before = call()
        with on_machine(ONE):
            first = call()
            assert call() == first
        with on_machine(OTHER):
            assert call() != first
        if call is not os.getloadavg:  # the real load may change
            assert call() == before


def test_clocks_count_from_the_start_of_the_machine():
    """They do not depend on the uptime of the real machine."""
    clocks = (time.monotonic, lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
    since = time.monotonic() - CLOCKS_AT_IMPORT[time.CLOCK_MONOTONIC]
    for clock in clocks:
        with on_machine(ONE):
            shown = clock()
        assert 0 <= shown - ONE.uptime - since < 60


def test_other_values_are_real():
    """Given times, other users, other files and files being written are not replaced."""
    named = time.gmtime(0), time.strftime("%Y", time.gmtime(0)), pwd.getpwuid(0), io.open
    with on_machine(ONE):
        assert (time.gmtime(0), time.strftime("%Y", time.gmtime(0)), pwd.getpwuid(0)) == named[:3]
        assert Path(__file__).read_text(encoding="utf-8").startswith('"""A client sees')
        assert os.environ["PATH"]


def test_earlier_threads_see_the_real_machine():
    """A thread that the client starts sees the machine of the run."""
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


def test_machine_follows_from_its_seed():
    """Another seed gives other values, except where there are few."""
    make_machine.cache_clear()
    again = make_machine(b"one")
    assert all(getattr(again, name) == getattr(ONE, name) for name in type(ONE).__slots__)
    few = {"cpus", "parent", "release", "load"}
    for name in set(type(ONE).__slots__) - few:
        assert getattr(ONE, name) != getattr(OTHER, name), name
