"""Mixed load: concurrent requests of phones and of curl."""

from benchmarks.device.content import role_path
from benchmarks.device.lab import Lab
from benchmarks.device.process import Server
from benchmarks.device.report import Report
from benchmarks.device.scenarios.columns import COLUMNS, rate_rows
from benchmarks.device.scenarios.polls import SETTINGS, measure
from benchmarks.device.state import NEXT_ROOT, TIMESTAMP
from benchmarks.device.wire import curl_request, phone_request, range_request

PIECE = 64 * 1024


def mixed(lab: Lab) -> Report:
    """Measure requests for timestamps, next roots, roles and package pieces, on 64 connections."""

    def make(server: Server) -> list[bytes]:
        port = server.port
        timestamp, root = phone_request(port, TIMESTAMP), phone_request(port, NEXT_ROOT)
        role, person = phone_request(port, role_path(lab.site)), curl_request(port, TIMESTAMP)
        piece = range_request(port, lab.site.package_url, 0, PIECE)
        return [timestamp] * 7 + [root] * 5 + [role] * 2 + [person, piece]

    results = measure(lab, (*SETTINGS, "granian"), make)
    note = "Of 16 questions: 7 timestamps, 5 next roots, 2 roles, 1 of curl, 1 for 64 KiB."
    return Report("mixed", "Mixed load", COLUMNS, rate_rows(results), [], note)
