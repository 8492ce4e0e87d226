"""`kyber scan` and `kyber search` of what lies in Elasticsearch: as of the workspace's own store; findings go back."""

import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import orjson
import pytest
from typer.testing import Result

from kyber.logs.store.cluster import Cluster
from kyber.logs.store.templates import alerts, every_stream, stream
from tests.cli.run import kyber
from tests.elastic.server import Server
from tests.elastic.stores import connected, ready

CODE: Final = "010190-901R"
"""A personal identity code that nobody can have."""
SETTINGS: Final = """\
organisation: County
language: en
timezone: UTC
store: elasticsearch
elasticsearch: {{url: "{url}", namespace: {namespace}}}
"""
SOURCE: Final = "id: app\nname: App\nread: {paths: [logs/*.log], format: syslog}\n"
RULE: Final = """\
title: Something bad
id: 5b9b6b5e-0000-4000-8000-00000000000a
name: something_bad
logsource: {product: linux}
detection: {words: ["bad thing"], condition: words}
level: high
kyber: {family: technical}
"""
START: Final = datetime(2026, 3, 2, 10, tzinfo=UTC)


@dataclass(frozen=True)
class County:
    """A workspace with one log, one rule and a namespace of its own."""

    folder: Path
    server: Server
    namespace: str
    cluster: Cluster

    def write(self, *texts: str, days: int = 0) -> None:
        """Lines at the end of the log, an hour from each other, so many days after the first one."""
        log = self.folder / "logs" / "app.log"
        with log.open("a", encoding="utf-8") as file:
            for hour, text in enumerate(texts):
                file.write(f"{START + timedelta(days=days, hours=hour):%Y-%m-%dT%H:%M:%SZ} host1 app[1]: {text}\n")
        os.utime(log, (START.timestamp() + log.stat().st_size,) * 2)

    def run(self, *asked: object) -> Result:
        return kyber(*asked, "--workspace", self.folder)

    def ship(self) -> None:
        result = self.run("logs", "ship")
        assert result.exit_code == 0, result.stderr
        self.cluster.refresh(every_stream(self.namespace))

    def scan(self, *asked: object) -> list[dict[str, Any]]:
        """The findings that a scan shows."""
        result = self.run("scan", *asked, "--json")
        assert result.exit_code == 0, result.stderr
        return [one for one in map(json.loads, result.stdout.splitlines()) if one["rule"]["name"] == "something_bad"]

    def alerts(self) -> dict[str, dict[str, Any]]:
        index = alerts(self.namespace)
        self.cluster.refresh(index)
        hits = self.cluster.search({"size": 100}, index=index)["hits"]["hits"]
        found = {hit["_id"]: hit["_source"] for hit in hits}
        return {id_: one for id_, one in found.items() if one["rule"]["name"] == "Something bad"}


@pytest.fixture
def county(elasticsearch: Server, tmp_path: Path) -> Any:
    folder, namespace = tmp_path / "county", f"t{uuid4().hex[:12]}"
    for name in ("logs", "sources", "rules"):
        (folder / name).mkdir(parents=True)
    (folder / "kyber.yaml").write_text(SETTINGS.format(url=elasticsearch.url, namespace=namespace))
    (folder / "sources" / "app.yaml").write_text(SOURCE)
    (folder / "rules" / "bad.yml").write_text(RULE)
    with connected(elasticsearch.url) as cluster:
        ready(cluster, namespace)
        yield County(folder, elasticsearch, namespace, cluster)


