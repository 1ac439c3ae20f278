"""Checks of `deploy/compose.yaml` and `deploy/grown/compose.yaml` that need no container."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import obstore
import pytest
import yaml
from obstore.exceptions import PermissionDeniedError
from obstore.store import S3Store
from sqlalchemy.engine import make_url

from server.settings import load_settings
from server.storage.layout import StateFolder
from server.storage.s3_blobs import S3Blobs
from server.stores import open_blobs, open_tree_place
from tests.patience import until
from tests.ports import free_port
from tests.postgres import PASSWORD, PROGRAMS, PostgresServer, fetch, postgres_server
from tests.seaweed import run_weed

DEPLOY = Path(__file__).parents[2] / "deploy"
FILE = DEPLOY / "compose.yaml"
GROWN = DEPLOY / "grown" / "compose.yaml"
SECRET = "a1B2c3"
#: With the variables that it needs; each secret consists of letters and digits.
COMPOSE = yaml.safe_load(re.sub(r"\$\{[A-Z0-9_]+:\?\}", SECRET, FILE.read_text()))
SERVICES = COMPOSE["services"]


def grown(secret=SECRET):
    """Return the compose file of a site, with a password for each secret."""
    return yaml.safe_load(re.sub(r"\$\{[A-Z0-9_]+:\?\}", secret, GROWN.read_text()))


@pytest.mark.parametrize("file", [FILE, GROWN], ids=["one machine", "grown"])
def test_compose_schema(file):
    """The specification's JSON schema accepts every key and value."""
    checker = Path(sys.executable).with_name("check-jsonschema")
    checked = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("node", ["device", "control", "publisher"])
def test_settings_of_grown_site(node):
    """Each kind of node has only the settings it needs: device nodes have no database or keys."""
    service = grown()["services"][node]
    settings = load_settings(None, service["environment"])
    assert settings.node == node
    place = open_tree_place(settings)
    assert (place.bucket, place.prefix, place.endpoint) == ("hening", "shared", "http://store:8333")
    assert bool(settings.database_url) == bool(settings.keys_socket) == (node != "device")
    assert ("database" in service["networks"]) == (node != "device")


def test_primary_allows_replication(tmp_path):
    """The image's own rule for all databases does not allow replication, so the file adds one."""
    site = grown()
    primary, standby = (site["services"][name] for name in ("database", "standby"))
    (config,) = primary["configs"]
    assert config["target"].startswith("/docker-entrypoint-initdb.d/")
    script = site["configs"][config["source"]]["content"].replace("$$", "$")
    subprocess.run(["bash", "-c", script], env={"PGDATA": str(tmp_path)}, check=True)
    user = primary["environment"]["POSTGRES_USER"]
    assert standby["command"][2].count(f"--username {user} ") == 2
    rule = f"host replication {user} all {primary['environment']['POSTGRES_HOST_AUTH_METHOD']}\n"
    assert (tmp_path / "pg_hba.conf").read_text() == rule


def test_device_node_volumes():
    """Each replica has a volume of its own, which contains the site's root."""
    device = grown()["services"]["device"]
    assert "/var/lib/hening" in device["volumes"]  # an unnamed volume is not shared by replicas
    assert device["tmpfs"] == "/tmp"


@pytest.mark.needs("postgresql")
def test_standby_after_interrupted_copy():
    """The standby's next start copies again, with its slot, and it follows the primary."""
    service = grown(PASSWORD)["services"]["standby"]
    with (
        postgres_server() as primary,
        tempfile.TemporaryDirectory(prefix="hening-standby-") as folder,
    ):
        ours = {
            "$$": "$",
            "/var/lib/postgresql/data": folder,
            "--host database": f"--host 127.0.0.1 --port {primary.port}",
            "exec docker-entrypoint.sh postgres": 'test -s "$PGDATA/PG_VERSION"',
        }

        def here(text):
            for shipped, own in ours.items():
                text = text.replace(shipped, own)
            return text

        variables = {name: here(value) for name, value in service["environment"].items()}
        variables["PATH"] = f"{PROGRAMS}:{os.environ['PATH']}"
        who = {}
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
            who = {"user": "postgres"}

        def start(option=""):
            shell, word, line = service["command"]
            line = here(line).replace("--pgdata", f"--checkpoint fast {option} --pgdata")
            return subprocess.Popen(
                [shell, word, line], env=variables, start_new_session=True, **who
            )

        with start("--max-rate 32") as first:  # kilobytes a second, of 20 megabytes
            until((Path(folder) / "copy" / "PG_VERSION").exists)
            os.killpg(first.pid, signal.SIGKILL)

        def starts():  # restarted when it ends, as Docker does: at first the slot is still in use
            with start() as process:
                return process.wait() == 0

        until(starts)
        (Path(folder) / "data").symlink_to("standby")
        standby = PostgresServer(Path(folder), free_port())
        standby.start()
        try:
            assert fetch(standby.address("postgres"), "SELECT pg_is_in_recovery()")[0][0]
            query = "SELECT active FROM pg_replication_slots WHERE slot_name = 'standby'"
            until(lambda: fetch(primary.address("postgres"), query)[0][0])
        finally:
            standby.stop()


