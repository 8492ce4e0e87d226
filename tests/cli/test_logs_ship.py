"""What was sent where, as `kyber logs` shows it: the ledger of each destination, what was refused, what was deleted."""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from typer.testing import Result

from kyber import kept
from kyber.cli.logs_rejected import SHOWN
from kyber.cli.logs_ship import LOCK
from kyber.logs.expiry import ALERTS
from kyber.logs.store.access import Access
from kyber.logs.store.cluster import Cluster
from kyber.logs.store.lock import held
from kyber.logs.store.templates import alerts, every_stream, stream
from tests.cli.run import kyber
from tests.elastic.scripted import REASONS, Refuse, Scripted
from tests.elastic.server import Server
from tests.render.results import CODE, finding

NOW: Final = datetime.now(UTC)
ADDRESS: Final = "\x1b]0;title\x07\x1b[31mred\u202e [bold]x[/bold]"
HOSTILE: Final = f"\x1b]0;title\x07\x1b[31mred\u202e {CODE} [bold]x[/bold]"


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as running:
        yield running


@pytest.fixture
def here(tmp_path: Path, server: Scripted, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a source of five events, one of them without a time, that ships to the scripted server."""
    monkeypatch.setenv("COLUMNS", "200")
    return laid_out(tmp_path / "county", server.url, "test", monkeypatch)


def laid_out(root: Path, url: str, namespace: str, monkeypatch: pytest.MonkeyPatch, language: str = "en") -> Path:
    (root / "sources").mkdir(parents=True)
    settings = {
        "organisation": "County",
        "language": language,
        "timezone": "UTC",
        "store": "parquet",
        "elasticsearch": {"url": url, "namespace": namespace},
    }
    (root / "kyber.yaml").write_text(yaml.safe_dump(settings))
    text = "id: app\nname: app\nread:\n  paths: [logs/app.jsonl]\n  format: json\nretention: 30 d\n"
    (root / "sources" / "app.yaml").write_text(text)
    events = [{"@timestamp": (NOW - timedelta(days=days)).isoformat(), "n": days} for days in (400, 40, 2, 0)]
    log(root, "app.jsonl", *map(json.dumps, events), json.dumps({"n": "none"}))
    monkeypatch.chdir(root)
    return root


def log(root: Path, name: str, *lines: str, mode: str = "w") -> Path:
    """A log that nobody has written to for an hour."""
    file = root / "logs" / name
    file.parent.mkdir(exist_ok=True)
    with file.open(mode, encoding="utf-8") as opened:
        opened.writelines(f"{line}\n" for line in lines)
    hour_ago = (NOW - timedelta(hours=1)).timestamp() + file.stat().st_size / 1_000
    os.utime(file, (hour_ago, hour_ago))
    return file


def run(command: str, *options: object, code: int = 0) -> Result:
    result = kyber("logs", command, *options)
    assert result.exit_code == code, result.output
    assert not {"\x1b", "\u202e", "\x07"} & set(result.output)
    assert CODE not in result.output
    return result


def objects(command: str, *options: object, code: int = 0) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(command, "--json", *options, code=code).stdout.splitlines()]


def destinations() -> list[dict[str, Any]]:
    """What `kyber logs status --json` says of destinations."""
    return [one for one in objects("status") if "destination" in one]


# --- sending, and what is said of it ----------------------------------------------------------------------------------


def test_shipping_says_what_became_of_the_events(here: Path, server: Scripted) -> None:
    server.script(Refuse({0: 400}))
    first = run("ship", code=4)
    assert first.stdout == "4 events delivered. 1 was refused: `kyber logs rejected` shows why.\n"
    assert run("ship").stdout == "0 events delivered.\n"
    log(here, "app.jsonl", '{"n": "more"}', mode="a")
    (found,) = objects("ship")
    assert (found.pop("size") > 0, found) == (
        True,
        {"created": 1, "known": 0, "refused": 0, "again": 0, "pending": 0},
    )


@pytest.mark.parametrize("other", ["App", "files_", "FILES"])
def test_sources_that_would_share_a_data_stream_are_not_shipped(here: Path, server: Scripted, other: str) -> None:
    """The retention of the one would be that of the other."""
    text = (here / "sources" / "app.yaml").read_text()
    if other == "files_":
        (here / "sources" / "a-b.yaml").write_text(text.replace("id: app", "id: a-b"))
        other = "a_b"
    (here / "sources" / "other.yaml").write_text(text.replace("id: app", f"id: {other}"))
    result = run("ship", code=2)
    assert "would share the data stream" in result.stderr
    assert not server.documents()


def test_the_status_shows_the_ledger_of_each_destination(here: Path, server: Scripted) -> None:
    assert destinations() == []
    run("collect")
    assert destinations() == []
    server.script(Refuse({0: 400}))
    run("ship", code=4)
    log(here, "app.jsonl", '{"n": "more"}', '{"n": "more still"}', mode="a")
    run("collect")
    (found,) = destinations()
    assert 0 <= found.pop("lag") < 600
    assert datetime.fromisoformat(found.pop("oldest")) >= datetime.fromisoformat(found.pop("last")) >= NOW
    assert found.pop("pending_bytes") > 0
    assert found == {
        "destination": server.url,
        "cluster": server.uuid,
        "namespace": "test",
        "source": "app",
        "delivered": 4,
        "known": 0,
        "refused": 1,
        "pending": 2,
        "forgotten": 0,
        "gone": 0,
    }
    lines = run("status").stdout.splitlines()
    assert lines[1].split()[:2] == ["app", "7"]
    assert lines[2:4] == ["", f"Sent to {server.url} (namespace test):"]
    assert lines[4].split() == ["source", "delivered", "refused", "pending", "lag"]
    assert lines[5].split()[:4] == ["app", "4", "1", "2"]
    run("ship")
    assert run("status").stdout.splitlines()[5].split() == ["app", "6", "1", "0", "–"]
    verbose = run("status", "-v").stdout.splitlines()
    assert " ".join(verbose[5].split()).endswith("lag there already refused, deleted since deleted here since")
    assert verbose[6].split() == ["app", "6", "1", "0", "–", "0", "0", "0"]


def test_each_namespace_and_each_cluster_is_a_destination(here: Path, server: Scripted) -> None:
    run("ship")
    run("ship", "--namespace", "other")
    with Scripted(uuid="another/cluster") as second:
        run("ship", "--url", second.url)
        found = [(one["destination"], one["namespace"], one["delivered"]) for one in destinations()]
        assert found == [(server.url, "test", 5), (server.url, "other", 5), (second.url, "test", 5)]
        assert len([line for line in run("status").stdout.splitlines() if line.startswith("Sent to ")]) == 3


def test_what_is_shipped_by_path_has_a_ledger_of_its_own(here: Path, server: Scripted) -> None:
    extra = log(here, "extra.jsonl", '{"n": 1}', '{"n": 2}', "not JSON")
    server.script(Refuse({0: 400}))
    result = run("ship", extra, code=4)
    assert result.stdout == "1 event delivered. 1 was refused: `kyber logs rejected` shows why.\n"
    assert {kept.index for kept in server.documents()} == set(server.streams[stream("files", "test")])
    assert [(one["source"], one["delivered"], one["refused"]) for one in destinations()] == [("files", 1, 1)]
    assert {one["source"]: one["kept"] for one in objects("status") if "kept" in one} == {"app": 0, "files": 2}
    refused = objects("rejected")
    assert [(one["source"], one["reason"][:3], one["raw"]) for one in refused] == [
        ("files", "F41", "not JSON"),
        ("files", REASONS[400][0][:3], '{"n": 1}'),
    ]
    assert objects("rejected", "app") == []
    assert run("ship", extra).stdout == "0 events delivered.\n"
    assert objects("retry")[0]["created"] == 0
    assert objects("retry", "--files")[0]["created"] == 1
    assert [one["delivered"] for one in destinations()] == [2]


def test_following_a_path_is_no_such_thing(here: Path) -> None:
    result = run("ship", "logs/app.jsonl", "--follow", code=2)
    assert "--follow watches the sources of the workspace" in result.stderr


def test_a_path_that_is_not_there_ends_with_3_and_nothing_is_sent(here: Path, server: Scripted) -> None:
    result = run("ship", "logs/none.log", code=3)
    assert "logs/none.log" in result.stderr
    assert "nothing to read" in result.stderr
    assert server.documents() == []


# --- what was refused -------------------------------------------------------------------------------------------------


def say_in_the_ledger(here: Path, reason: str) -> None:
    """As if the server had given this reason."""
    with closing(sqlite3.connect(here / ".kyber" / "index.sqlite")) as database:
        database.execute("update refused set reason = ?", (reason,))
        database.execute("update destinations set address = ?", (ADDRESS,))
        database.commit()


def test_what_was_refused_is_shown_harmless_and_masked_with_its_reason(here: Path, server: Scripted) -> None:
    lines = [json.dumps({"@timestamp": NOW.isoformat(), "n": text}) for text in (HOSTILE, f"x\n{CODE}", "long " * 100)]
    log(here, "app.jsonl", *lines, mode="w")
    server.script(Refuse(dict.fromkeys(range(3), 400)))
    run("ship", code=4)
    say_in_the_ledger(here, f"no {HOSTILE}")
    shown = run("rejected").stdout.splitlines()
    assert len(shown) == 6
    assert shown[0] == r"Refused by \x1b]0;title\x07\x1b[31mred\u202e [bold]x[/bold] (namespace test):"
    assert shown[1] == r"  3 events (400): no \x1b]0;title\x07\x1b[31mred\u202e ******-**** [bold]x[/bold]"
    assert all(line.startswith("    app: {") and len(line) <= SHOWN + 10 for line in shown[2:5])
    assert shown[5] == "Once what is wrong has been mended, `kyber logs retry` sends these events again."
    found = objects("rejected")
    assert {one["reason"] for one in found} == {f"no {HOSTILE.replace(CODE, '******-****')}"}
    assert sorted(one["raw"] for one in found) == sorted(line.replace(CODE, "******-****") for line in lines)
    assert {(one["source"], one["status"], one["namespace"], one["day"]) for one in found} == {
        ("app", 400, "test", f"{NOW:%Y-%m-%d}")
    }
    assert {one["destination"] for one in destinations()} == {ADDRESS}
    run("status")


def test_a_code_in_a_record_that_is_no_text_is_masked_as_well(here: Path, server: Scripted) -> None:
    (here / "logs" / "app.jsonl").write_bytes(b'{"n": "\xff", "code": "\\n' + CODE.encode() + b'"}\n')
    log(here, "app.jsonl", mode="a")
    server.script(Refuse({0: 400}))
    run("ship", code=4)
    (found,) = objects("rejected")
    assert set(found) == {"source", "id", "day", "status", "destination", "namespace", "reason", "raw"}
    assert "******-****" in found["raw"]


def test_a_refused_document_that_was_tampered_with_is_shown_without_its_record(here: Path, server: Scripted) -> None:
    server.script(Refuse({0: 400}), Refuse({0: 400}))
    run("ship", code=4)
    with closing(sqlite3.connect(here / ".kyber" / "index.sqlite")) as database:
        database.execute("update refused set body = ?", (b"\xff{",))
        database.commit()
    assert [one["raw"] for one in objects("rejected")] == ["", ""]


def test_what_was_refused_is_delivered_by_retry_and_what_is_refused_again_stays(here: Path, server: Scripted) -> None:
    server.script(*[Refuse({0: 400})] * 3)
    run("ship", code=4)
    server.script(Refuse({1: 413}))
    assert run("retry", code=4).stdout == "2 events delivered. 1 was refused: `kyber logs rejected` shows why.\n"
    (left,) = objects("rejected")
    assert left["status"] == 413
    result = run("retry", "--source", "auht", code=2)
    assert "nothing is stored of a log source 'auht'; there are app" in result.stderr
    (found,) = objects("retry", "--source", "app")
    assert (found["created"], found["refused"], found["pending"]) == (1, 0, 0)
    assert objects("rejected") == []
    (found,) = destinations()
    assert (found["delivered"], found["refused"], found["forgotten"], found["gone"]) == (5, 0, 0, 0)
    assert len(server.documents()) == 5
    assert run("retry").stdout == "0 events delivered.\n"


@pytest.mark.parametrize(
    ("language", "said", "shown", "refused"),
    [
        ("fi", "4 tapahtumaa toimitettiin. 1 torjuttiin", "Toimitettu kohteeseen", "torjui (nimiavaruus test):"),
        ("sv", "4 händelser levererades. 1 avvisades", "Levererat till", "Avvisat av "),
    ],
)
def test_what_became_of_events_is_said_in_the_language_of_the_workspace(
    tmp_path: Path,
    server: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    language: str,
    said: str,
    shown: str,
    refused: str,
) -> None:
    laid_out(tmp_path / language, server.url, "test", monkeypatch, language)
    server.script(Refuse({0: 400}))
    assert run("ship", code=4).stdout.startswith(said)
    assert shown in run("status", "-v").stdout
    assert refused in run("rejected").stdout


def test_what_was_refused_is_shown_by_reason_whatever_is_of_one_document(here: Path, server: Scripted) -> None:
    log(here, "app.jsonl", *(json.dumps({"@timestamp": NOW.isoformat(), "n": n}) for n in range(5)))
    server.script(Refuse({0: 413, 1: 400, 2: 400, 3: 400, 4: 400}))
    run("ship", code=4)
    with closing(sqlite3.connect(here / ".kyber" / "index.sqlite")) as database:
        own = "'[1:' || length(body) || '] no date in document ' || char(39) || id || char(39)"
        database.execute(f"update refused set reason = {own} where status = 400")
        database.commit()
    shown = run("rejected", "--limit", 1).stdout.splitlines()
    assert shown[:2] == [f"Refused by {server.url} (namespace test):", "  4 events (400): no date in document '…'"]
    assert shown[2].startswith("    app: {")
    assert shown[3] == "    … and 3 more: --limit shows more of them."
    assert shown[4].startswith("  1 event (413): ")
    assert sorted(one["status"] for one in objects("rejected", "--limit", 1)) == [400, 413]
    assert run("rejected", "app").stdout.splitlines()[1] == shown[1]


def test_the_hint_names_the_options_that_reach_what_was_refused(here: Path, server: Scripted) -> None:
    server.script(Refuse({0: 400}))
    run("ship", "logs/app.jsonl", "--namespace", "other", code=4)
    assert "`kyber logs retry --files --namespace other`" in run("rejected").stdout
    assert "1 event delivered." in run("retry", "--files", "--namespace", "other").stdout


# --- what is forgotten ------------------------------------------------------------------------------------------------


def test_a_destination_is_forgotten_here_and_the_cluster_is_not_asked(here: Path, server: Scripted) -> None:
    server.script(Refuse({0: 400}))
    run("ship", code=4)
    run("ship", "--namespace", "other")
    run("ship", "logs/app.jsonl", "--namespace", "other")
    asked = len(server.requests)
    result = run("forget", server.url, "--namespace", "test", "--yes")
    said = f"{server.url} (cluster {server.uuid}, namespace test): delivered 4, refused 1, pending 0; last sent "
    assert result.stdout.startswith(said)
    assert result.stdout.splitlines()[1].startswith("Forgotten is what was delivered there, and what was refused")
    assert result.stdout.splitlines()[2] == "Forgotten."
    assert len(server.requests) == asked
    assert {(one["namespace"], one["source"]) for one in destinations()} == {("other", "app"), ("other", "files")}
    assert run("rejected").stdout == ""
    assert run("ship").stdout == "1 event delivered. 4 were there already.\n"
    assert len(run("forget", server.uuid, "--namespace", "other", "--yes").stdout.splitlines()) == 4
    assert {one["namespace"] for one in destinations()} == {"test"}
    assert sorted(one["kept"] for one in objects("status") if "kept" in one) == [5, 5]


def test_nothing_is_forgotten_where_it_is_not_clear_what_or_nobody_said_so(here: Path, server: Scripted) -> None:
    run("ship")
    run("ship", "--namespace", "other")
    assert "nothing was ever sent to http://x; there are http" in run("forget", "http://x", "--yes", code=2).stderr
    assert "choose one with --namespace: test, other" in run("forget", server.url, "--yes", code=2).stderr
    result = run("forget", server.url, "--namespace", "test", code=2)
    assert "--yes forgets without asking" in result.stderr
    with held(here / ".kyber" / LOCK, "somebody"):
        assert "somebody" in run("forget", server.url, "--namespace", "test", "--yes", code=3).stderr
    assert {one["namespace"] for one in destinations()} == {"test", "other"}


def test_of_two_clusters_that_were_at_one_address_one_is_named_by_its_id(here: Path, server: Scripted) -> None:
    run("ship")
    with closing(sqlite3.connect(here / ".kyber" / "index.sqlite")) as database:
        database.execute("update destinations set name = 'the old one/test'")
        database.commit()
    run("ship")
    assert f"Sent to {server.url} (cluster the old one, namespace test):" in run("status").stdout
    refused = run("forget", server.url, "--yes", code=2)
    assert f"name one of them by its id: the old one, {server.uuid}" in refused.stderr
    run("forget", "the old one", "--yes")
    assert [one["cluster"] for one in destinations()] == [server.uuid]
    assert f"Sent to {server.url} (namespace test):" in run("status").stdout


@pytest.mark.parametrize("command", ["ship", "retry", "status", "rejected", "forget", "retain"])
def test_help_says_what_the_command_is_for_and_how_it_ends(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    shown = " ".join(run(command, "--help").stdout.split())
    assert "Elasticsearch" in shown or "kyber logs ship" in shown
    if command != "status":
        assert "nds with" in shown


# --- retention --------------------------------------------------------------------------------------------------------


def test_a_cluster_that_deletes_by_itself_is_left_alone_and_what_was_refused_goes(here: Path, server: Scripted) -> None:
    server.script(Refuse({0: 400}), Refuse({0: 400}))  # the undated event, and the oldest
    run("ship", code=4)
    dry = run("retain", "--dry-run")
    assert "1 refused event would be deleted." in dry.stdout.splitlines()
    assert len(objects("rejected")) == 2
    sent = server.documents()
    result = run("retain")
    assert result.stdout.splitlines()[0].startswith("app: 2 records of ")
    assert "1 refused event deleted." in result.stdout.splitlines()
    assert f"{server.url} deletes by itself what is older than the retention of its source." in result.stderr
    assert server.documents() == sent
    assert len(objects("rejected")) == 1
    (found,) = destinations()
    assert (found["delivered"], found["refused"], found["forgotten"], found["gone"]) == (3, 1, 1, 2)
    assert {"what": "refused", "count": 1} not in objects("retain")


def test_where_the_cluster_is_away_what_is_kept_here_is_deleted_all_the_same(here: Path, server: Scripted) -> None:
    run("collect")
    with kept.open(here / ".kyber") as store:
        store.save((finding(1, first=NOW - timedelta(days=3_000)),), NOW)
    server.stop()
    result = run("retain", code=4)
    assert result.stdout.splitlines()[0].startswith("app: 2 records of ")
    assert "1 finding deleted." in result.stdout.splitlines()
    assert server.url in result.stderr
    assert run("retain", code=4).stdout.splitlines()[0] == "0 findings deleted."


def test_files_that_were_shipped_are_told_to_be_kept_until_a_source_says_how_long(here: Path, server: Scripted) -> None:
    run("ship", "logs/app.jsonl")
    assert "files has no retention: all of it is kept." in run("retain").stderr
    text = "id: files\nname: files\nread:\n  paths: [logs/none]\n  format: json\nretention: 30 d\n"
    (here / "sources" / "files.yaml").write_text(text)
    result = run("retain")
    assert result.stdout.splitlines()[0].startswith("files: 2 records of ")
    assert len((here / ".kyber" / "files" / "deleted.jsonl").read_text().splitlines()) == 2


@pytest.fixture
def county(
    tmp_path: Path, elasticsearch: Server, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, Cluster]]:
    """A workspace that has shipped to the real server, which deletes nothing by itself; and that."""
    monkeypatch.setenv("COLUMNS", "200")
    root = laid_out(tmp_path / "county", elasticsearch.url, namespace, monkeypatch)
    run("setup")
    run("ship")
    with Cluster(Access(urls=(elasticsearch.url,))) as opened:
        yield root, opened
        for name, behind in opened.streams(every_stream(namespace)).items():  # a stream needs one index
            opened.rollover(name)
            for index in behind:
                opened._client.indices.delete(index=index)
        opened._client.indices.delete(index=alerts(namespace), ignore_unavailable=True)


def test_retention_deletes_events_and_alerts_in_a_cluster_that_does_not(
    county: tuple[Path, Cluster], namespace: str
) -> None:
    here, cluster = county
    index = alerts(namespace)
    for identity, days in (("old", 2_000), ("new", 1)):
        time = (NOW - timedelta(days=days)).isoformat()
        lines = [{"index": {"_index": index, "_id": identity}}, {"@timestamp": time, "event": {"id": identity}}]
        assert [one.status for one in cluster.bulk([json.dumps(one).encode() for one in lines])] == [201]
    names = (every_stream(namespace), index)
    for name in names:
        cluster.refresh(name)
    dry = run("retain", "--dry-run").stdout.splitlines()
    old = [(NOW - timedelta(days=days)).date() for days in (400, 40, 2_000)]
    there = [
        f"{index} ({cluster.name}): 1 record of {old[2]} to {old[2]} would be deleted.",
        f"app ({cluster.name}): 2 records of {old[0]} to {old[1]} would be deleted.",
    ]
    assert dry[-2:] == there
    assert [cluster.count(name) for name in names] == [5, 2]
    settings = (here / "kyber.yaml").read_text()
    (here / "kyber.yaml").write_text("organisation: County\nlanguage: en\n")
    named = ("retain", "--dry-run", "--url", cluster.name)
    assert run(*named, "--namespace", namespace).stdout.splitlines()[-2:] == there  # as shipping is told where to
    assert cluster.name not in run(*named, "--namespace", "another").stdout
    (here / "kyber.yaml").write_text(settings)
    assert not (here / ".kyber" / "deleted.jsonl").exists()
    found = [one for one in objects("retain") if "destination" in one]
    assert [(one["what"], one["source"], one["day"], one["rows"]) for one in found] == [
        ("events", "app", str(old[0]), 1),
        ("events", "app", str(old[1]), 1),
        (ALERTS, index, str(old[2]), 1),
    ]
    for name in names:
        cluster.refresh(name)
    assert [cluster.count(name) for name in names] == [3, 1]
    recorded = [json.loads(line) for line in (here / ".kyber" / "deleted.jsonl").read_text().splitlines()]
    assert [one.get("destination") for one in recorded] == [None, None, *[cluster.name] * 3]
    assert [{key: one[key] for key in ("source", "day", "rows", "sha256")} for one in recorded[2:]] == [
        {key: one[key] for key in ("source", "day", "rows", "sha256")} for one in found
    ]
    assert [one for one in objects("retain") if "destination" in one] == []
    assert run("ship").stdout == "0 events delivered.\n"  # what was deleted does not come back
