"""The real server for tests: found or said what is missing, shared by all, and gone when the last test process is."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.elastic import server
from tests.elastic.server import Missing, Server, until


def test_the_shared_server_keeps_what_it_is_given(elasticsearch: Server, namespace: str) -> None:
    index = f"kyber-{namespace}"
    with elasticsearch.client() as asking:
        nodes = asking.nodes.info(filter_path="nodes.*.version")["nodes"]
        assert {node["version"] for node in nodes.values()} == {server.VERSION}
        asking.index(index=index, id="1", document={"a": 1}, refresh=True)
        assert asking.count(index=index)["count"] == 1
        asking.indices.delete(index=index)


def test_every_test_process_of_a_run_gets_the_same_server(elasticsearch: Server, run_folder: Path) -> None:
    asked = "import sys, pathlib; from tests.elastic.server import shared; print(shared(pathlib.Path(sys.argv[1])).url)"
    done = subprocess.run(
        [sys.executable, "-c", asked, run_folder], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == elasticsearch.url
    assert elasticsearch.answers()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_servers_end_with_the_last_process_that_uses_them(tmp_path: Path, end: signal.Signals) -> None:
    logs = tmp_path / "shared" / "logs"
    logs.mkdir(parents=True)
    (tmp_path / "users").touch()
    waiting = "import sys, threading; threading.Event().wait()"
    serving = subprocess.Popen([sys.executable, "-c", waiting, f"{tmp_path / 'shared'}/"])
    (logs / "pid").write_text(str(serving.pid))
    using = (
        "import pathlib, sys, threading; from tests.elastic import server; "
        "assert server._use(pathlib.Path(sys.argv[1])); print(flush=True); threading.Event().wait()"
    )
    users = [
        subprocess.Popen([sys.executable, "-c", using, tmp_path], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    try:
        for user in users:
            assert user.stdout is not None
            assert user.stdout.readline() == "\n"
        subprocess.run([sys.executable, server.__file__, tmp_path], check=True, timeout=60)
        users[0].send_signal(end)
        users[0].wait(60)
        assert serving.poll() is None
        users[1].send_signal(end)
        assert serving.wait(60) != 0
        until("the folder is gone", 60, lambda: not tmp_path.exists())
    finally:
        for user in users:
            user.kill()
            user.communicate()
        serving.kill()
        serving.wait()


def test_a_process_that_only_has_the_number_of_a_server_is_left_alone(tmp_path: Path) -> None:
    pid = tmp_path / "shared" / "logs" / "pid"
    pid.parent.mkdir(parents=True)
    pid.write_text(str(os.getpid()))
    server.stop(pid, signal.SIGKILL)
    assert not pid.exists()


def test_a_folder_that_is_being_removed_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "users").touch()
    with server.locked(tmp_path / "users"):
        assert not server._use(tmp_path)
    assert not server._use(tmp_path / "gone")


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_JVMS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(Missing, match=r"no JDK >= 21 with the module jdk\.incubator\.vector"):
        server._java(server._account())
    monkeypatch.setenv(server.ZIP, "")
    monkeypatch.setenv(server.CACHE, str(tmp_path / "cache"))
    with pytest.raises(Missing, match=f"no mvn in PATH to fetch {server.COORDINATES}: install Maven"):
        server._zip()
    other = tmp_path / "other.zip"
    other.write_bytes(b"something else")
    monkeypatch.setenv(server.ZIP, str(other))
    with pytest.raises(Missing, match="its SHA-512 differs"):
        server._zip()
    monkeypatch.setenv(server.ZIP, str(tmp_path / "none.zip"))
    with pytest.raises(Missing, match=r"none\.zip cannot be read"):
        server._zip()


def test_a_zip_in_the_cache_that_was_damaged_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(server.ZIP, "")
    monkeypatch.setenv(server.CACHE, str(tmp_path))
    (tmp_path / f"elasticsearch-{server.VERSION}.zip").write_bytes(b"half of it")
    with pytest.raises(Missing, match="remove it"):
        server._zip()
