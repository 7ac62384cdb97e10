"""Real engines on loopback for tests: SLURM, SSH, PostgreSQL, an object store, Ray."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from servers import free_port, free_ports, leashed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# By default, SLURM forgets a job after five minutes, and gives up a request or the start of a job
# after ten seconds: too soon on a busy machine.
SLURM = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket
CryptoType=crypto/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MinJobAge=86400
MessageTimeout=90
BatchStartTimeout=180
SlurmUser=root
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/controller.pid
SlurmdPidFile={root}/node.pid
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory=2000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP OverSubscribe=FORCE:8
"""
PASSWORD = "hunter2-of-the-tests"
SSHD = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {root}/host
AuthorizedKeysFile {root}/user.pub
PidFile {root}/sshd.pid
StrictModes no
UsePAM no
"""


def needs(*programs: str) -> None:
    """Skip the test, and say so, where a program of an engine is missing."""
    # Debian keeps servers in /usr/sbin, which users' paths lack.
    os.environ["PATH"] += os.pathsep + "/usr/sbin"
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (packages of Debian)")


def wait_until(true: Callable[[], bool], what: str, seconds: float = 180) -> None:
    """Wait for something outside, and fail with its name if it does not come."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, f"waited {seconds} s for {what}"
        time.sleep(0.1)


@contextmanager
def _running(
    *commands: list[str], more: dict[str, str] | None = None, stop: int = signal.SIGTERM
) -> Iterator[None]:
    with ExitStack() as stack:
        for command in commands:
            process = leashed(command, os.environ | (more or {}))
            stack.callback(process.wait)
            stack.callback(process.send_signal, stop)
        yield


@contextmanager
def slurm(root: Path) -> Iterator[dict[str, str]]:
    """A cluster of one node; yields the environment of its clients."""
    needs("slurmctld", "slurmd", "munged", "sbatch")
    if os.getuid():
        pytest.skip("slurmd runs jobs as other users: needs root")
    for folder in ("state", "spool"):
        (root / folder).mkdir(parents=True)
    (root / "key").write_bytes(os.urandom(1024))
    (root / "key").chmod(0o400)
    conf = root / "slurm.conf"
    host = socket.gethostname().split(".")[0]
    text = SLURM.format(host=host, ports=free_ports(2), root=root, cores=os.cpu_count())
    conf.write_text(text)
    files = {"key-file": "key", "socket": "munge.socket", "pid-file": "munge.pid",
             "log-file": "munge.log", "seed-file": "seed"}  # fmt: skip
    munged = ["munged", "--foreground", "--force"]
    munged += [f"--{option}={root / name}" for option, name in files.items()]
    environment = {"SLURM_CONF": str(conf)}
    with _running(munged):
        wait_until((root / "munge.socket").exists, "munged")
        with _running(["slurmctld", "-D", "-f", str(conf)], ["slurmd", "-D", "-f", str(conf)]):
            idle = ["sinfo", "--noheader", "--format=%T"]
            wait_until(
                lambda: b"idle" in subprocess.run(
                    idle, env=os.environ | environment, capture_output=True, check=False
                ).stdout,
                "slurmd",
            )  # fmt: skip
            yield environment


@contextmanager
def ssh_server(root: Path) -> Iterator[list[str]]:
    """An SSH server; yields the options with which `ssh 127.0.0.1` gets in."""
    needs("sshd", "ssh", "ssh-keygen")
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(root / name)]
        subprocess.run(command, check=True)
    port = free_port()
    (root / "sshd_config").write_text(SSHD.format(port=port, root=root))
    Path("/run/sshd").mkdir(exist_ok=True)
    sshd = shutil.which("sshd")
    assert sshd is not None
    options = ["-p", str(port), "-i", str(root / "user"), "-o", "StrictHostKeyChecking=no",
               "-o", f"UserKnownHostsFile={root / 'known'}", "-o", "LogLevel=ERROR"]  # fmt: skip
    with _running([sshd, "-D", "-f", str(root / "sshd_config")]):
        wait_until(lambda: _answers(port), "sshd")
        yield options


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def postgres(root: Path) -> Iterator[str]:
    """Run a PostgreSQL server with an empty database; yields its address, with a password."""
    needs("initdb", "postgres", "createdb")
    root.mkdir()
    # It refuses to run as root: as Debian's own user for it, who must reach the folder.
    as_user = []
    if os.getuid() == 0:
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        shutil.chown(root, "postgres", "postgres")
        for folder in root.resolve().parents[:-2]:
            folder.chmod(folder.stat().st_mode | 0o011)
    (root / "password").write_text(PASSWORD)
    (root / "password").chmod(0o644)
    data, port = root / "data", free_port()
    init = ["initdb", "-D", str(data), "-A", "scram-sha-256", "-U", "mlflow"]
    init += [f"--pwfile={root / 'password'}", "--no-sync"]
    subprocess.run([*as_user, *init], check=True, stdout=subprocess.DEVNULL)
    serve = ["postgres", "-D", str(data), "-p", str(port), "-k", str(root), "-F"]
    # At SIGTERM, PostgreSQL waits for its clients; at SIGINT it sends them away.
    with _running([*as_user, *serve], stop=signal.SIGINT):
        wait_until(lambda: _answers(port), "postgres")
        create = ["createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "mlflow", "runs"]
        secret = os.environ | {"PGPASSWORD": PASSWORD}
        wait_until(lambda: subprocess.run(create, env=secret, check=False).returncode == 0, "it")
        yield f"postgresql+psycopg2://mlflow:{PASSWORD}@127.0.0.1:{port}/runs"


@contextmanager
def object_store() -> Iterator[dict[str, str]]:
    """An S3 server in memory with a bucket; yields the environment of its clients."""
    server = pytest.importorskip("moto.server", reason="needs moto (make extras)")
    boto3 = pytest.importorskip("boto3")
    running = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    _, port = running.get_host_and_port()
    url = f"http://127.0.0.1:{port}"
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": PASSWORD}
    try:
        client = boto3.client(
            "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="key",
            aws_secret_access_key=PASSWORD,
        )  # fmt: skip
        client.create_bucket(Bucket="store")
        yield keys | {"AWS_ENDPOINT_URL": url, "MLFLOW_S3_ENDPOINT_URL": url,
                      "AWS_DEFAULT_REGION": "us-east-1"}  # fmt: skip
    finally:
        running.stop()


MEMORY = "--object-store-memory=100000000"


@contextmanager
def ray_cluster(root: Path) -> Iterator[str]:
    """A head and a second node of Ray on this host; yields the address for jobs."""
    pytest.importorskip("ray", reason="needs ray[default]")
    needs("ray")
    port, dashboard = free_ports(2)
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_MEMORY_MONITOR": "1"}
    head = ["ray", "start", "--head", "--block", f"--port={port}", "--num-cpus=1", MEMORY]
    head += ["--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1"]
    head += [f"--dashboard-port={dashboard}", f"--temp-dir={root}"]
    worker = ["ray", "start", f"--address=127.0.0.1:{port}", "--block", "--num-cpus=1", MEMORY]
    with _running(head, more=quiet):
        wait_until(lambda: _answers(dashboard), "Ray's dashboard", 240)
        with _running(worker, more=quiet):
            yield f"http://127.0.0.1:{dashboard}"
