"""Shipping to Elasticsearch against the client's own `parallel_bulk`: `python -m bench shipping [--input FILE] …`.

`kyber logs ship FILE` reads the file, stores its events, makes documents and sends them (`kyber`); where they are
stored already, it makes documents and sends them to another namespace (`stored`). `parallel_bulk` is given the
very same documents, ready made: as bytes, so that it need not serialise them (an `expand_action_callback` passes them
through; 4 threads and 500 documents a request, its defaults), and once as the objects that it is usually given. Each
way is a process of its own, pushes to a data stream of its own on the same server through the same templates, and
their order alternates. Without --url a server is started as the tests do, but with its usual compiler.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import numpy as np

from bench.measure import Figures, measured, ratio, show

WAYS: Final = ("kyber", "stored", "bytes", "objects")
HEAP: Final = 2_048
"""MiB of the server's: where it is short of memory, `parallel_bulk` ends with 429."""
SETTINGS: Final = "organisation: Bench\nlanguage: en\ntimezone: UTC\nelasticsearch:\n  url: {url}\n"


def main(arguments: Sequence[str]) -> None:
    """Measure, and print one table."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="kyber-bench-") as made, _server(options.url, Path(made)) as url:
        folder = Path(made)
        given = options.input or _generated(folder / "events.log", options.events)
        workspace = folder / "workspace"
        workspace.mkdir()
        (workspace / "kyber.yaml").write_text(SETTINGS.format(url=url))
        ready = folder / "documents.ndjson"
        documents = _made_ready(given, folder / "ready", ready)
        run = uuid4().hex[:8]
        runs: dict[str, list[Figures]] = {way: [] for way in WAYS}
        for number in range(-1, options.runs):  # the first warms the server up, and does not count
            order = WAYS if number % 2 == 0 else (*WAYS[2:], *WAYS[:2])  # what is stored was read before
            for way in order:
                namespace = f"bench{run}{way}{number + 1}"
                _kyber(workspace, "setup", "--namespace", namespace)
                figures = measured("bench.shipping", way, url, namespace, str(workspace), given, str(ready))
                if number >= 0:
                    runs[way].append(figures)
        size = ready.stat().st_size
    seconds = {way: [one["seconds"] for one in runs[way]] for way in WAYS}
    show((
        ("input", f"{Path(given).name}: {documents:,} events, {size / 1e6:,.0f} MB of documents"),
        ("client", f"elasticsearch {version('elasticsearch')}, {os.cpu_count()} cores"),
        *((f"{way}", _speed(runs[way], documents)) for way in WAYS),
        ("parallel_bulk of bytes : kyber, seconds", ratio(_ratios(seconds["bytes"], seconds["kyber"]))),
        ("parallel_bulk of objects : kyber, seconds", ratio(_ratios(seconds["objects"], seconds["kyber"]))),
        ("parallel_bulk of bytes : stored, seconds", ratio(_ratios(seconds["bytes"], seconds["stored"]))),
        ("parallel_bulk of objects : stored, seconds", ratio(_ratios(seconds["objects"], seconds["stored"]))),
        ("aim", "at least 0.80 of parallel_bulk's speed"),
    ))  # fmt: skip


def _ratios(theirs: Sequence[float], ours: Sequence[float]) -> list[float]:
    return [one / other for one, other in zip(theirs, ours, strict=True)]


def _speed(runs: Sequence[Figures], documents: int) -> str:
    seconds = statistics.median(one["seconds"] for one in runs)
    memory = max(one["memory"] for one in runs)
    cpu = statistics.median(one["cpu"] for one in runs)
    return f"{seconds:.1f} s, {documents / seconds:,.0f} events/s, {cpu:.1f} s CPU, {memory / 1e6:,.0f} MB at the most"


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench shipping", description=__doc__)
    parser.add_argument("--input", help="a log file; without it, lines are generated")
    parser.add_argument("--events", type=int, default=100_000, help="how many lines are generated")
    parser.add_argument("--runs", type=int, default=3, help="how often each way is measured")
    parser.add_argument("--url", help="a server to push to; it keeps the data streams")
    return parser.parse_args(arguments)


@contextmanager
def _server(url: str | None, folder: Path) -> Iterator[str]:
    if url is not None:
        yield url
        return
    from tests.elastic.server import Server, installed

    server = Server(installed(folder), "bench", quick=False, heap=HEAP)
    try:
        server.start()
        yield server.url
    finally:
        server.remove()


def _generated(file: Path, events: int) -> str:
    """Lines of sshd and sudo; the same every time."""
    users = [f"user{number}" for number in range(400)]
    with file.open("w", encoding="utf-8") as out:
        for index in range(events):
            at = f"2026-03-{1 + index * 28 // events:02}T{index // 3600 % 24:02}:{index // 60 % 60:02}:{index % 60:02}"
            host, user, port = f"www{index % 20}", users[index * 7 % 400], 1024 + index * 31 % 60_000
            if index % 5:
                said = (
                    f"sshd[{index % 32768}]: Accepted publickey for {user} from 192.0.2.{index % 250} port {port} ssh2"
                )
            else:
                said = f"sudo[{index % 32768}]: {user} : TTY=pts/0 ; PWD=/root ; USER=root ; COMMAND=/bin/job {port}"
            out.write(f"{at}Z {host} {said}\n")
    return str(file)


def _made_ready(given: str, state: Path, ready: Path) -> int:
    """The documents that kyber would send of a file, one a line after its id; how many they are."""
    from kyber.cli.delivered import FILES
    from kyber.logs.collect import collect
    from kyber.logs.inputs import inputs
    from kyber.logs.parse import Job
    from kyber.logs.store.document import Sending, documents
    from kyber.logs.store.parquet import ParquetStore, writing

    now = datetime.now(UTC)
    with writing(state, "bench") as store:
        collect([Job(source=FILES, inputs=inputs([given], now)[0], zone=UTC)], store, now)
    count = 0
    with closing(ParquetStore(state)) as store, ready.open("wb") as out:
        for info in store.chosen():
            batch = store.batch(info)
            for start in range(0, batch.rows, 512):
                rows = np.arange(start, min(start + 512, batch.rows))
                sending = Sending(day=info.day, collected=info.collected, ingested=info.collected, namespace="default")
                for one in documents(batch, rows, sending):
                    out.write(one.id.encode() + b" " + one.body + b"\n")
                    count += 1
    return count


def _kyber(workspace: Path, *arguments: str) -> None:
    command = [sys.executable, "-c", "from kyber.cli import main; main()", "logs", *arguments]
    subprocess.run(command, cwd=workspace, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def step(way: str, url: str, namespace: str, workspace: str, given: str, ready: str) -> Figures:
    """One way, measured: seconds from its start to its end, the CPU and the memory of its process."""
    import shutil

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    if way in ("kyber", "stored"):
        if way == "kyber":
            shutil.rmtree(Path(workspace) / ".kyber", ignore_errors=True)
            started = time.perf_counter()
        _kyber(Path(workspace), "ship", given, "--namespace", namespace)
    else:
        command = [sys.executable, "-m", "bench.shipping", "push", way, url, namespace, ready]
        subprocess.run(command, check=True)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "cpu": cpu, "memory": after.ru_maxrss * 1024}


def push(way: str, url: str, namespace: str, ready: str) -> None:
    """All documents by `parallel_bulk`; raises where one is not taken."""
    from elasticsearch import Elasticsearch
    from elasticsearch.helpers import parallel_bulk

    from kyber.cli.delivered import FILES
    from kyber.logs.store.templates import stream

    index = stream(FILES, namespace)

    def actions() -> Iterator[Any]:
        with Path(ready).open("rb") as lines:
            for line in lines:
                identity, _, body = line.rstrip(b"\n").partition(b" ")
                if way == "bytes":
                    yield identity.decode(), body.decode()
                else:
                    yield {
                        "_op_type": "create",
                        "_index": index,
                        "_id": identity.decode(),
                        "_source": json.loads(body),
                    }

    def expanded(action: tuple[str, str]) -> tuple[dict[str, Any], str]:
        return {"create": {"_index": index, "_id": action[0]}}, action[1]

    options: dict[str, Any] = {"expand_action_callback": expanded} if way == "bytes" else {}
    with Elasticsearch(url, request_timeout=120) as client:
        for fine, item in parallel_bulk(client, actions(), **options):
            if not fine:
                raise RuntimeError(str(item))


if __name__ == "__main__":
    if sys.argv[1] == "push":
        push(*sys.argv[2:])
    else:
        print(json.dumps(step(*sys.argv[1:])))