def test_mounts_exist():
    """Mounted files are in this folder or the operator's certificates; volumes are declared."""
    build = SERVICES["server"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()
    for service in SERVICES.values():
        for mount in service["volumes"]:
            source = mount.partition(":")[0]
            if source.startswith("./"):
                assert source == "./tls" or (DEPLOY / source).is_file()
            else:
                assert source in COMPOSE["volumes"]


def test_server_settings(tmp_path):
    """Every variable is a setting, and the addresses of other services match."""
    settings = load_settings(None, SERVICES["server"]["environment"])
    assert settings.host == "0.0.0.0"  # nginx is another container
    assert set(SERVICES["nginx"]["networks"]) <= set(SERVICES["server"]["networks"])
    assert make_url(settings.database_url).host in SERVICES
    assert settings.s3_endpoint == "http://blobs:8333"
    folder = StateFolder(tmp_path, settings.database_url)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert isinstance(open_blobs(folder, settings, lambda: now), S3Blobs)


def test_nginx_upstream(tmp_path):
    """The start commands replace this machine's address by the server's container and port."""
    shell, option, line = SERVICES["nginx"]["command"]
    line = line.replace("/edge.conf", shlex.quote(str(DEPLOY / "nginx" / "edge.conf")))
    line = line.replace("/etc/nginx/conf.d/default.conf", str(tmp_path / "site.conf"))
    subprocess.run([shell, option, line.replace("exec nginx", ": nginx")], check=True)
    site = (tmp_path / "site.conf").read_text()
    settings = load_settings(None, SERVICES["server"]["environment"])
    assert re.findall(r"^    server (\S+);", site, re.MULTILINE) == [f"server:{settings.port}"]


def grpc_status(port, method, message):
    """Return the status of a unary gRPC call: 0 for success, 16 without credentials."""
    told = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--http2-prior-knowledge", "--dump-header", "-"),
            *("--output", os.devnull, "--data-binary", "@-"),
            *("--header", "Content-Type: application/grpc", "--header", "TE: trailers"),
            f"http://127.0.0.1:{port}/{method}",
        ],
        input=b"\0" + len(message).to_bytes(4, "big") + message,
        capture_output=True,
        check=True,
    ).stdout
    return int(re.search(rb"(?mi)^grpc-status: (\d+)", told)[1])


@pytest.mark.needs("seaweed", "curl")
def test_store_requires_signatures(tmp_path):
    """SeaweedFS, run with the file's command and variables, requires signed requests.

    Its gRPC port, where other gateways announce new S3 keys, requires credentials, too.
    """
    service = SERVICES["blobs"]
    (tmp_path / "data").mkdir()
    command = [part.replace("/data", str(tmp_path / "data")) for part in service["command"]]
    with run_weed(tmp_path, command, service["environment"]) as ports:
        place = SERVICES["server"]["environment"]
        bucket, _, prefix = place["HENING_BLOBS_URL"].removeprefix("s3://").partition("/")

        def write(**who):
            store = S3Store(
                bucket,
                endpoint=f"http://127.0.0.1:{ports['s3.port']}",
                region="us-east-1",
                client_options={"allow_http": True},
                **who,
            )
            obstore.put(store, f"{prefix}/first", b"bytes")

        key = place["HENING_S3_KEY_ID"]
        write(access_key_id=key, secret_access_key=place["HENING_S3_SECRET"])
        with pytest.raises(PermissionDeniedError):
            write(access_key_id=key, secret_access_key="another")
        with pytest.raises(PermissionDeniedError):
            write(skip_signature=True)
        identity = b"\x0a\x05\x0a\x03eve"  # PutIdentityRequest{identity: {name: "eve"}}
        put = "messaging_pb.SeaweedS3IamCache/PutIdentity"
        assert grpc_status(ports["s3.port.grpc"], put, identity) == 16


def test_stores_have_the_same_variables():
    """The store of a site, which needs several machines to run, is protected as the one above."""
    assert grown()["services"]["store"]["environment"] == SERVICES["blobs"]["environment"]
