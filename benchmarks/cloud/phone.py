"""Measure the phone: encryption per CPU second; photo uploads compared with restic and a disk."""

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cloud.node import Node
from benchmarks.cloud.restic import RIVAL, back_up
from benchmarks.device.process import running
from client_sim.cloud.account import Cloud, Region, agree, fetch_policy, sign_up
from client_sim.cloud.age import Identity
from client_sim.cloud.contacts import make_card
from client_sim.cloud.options import Internet
from client_sim.cloud.owner_data import add_photo
from client_sim.cloud.photos import cut_photo, encrypt_piece, make_jpeg
from client_sim.cloud.pull import Report
from client_sim.cloud.records import Revision, encode_item, encode_uid
from client_sim.cloud.recovery import confirm_words, make_words
from client_sim.cloud.sync import synchronise
from client_sim.persona import Contact, Photo

PASSWORD = "of an account that is thrown away"  # noqa: S105 - as it says
JPEG = make_jpeg(Photo("0.jpg", "-5.1", "110.2", 1_767_225_600))
"""The beginning of each file, by which a phone recognises a photo."""
_PORT = 18_091


@dataclass(frozen=True, slots=True)
class PhoneTimes:
    """Median ratios of elapsed time: to restic with its own server, and to writing with fsync."""

    restic: float | None
    disk: float


def measure_items(count: int = 20_000) -> float:
    """Return the number of contacts that are encrypted in a CPU second."""
    card = make_card(Contact("Sari Example", "+99912345678901", "sari@example.org"), "1")
    uids = [encode_uid(os.urandom(24)) for _ in range(count)]
    key, began = os.urandom(32), time.process_time()
    for uid in uids:
        encode_item(key, uid, Revision(card, {"mtime": 1_767_225_600_000}), os.urandom)
    return count / (time.process_time() - began)


def measure_photos(count: int = 40, size: int = 3_000_000) -> float:
    """Return the MiB of photos that are encrypted in a CPU second."""
    recipient, secret = Identity(os.urandom(32)).recipient, os.urandom(32)
    files = [JPEG + os.urandom(size - len(JPEG)) for _ in range(count)]
    began = time.process_time()
    for data in files:
        for _, piece in cut_photo(data):
            encrypt_piece(piece, recipient, secret)
    return count * size / 2**20 / (time.process_time() - began)


def measure_upload(node: Node, folder: Path, rounds: int) -> PhoneTimes:
    """Upload `folder/files` from a new phone and by restic, and copy them to disk, in turns."""
    ours, restic, disk = [], [], []
    files = folder / "files"
    for number in range(rounds):
        ours.append(_send(node, files, f"phone-{number}"))
        disk.append(_write(files, folder / "disk"))
        if shutil.which(RIVAL) is not None:
            restic.append(_restic(folder, files, number))
    return PhoneTimes(
        statistics.median(a / b for a, b in zip(ours, restic, strict=True)) if restic else None,
        statistics.median(a / b for a, b in zip(ours, disk, strict=True)),
    )


def _send(node: Node, files: Path, name: str) -> float:
    """Return the seconds in which a phone uploads all files, which are added to it beforehand."""
    with tempfile.TemporaryDirectory(dir=files.parent) as phone:
        region = Region("id", node.url, node.policy_key)
        cloud = Cloud(Path(phone), Internet({}, None), {"id": region})
        sign_up(cloud, region, name, PASSWORD, "phone")
        policy, _ = fetch_policy(cloud, region, "en")
        agree(cloud, policy, "en", at_least=30, guardian=False)
        confirm_words(cloud, make_words(cloud), PASSWORD)
        cloud.switch("photo", is_on=True)
        for path in sorted(files.iterdir()):
            add_photo(cloud, path.name, path.read_bytes())
        report, began = Report(), time.perf_counter()
        synchronise(cloud, report)
        took = time.perf_counter() - began
        cloud.store.close()
    if report.failures or report.warnings:
        raise SystemExit(f"the phone did not send all: {report.failures + report.warnings}")
    return took


def _write(files: Path, to: Path) -> float:
    """Return the seconds in which the files are copied to disk, with an fsync for each."""
    to.mkdir()
    began = time.perf_counter()
    for path in sorted(files.iterdir()):
        words = ["dd", f"if={path}", f"of={to / path.name}", "bs=1M", "conv=fsync", "status=none"]
        subprocess.run(words, check=True)  # noqa: S603
    took = time.perf_counter() - began
    shutil.rmtree(to)
    return took


def _restic(folder: Path, files: Path, number: int) -> float:
    data = folder / "phones-rival"
    command = [RIVAL, "--no-auth", "--listen", f"127.0.0.1:{_PORT}", "--path", str(data)]
    log = folder / "log"
    with running(RIVAL, _PORT, command, cores=range(os.cpu_count() or 1), log=log) as rival:
        url = f"rest:http://127.0.0.1:{_PORT}/phone-{number}/"
        return back_up(url, {}, folder, files, rival.pid)[0]
