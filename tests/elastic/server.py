"""A real Elasticsearch for tests: in, what the machine has (Maven, a JDK); out, servers on loopback, or `Missing`.

The server is the minimal distribution that Elasticsearch's own tests use, 130 MB, from Maven Central. Maven fetches it
once into a cache outside the repository. All processes of one test run share an unpacked copy in a temporary folder,
and one server. A janitor, a process of its own, waits until the last test process is gone, however that ended, and
then stops every server of the run and removes the folder.
"""

import fcntl
import hashlib
import json
import os
import pwd
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

VERSION: Final = "9.5.0"
COORDINATES: Final = f"org.elasticsearch.distribution.integ-test-zip:elasticsearch:{VERSION}:zip"
SHA512: Final = (
    "c06bd4ef7691da91052cada7bb255b2d7c48a1422820a8db0e3e3a1ed0dde4e8"
    "d380cdbadeb7029cc56167b9ad3a6d89f6b8edbc48d4b8685d1ab24a7ab17dd5"
)
COPY: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
"""The goal of Maven that fetches a file."""
ZIP: Final = "KYBER_ELASTICSEARCH_ZIP"
"""Names the distribution's zip where it is not to be fetched."""
CACHE: Final = "KYBER_ELASTICSEARCH_CACHE"
"""Names the folder that a fetched zip is kept in."""
NEEDED: Final = "KYBER_NEED_ELASTICSEARCH"
"""Set to 1, a test that has no server fails where it would be skipped."""

JAVA: Final = 21
MODULE: Final = "jdk.incubator.vector"
FETCHED: Final = 1_800.0
STARTED: Final = 240.0
STOPPED: Final = 30.0
"""Deadlines, in seconds."""

_HEAP: Final = 512
_SOONER: Final = "-XX:+UseSerialGC\n-XX:TieredStopAtLevel=1\n"
_USUAL: Final = "-XX:+UseG1GC\n"
_OPTIONS: Final = f"""\
{_SOONER}\
-XX:+ExitOnOutOfMemoryError
-Djava.io.tmpdir=${{ES_TMPDIR}}
--add-modules={MODULE}
--add-opens=java.base/java.nio=org.apache.arrow.memory.core,ALL-UNNAMED
--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED
"""
"""Options of the JVM: what starts soon and takes little, beside what the distribution's own jvm.options must have."""
_JVMS: Final = (
    "/usr/lib/jvm",
    "/usr/lib64/jvm",
    "/usr/java",
    "/opt/java",
    "/opt/jdk",
    "/Library/Java/JavaVirtualMachines",
)
_TICK: Final = 0.1


class Missing(Exception):  # noqa: N818 - a state of the machine, not of the code
    """There can be no server here; the text says what is missing and what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """The account that servers run as: Elasticsearch refuses root."""

    name: str
    user: int
    group: int

    def options(self) -> dict[str, Any]:
        """What subprocess needs to run something as this account."""
        if os.geteuid() == self.user:
            return {}
        return {"user": self.user, "group": self.group, "extra_groups": []}

    def give(self, folder: Path) -> None:
        """Make everything in a folder the account's own."""
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.user, self.group)


@dataclass(frozen=True, slots=True)
class Installed:
    """What servers of this run are started from: `folder` is the run's, `home` the unpacked distribution in it."""

    folder: Path
    home: Path
    java: Path
    account: Account


@dataclass(frozen=True, slots=True)
class Security:
    """TLS by a made-up authority, users as name -> (password, role), and roles as roles.yml has them."""

    users: Mapping[str, tuple[str, str]]
    roles: Mapping[str, Any]