def told(findings: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return sorted((one["first"][:10], one["count"]) for one in findings)


def test_findings_are_those_of_the_workspaces_own_store_and_go_back_as_alerts(county: County) -> None:
    county.write("a bad thing", "nothing", f"a bad thing of {CODE}")
    county.write("a bad thing", days=1)
    county.ship()
    found = county.scan()
    assert told(found) == [("2026-03-02", 2), ("2026-03-03", 1)]
    assert found == county.scan("--between", "2026-03-01", "2026-03-09", "--store", "parquet")
    assert county.scan() == []  # nothing is new
    county.write("nothing", days=1)
    county.ship()
    shown = county.run("scan").stdout
    assert re.search(r"Nothing new; \d+ known findings?: kyber findings list shows", shown)
    assert "No rule matched" not in shown
    assert f"{found[0]['id'][:8]}" in county.run("findings", "list").stdout
    written = county.alerts()
    assert written.keys() == {one["id"] for one in found}
    assert {one["event"]["kind"] for one in written.values()} == {"alert"}
    assert CODE not in json.dumps(written)
    county.write(f"a bad thing with {CODE}", days=1)
    county.ship()
    (grown,) = county.scan()
    assert told([grown]) == [("2026-03-03", 2)]
    assert county.alerts()[grown["id"]]["kyber"]["count"] == 2
    assert len(county.alerts()) == 2


def test_a_period_is_scanned_whenever_it_is_asked_for_and_alerts_can_be_left_out(county: County) -> None:
    county.write("a bad thing")
    county.write("a bad thing", days=1)
    county.ship()
    for _ in range(2):
        assert told(county.scan("--between", "2026-03-02", "2026-03-02", "--no-alerts")) == [("2026-03-02", 1)]
    assert county.alerts() == {}
    assert told(county.scan("--between", "2026-03-02", "2026-03-02")) == [("2026-03-02", 1)]
    assert len(county.alerts()) == 1
    assert told(county.scan()) == [("2026-03-03", 1)]  # what was scanned of a period is still new to a scan


def test_alerts_that_cannot_be_written_lose_no_finding_and_are_written_the_next_time(county: County) -> None:
    county.write("a bad thing")
    county.ship()
    client, index = county.server.client(), alerts(county.namespace)
    client.indices.create(index=index)
    client.indices.put_settings(index=index, settings={"index.blocks.write": True})
    failed = county.run("scan", "--json")
    assert failed.exit_code == 4
    assert "F52" in failed.stderr
    assert "403" in failed.stderr
    (finding,) = [one for one in map(json.loads, failed.stdout.splitlines()) if one["rule"]["name"] == "something_bad"]
    assert finding["id"][:8] in county.run("findings", "list").stdout
    client.indices.put_settings(index=index, settings={"index.blocks.write": False})
    assert county.scan() == []  # it is kept already
    assert county.alerts().keys() == {finding["id"]}
    client.close()


def test_a_search_gives_the_same_from_both_stores(county: County) -> None:
    county.write("a bad thing", "nothing", f"code {CODE}")
    county.write("a bad thing", days=1)
    county.ship()
    for asked in (
        ("bad",),
        ("message:*thing*",),
        ("NOT bad",),
        ("nosuchword",),
        ("",),
        ("bad", "--between", "2026-03-03", "2026-03-03"),
        ("app", "--by", "process.name", "--source", "app"),
        ("bad OR nothing", "--count"),
        ("host.name:host1", "--histogram", "--every", "1d"),
        ("no.such.field:x",),
    ):
        own, there = (county.run("search", *asked, "--store", name, "--json") for name in ("parquet", "elasticsearch"))
        assert own.exit_code == there.exit_code == 0, there.stderr
        assert sorted(there.stdout.splitlines()) == sorted(own.stdout.splitlines()), asked
        assert there.stderr == own.stderr, asked
        assert CODE not in there.stdout
    assert county.run("search", "x", "--source", "nobody").exit_code == 2


def test_a_search_says_how_many_events_there_are_however_few_of_them_it_asked_for(county: County) -> None:
    county.write("a bad thing", *["nothing"] * 8)
    county.write(*["nothing"] * 3, days=1)
    county.ship()
    for store in ("parquet", "elasticsearch"):
        for asked, matched, there in (
            (("bad",), "1 event matches", 12),
            (("bad", "--source", "app", "--between", "2026-03-02T11:00", "2026-03-02T13:59"), "0 events match", 3),
            (("bad", "--since", "2026-03-03"), "0 events match", 3),
        ):
            shown = county.run("search", *asked, "--store", store)
            assert f"{matched}, of {there}. " in shown.stdout, (asked, store)
            counted = json.loads(county.run("search", *asked, "--store", store, "--count", "--json").stdout)
            assert counted["events"] == there, (asked, store)


def test_what_was_shipped_by_path_is_searched_where_it_is_and_said_to_be(county: County, tmp_path: Path) -> None:
    county.write("a bad thing")
    county.ship()
    extra = tmp_path / "extra.log"
    extra.write_text("2026-03-02T10:00:00Z host1 app[1]: a bad thing\n")
    assert county.run("logs", "ship", extra).exit_code == 0
    county.cluster.refresh(every_stream(county.namespace))
    asked = ("search", "bad", "--source", "files")
    assert "1 event matches, of 1. " in county.run(*asked).stdout
    own = county.run(*asked, "--store", "parquet")
    assert own.exit_code == 2
    assert "add --store elasticsearch to --source files, or name the files with --path" in own.stderr


def test_a_comparison_says_that_all_is_the_same_and_else_what_differs_first(county: County) -> None:
    county.write("a bad thing", "nothing")
    county.write("a bad thing", days=1)
    county.ship()
    same = county.run("scan", "--compare")
    assert (same.exit_code, same.stdout.splitlines()[-1]) == (0, "Both stores say the same.")
    county.write("not sent", days=2)
    assert county.run("logs", "collect").exit_code == 0
    pending = json.loads(county.run("scan", "--compare", "--json").stdout)
    assert {key: count for key, count in pending["events"].items() if count} == {"alike": 3, "pending": 1}
    assert pending["same"] is False  # since it is another event that the source was silent after
    assert "has fewer events: run `kyber logs ship`, and compare again" in county.run("scan", "--compare").stdout
    name = stream("app", county.namespace)
    hit = county.cluster.search({"query": {"term": {"kyber.day": "2026-03-03"}}}, index=name)["hits"]["hits"][0]
    county.cluster.delete([(hit["_index"], hit["_id"])])
    county.cluster.refresh(name)
    lost = county.run("scan", "--compare")
    assert lost.exit_code == 1
    assert "after `kyber logs forget`, `kyber logs ship` sends it again" in lost.stdout
    assert f"2026-03-03T10:00:00+00:00, app, {county.folder}/logs/app.log:3, id {hit['_id']}" in lost.stdout
    changed = {**hit["_source"], "kyber": {**hit["_source"]["kyber"], "fields": {"message": "no bad thing"}}}
    lines = [orjson.dumps({"create": {"_index": name, "_id": hit["_id"]}}), orjson.dumps(changed)]
    assert county.cluster.bulk(lines)[0].status == 201
    county.cluster.refresh(name)
    told_ = json.loads(county.run("scan", "--compare", "--json", "--between", "2026-03-03", "2026-03-03").stdout)
    assert (told_["same"], told_["events"]["content"], told_["first"]["what"]) == (False, 1, "content")
    assert county.alerts() == {}
    assert not (county.folder / ".kyber" / "findings.sqlite").exists()


@pytest.mark.parametrize(
    "asked",
    [("scan",), ("scan", "--since", "7d"), ("scan", "--no-alerts"), ("search", "bad"), ("search", "--source", "app")],
    ids=" ".join,
)
def test_where_nothing_is_that_could_be_read_nothing_looks_as_if_it_had_been(
    county: County, asked: tuple[str, ...]
) -> None:
    there = county.server.url
    other = f"{county.namespace}x"
    bare = county.run(*asked, "--namespace", other)
    assert (bare.exit_code, bare.stdout) == (3, "")
    assert f"there is nothing of kyber in logs-kyber.*-{other} on {there}: is {other} the right name" in bare.stderr
    assert "`kyber logs setup`" in bare.stderr
    assert "`kyber logs ship`" in bare.stderr
    empty = county.run(*asked)
    assert (empty.exit_code, empty.stdout) == (3, "")
    assert f"nothing has been shipped yet: logs-kyber.*-{county.namespace} on {there} holds no events" in empty.stderr
    assert "`kyber logs ship`" in empty.stderr
    assert county.run(*asked, "--store", "parquet").exit_code == empty.exit_code
    county.write("a bad thing")
    county.ship()
    assert county.run(*asked).exit_code == 0
    assert county.run(*asked, "--namespace", other).exit_code == 3


def test_a_comparison_with_what_was_never_made_ready_is_none(county: County) -> None:
    county.write("a bad thing")
    assert county.run("logs", "collect").exit_code == 0
    assert json.loads(county.run("scan", "--compare", "--json").stdout)["events"]["pending"] == 1
    bare = county.run("scan", "--compare", "--namespace", f"{county.namespace}x")
    assert bare.exit_code == 3
    assert "there is nothing of kyber in" in bare.stderr


def test_a_cluster_that_is_away_ends_with_4_and_one_line(county: County) -> None:
    county.write("a bad thing")
    county.ship()
    for asked in (("scan",), ("scan", "--compare"), ("search", "bad")):
        result = county.run(*asked, "--url", "http://127.0.0.1:1")
        assert result.exit_code == 4, asked
        assert len(result.stderr.splitlines()) == 1
        assert "http://127.0.0.1:1" in result.stderr


def test_options_that_do_not_go_together_are_refused(county: County, tmp_path: Path) -> None:
    log = county.folder / "logs"
    for asked in (
        ("scan", log, "--store", "parquet"),
        ("scan", log, "--compare"),
        ("scan", "--compare", "--format", "csv"),
        ("scan", "--namespace", "not-one"),
        ("search", "x", "--path", log, "--store", "elasticsearch"),
    ):
        assert county.run(*asked).exit_code == 2, asked
    settings = county.folder / "kyber.yaml"
    settings.write_text("organisation: County\nlanguage: en\n")
    result = county.run("scan", "--store", "elasticsearch")
    assert result.exit_code == 2
    assert "add elasticsearch with its url, or use --url" in result.stderr