class Server:
    """One server in a folder of its own. It keeps its port and its data when it is started again."""

    def __init__(
        self,
        installed: Installed,
        name: str,
        security: Security | None = None,
        *,
        quick: bool = True,
        heap: int = _HEAP,
    ) -> None:
        """`quick`: it starts sooner, its code is compiled less well and its memory given back later. `heap` in MiB."""
        self.installed, self.security, self.quick, self.heap = installed, security, quick, heap
        self.folder = installed.folder / name
        self.port = 0

    @property
    def url(self) -> str:
        return f"{'https' if self.security else 'http'}://127.0.0.1:{self.port}"

    @property
    def authority(self) -> Path:
        """The certificate of the authority that signed the server's, where there is security."""
        return self.folder / "authority.pem"

    def client(self, **options: Any) -> "Elasticsearch":
        """A client that does not retry. With security, `basic_auth=(user, password)` has to be given."""
        from elasticsearch import Elasticsearch

        if self.security:
            options = {"ca_certs": str(self.authority)} | options
        return Elasticsearch(self.url, **{"request_timeout": 60, "max_retries": 0} | options)

    def start(self) -> None:
        """Start, and wait until requests are answered. Raises RuntimeError with the server's own words."""
        config, logs = self.folder / "config", self.folder / "logs"
        if not config.exists():
            self._lay_out(config)
        ports = logs / "http.ports"
        ports.unlink(missing_ok=True)
        self._pid.unlink(missing_ok=True)
        (config / "elasticsearch.yml").write_text(json.dumps(self._settings()), encoding="utf-8")
        self._run("elasticsearch", "-d", "-p", str(self._pid), seconds=STARTED)
        until("the server has a port", STARTED, lambda: ports.exists() and ports.read_text().strip())
        self.port = int(ports.read_text().split()[0].rpartition(":")[2])
        if not self.security:
            until("the server answers", STARTED, self.answers)

    def answers(self) -> bool:
        """Whether the server says that it is well."""
        try:
            with urllib.request.urlopen(f"{self.url}/_cluster/health", timeout=5) as answer:
                return json.load(answer)["status"] in ("green", "yellow")
        except (OSError, urllib.error.URLError):
            return False

    def stop(self) -> None:
        """Stop in order, if it runs."""
        stop(self._pid, signal.SIGTERM)

    def kill(self) -> None:
        """Stop at once, with SIGKILL, if it runs."""
        stop(self._pid, signal.SIGKILL)

    def remove(self) -> None:
        """Stop, and remove everything of it."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _pid(self) -> Path:
        return self.folder / "logs" / "pid"

    def _settings(self) -> dict[str, Any]:
        settings = {
            "discovery.type": "single-node",
            "node.name": self.folder.name,
            "node.portsfile": True,
            "http.host": "127.0.0.1",
            "http.port": self.port,
            "transport.host": "127.0.0.1",
            "transport.port": 0,
            "path.data": str(self.folder / "data"),
            "path.logs": str(self.folder / "logs"),
            "cluster.routing.allocation.disk.threshold_enabled": False,
            "cluster.max_shards_per_node": 5_000,
            "xpack.security.enabled": self.security is not None,
            "xpack.security.autoconfiguration.enabled": False,
        }
        if self.security:
            settings |= {
                "xpack.security.http.ssl.enabled": True,
                "xpack.security.http.ssl.certificate": "http.crt",
                "xpack.security.http.ssl.key": "http.key",
            }
        return settings

    def _lay_out(self, config: Path) -> None:
        for folder in (config, *(self.folder / name for name in ("data", "logs", "tmp"))):
            folder.mkdir(parents=True)
        shutil.copyfile(self.installed.home / "config" / "log4j2.properties", config / "log4j2.properties")
        options = _OPTIONS if self.quick else _OPTIONS.replace(_SOONER, _USUAL)
        (config / "jvm.options").write_text(options, encoding="utf-8")
        if self.security:
            _certify(self.authority, config)
            roles = "".join(f"{name}: {json.dumps(role)}\n" for name, role in self.security.roles.items())
            (config / "roles.yml").write_text(roles, encoding="utf-8")
            for name in ("users", "users_roles", "role_mapping.yml"):
                (config / name).touch()
            (config / "elasticsearch.yml").write_text(json.dumps(self._settings()), encoding="utf-8")
        self.installed.account.give(self.folder)
        for name, (password, role) in (self.security.users if self.security else {}).items():
            self._run("elasticsearch-users", "useradd", name, "-p", password, "-r", role, seconds=STARTED)

    def _run(self, program: str, *arguments: str, seconds: float) -> None:
        """Run a program of the distribution to its end, which for a server is that it is ready in the background."""
        words = self.folder / "tmp" / f"{program}.txt"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "ES_JAVA_HOME": str(self.installed.java),
            "CLI_JAVA_OPTS": "-XX:TieredStopAtLevel=1",
            "ES_JAVA_OPTS": f"-Xms{self.heap}m -Xmx{self.heap}m",
            "ES_PATH_CONF": str(self.folder / "config"),
            "ES_TMPDIR": str(self.folder / "tmp"),
        }
        with words.open("wb") as file:
            try:
                code = subprocess.run(
                    [self.installed.home / "bin" / program, *arguments],
                    **self.installed.account.options(),
                    cwd=self.folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    timeout=seconds,
                    start_new_session=True,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                code = -1
        if code:
            raise RuntimeError(f"{program} ended with {code}: {words.read_text(errors='replace')[-4_000:]}")


def _certify(authority: Path, config: Path) -> None:
    """Write the certificate of a new authority, and what it signed for a server on loopback."""
    import trustme

    made = trustme.CA()
    made.cert_pem.write_to_path(str(authority))
    issued = made.issue_cert("127.0.0.1")
    (config / "http.crt").write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    (config / "http.key").write_bytes(issued.private_key_pem.bytes())
    (config / "http.key").chmod(0o600)


def until(what: str, seconds: float, holds: Callable[[], object]) -> None:
    """Poll until something holds. Raises TimeoutError that says what did not."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:.0f} s it still does not hold that {what}")
        time.sleep(_TICK)


def stop(pid: Path, by: signal.Signals) -> None:
    """Stop the server that wrote this file, and wait until its process is gone."""
    try:
        number = int(pid.read_text())
        process = os.pidfd_open(number)
    except (OSError, ValueError):
        return
    try:
        if f"{pid.parents[1]}/".encode() not in Path(f"/proc/{number}/cmdline").read_bytes():
            return  # the number is another process's by now: a server has its folder in its words
        for each in dict.fromkeys((by, signal.SIGKILL)):
            signal.pidfd_send_signal(process, each)
            if select.select([process], [], [], STOPPED)[0]:
                break
    except OSError:
        pass
    finally:
        os.close(process)
        pid.unlink(missing_ok=True)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Alone among all processes that ask for the same file; waits for its turn."""
    with file.open("ab") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield


_using: list[BinaryIO] = []
"""The locks that say to the janitor that this process is there; the operating system lets go of them at its end."""


@cache
def installed(run: Path) -> Installed:
    """What servers are started from, unpacked once for all processes that name the same folder of a test run.

    Raises Missing.
    """
    if sys.platform != "linux":
        raise Missing("tests with a real Elasticsearch run on Linux only")
    account = _account()
    java = _java(account)
    with locked(run / "elasticsearch.lock"):
        pointer = run / "elasticsearch.folder"
        folder = Path(pointer.read_text()) if pointer.exists() else None
        if folder is None or not _use(folder):
            folder = _unpack(_zip(), account)
            pointer.write_text(str(folder))
    return Installed(folder, folder / f"elasticsearch-{VERSION}", java, account)


def shared(run: Path, name: str = "shared", security: Security | None = None) -> Server:
    """The one server of this name in a test run, started by whoever needs it first. Raises Missing."""
    server = Server(installed(run), name, security)
    with locked(server.installed.folder / f"{name}.lock"):
        pointer = server.installed.folder / f"{name}.port"
        if pointer.exists():
            server.port = int(pointer.read_text())
        else:
            server.start()
            pointer.write_text(str(server.port))
    return server


def _use(folder: Path) -> bool:
    """Say that this process uses the folder; False where it is being removed already."""
    try:
        users = (folder / "users").open("r+b")
    except OSError:
        return False
    try:
        fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
        Path(users.name).stat()  # gone where the janitor was faster
    except OSError:
        users.close()
        return False
    _using.append(users)
    return True


def _unpack(packed: Path, account: Account) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="kyber-elasticsearch-", dir=_reachable(account)))
    folder.chmod(0o755)
    (folder / "users").touch()
    assert _use(folder)
    subprocess.run([sys.executable, __file__, folder], check=True, stdin=subprocess.DEVNULL, timeout=60)
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder)
        for member in archive.infolist():
            path = folder / member.filename
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    return folder


def _reachable(account: Account) -> Path:
    """A folder for temporary files that the account can reach."""
    for folder in map(Path, (tempfile.gettempdir(), "/tmp", "/var/tmp")):
        if folder.is_dir() and subprocess.run(["test", "-x", folder], **account.options(), check=False).returncode == 0:
            return folder
    raise Missing(f"no folder for temporary files that the account {account.name} can reach: set TMPDIR to one")


def _account() -> Account:
    if os.geteuid():
        return Account(pwd.getpwuid(os.geteuid()).pw_name, os.geteuid(), os.getegid())
    try:
        found = pwd.getpwnam("nobody")
    except KeyError:
        raise Missing("Elasticsearch does not run as root, and there is no account nobody: run as a user") from None
    return Account(found.pw_name, found.pw_uid, found.pw_gid)


def _java(account: Account) -> Path:
    """A JDK that is new enough, has the module, and can be run by the account."""
    on_path = shutil.which("java")
    places = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    places += [Path(on_path).resolve().parent.parent] if on_path else []
    places += [found for folder in _JVMS for found in sorted(Path(folder).glob("*"), reverse=True)]
    places += [found / "Contents" / "Home" for found in places]
    for place in dict.fromkeys(places):
        if (place / "bin" / "java").exists() and _fits(place, account):
            return place
    raise Missing(f"no JDK >= {JAVA} with the module {MODULE} in JAVA_HOME, PATH or /usr/lib/jvm: install one")


def _fits(place: Path, account: Account) -> bool:
    try:
        said = subprocess.run(
            [place / "bin" / "java", "--list-modules"],
            **account.options(),
            capture_output=True,
            text=True,
            cwd="/",
            timeout=60,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = re.search(rf"^{re.escape(MODULE)}@(\d+)", said, re.MULTILINE)
    return version is not None and int(version[1]) >= JAVA


def _zip() -> Path:
    """The distribution, checked: the named file, the one in the cache, or fetched into the cache."""
    if os.environ.get(ZIP):
        return _checked(Path(os.environ[ZIP]))
    folder = Path(os.environ.get(CACHE) or "~/.cache/kyber-elasticsearch").expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "lock"):
        file = folder / f"elasticsearch-{VERSION}.zip"
        if not file.exists():
            with tempfile.TemporaryDirectory(dir=folder, prefix="fetching-") as beside:
                _checked(_fetch(Path(beside))).replace(file)
        return _checked(file)


def _fetch(folder: Path) -> Path:
    maven = shutil.which("mvn")
    if maven is None:
        raise Missing(f"no mvn in PATH to fetch {COORDINATES}: install Maven, or name the zip in ${ZIP}")
    try:
        said = subprocess.run(
            [
                maven,
                "-B",
                "-q",
                f"-Dmaven.repo.local={folder / 'repository'}",
                COPY,
                f"-Dartifact={COORDINATES}",
                f"-DoutputDirectory={folder}",
            ],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            timeout=FETCHED,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired:
        said = f"nothing came within {FETCHED:.0f} s"
    file = folder / f"elasticsearch-{VERSION}.zip"
    if not file.exists():
        reason = next((line for line in said.splitlines() if "ERROR" in line), said.strip() or "no word why")
        raise Missing(f"Maven could not fetch {COORDINATES} ({reason[:300]}): name the zip in ${ZIP}")
    return file


def _checked(file: Path) -> Path:
    try:
        with file.open("rb") as opened:
            if hashlib.file_digest(opened, "sha512").hexdigest() == SHA512:
                return file
    except OSError as error:
        raise Missing(f"{file} cannot be read ({error.strerror}): ${ZIP} has to name Elasticsearch's zip") from None
    raise Missing(f"{file} is not {COORDINATES}, its SHA-512 differs: remove it")


def tidy(folder: Path) -> None:
    """The janitor: wait until nobody uses the folder, stop every server in it, remove it."""
    with (folder / "users").open("r+b") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        for pid in folder.glob("*/logs/pid"):
            with suppress(OSError):
                stop(pid, signal.SIGTERM)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    if os.fork() == 0:
        os.setsid()
        os.chdir("/")
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nothing, stream)
        tidy(Path(sys.argv[1]))
