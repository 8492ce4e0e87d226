import json
from pathlib import Path
from typing import Any

import pytest

from kyber.duration import Duration
from kyber.logs.store.access import Access
from kyber.logs.store.cluster import Cluster
from kyber.logs.store.setup import carry_out, plan
from kyber.logs.store.templates import own_template, stream
from kyber.problem import Place
from tests.cli.run import kyber
from tests.elastic.scripted import Scripted, Status
from tests.elastic.server import Server

AT = Place("kyber.yaml", 1)
BARE = frozenset({"", "_ilm", "_data_stream", "_delete_by_query", "_query"})


def changes(server: Scripted) -> list[str]:
    """What was asked for that changes something, but searches."""
    return [
        f"{one.method} {one.path}"
        for one in server.requests
        if one.method in ("PUT", "DELETE") or one.endpoint in ("_rollover",)
    ]


DONE = "Done. Next: kyber logs ship\n"


def setup(county: Path, server: Any, *options: str) -> Any:
    return kyber("logs", "setup", "--workspace", county, "--url", server.url, *options)


def retention(county: Path, source: str, text: str | None) -> None:
    file = county / "sources" / f"{source}.yaml"
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("retention:")]
    file.write_text("\n".join([*lines, *([f"retention: {text}"] if text else [])]) + "\n", encoding="utf-8")


def test_setup_lays_down_what_is_missing_and_the_second_time_nothing(county: Path) -> None:
    with Scripted() as server:
        first = setup(county, server)
        assert first.exit_code == 0, first.output
        laid = changes(server)
        assert "PUT /_component_template/kyber-logs" in laid
        assert "PUT /_index_template/kyber-alerts-default" in laid
        assert server.put["/_index_template/kyber-logs-backup-default"]["template"] == {
            "lifecycle": {"enabled": True, "data_retention": "366d"}
        }
        assert "backup: logs-kyber.backup-default, 366 days (12 months)" in first.output
        assert "Months are reckoned" in first.output
        second = setup(county, server)
        assert second.exit_code == 0
        assert "Nothing to do" in second.output
        assert changes(server) == laid


def test_a_dry_run_shows_the_same_and_changes_nothing(county: Path) -> None:
    with Scripted() as server:
        shown = setup(county, server, "--dry-run")
        assert shown.exit_code == 0
        assert changes(server) == []
        done = setup(county, server)
        assert shown.output.endswith("Nothing was changed (--dry-run).\n")
        assert done.output.endswith(DONE)
        assert shown.output.removesuffix("Nothing was changed (--dry-run).\n") == done.output.removesuffix(DONE)


def test_what_somebody_changed_is_shown_and_set_right(county: Path) -> None:
    with Scripted() as server:
        setup(county, server)
        server.put["/_index_template/kyber-logs-backup-default"]["template"]["lifecycle"]["data_retention"] = "1d"
        found = setup(county, server)
        assert "~ index template kyber-logs-backup-default is changed" in found.output
        assert "template.lifecycle.data_retention: 1d → 366d" in found.output
        assert "Nothing to do" in setup(county, server).output


def test_a_source_that_is_kept_without_an_end_from_now_on_loses_its_own_template(county: Path) -> None:
    with Scripted() as server:
        setup(county, server)
        retention(county, "backup", None)
        found = setup(county, server)
        assert "- index template kyber-logs-backup-default is removed" in found.output
        assert "/_index_template/kyber-logs-backup-default" not in server.put
        assert "Nothing to do" in setup(county, server).output


def test_without_the_lifecycle_of_data_streams_policies_delete(county: Path) -> None:
    with Scripted(lacks=frozenset({"_data_stream"})) as server:
        assert setup(county, server).exit_code == 0
        assert server.put["/_ilm/policy/kyber-logs-366d"]["policy"]["phases"]["delete"]["min_age"] == "366d"
        own = server.put["/_index_template/kyber-logs-backup-default"]["template"]
        assert own == {"settings": {"index": {"lifecycle": {"name": "kyber-logs-366d"}}}}
        assert "Nothing to do" in setup(county, server).output


def test_where_the_cluster_deletes_nothing_it_says_who_does(county: Path) -> None:
    with Scripted(lacks=BARE) as server:
        found = setup(county, server)
        assert found.exit_code == 0
        assert "S24" in found.output
        assert "kyber logs retain" in found.output
        assert "/_index_template/kyber-logs-backup-default" not in server.put


def test_setup_as_json_says_what_the_cluster_can_do_and_each_step(county: Path) -> None:
    with Scripted() as server:
        head, *steps = (json.loads(line) for line in setup(county, server, "--json").stdout.splitlines())
        assert (head["keeping"], head["version"], head["esql"], head["dry_run"]) == ("lifecycle", "9.5.0", True, False)
        assert {step["action"] for step in steps} == {"make"}
        assert all(step["body"] for step in steps)
        (again,) = setup(county, server, "--json").stdout.splitlines()
        assert json.loads(again) == head


def test_nothing_is_changed_where_a_source_cannot_be_read(county: Path) -> None:
    (county / "sources" / "backup.yaml").write_text("id: backup\nname: Backup\nretention: soon\n", encoding="utf-8")
    with Scripted() as server:
        found = setup(county, server)
        assert found.exit_code == 1
        assert "retention" in found.output
        assert server.requests == []


def test_two_sources_of_one_data_stream_are_named(county: Path) -> None:
    (county / "sources" / "second.yaml").write_text("id: Back-Up\nname: X\n", encoding="utf-8")
    (county / "sources" / "third.yaml").write_text("id: back.up\nname: X\n", encoding="utf-8")
    with Scripted() as server:
        found = setup(county, server)
        assert found.exit_code == 2
        assert "'Back-Up' and 'back.up'" in found.output
        assert changes(server) == []


def test_a_cluster_that_is_away_or_refuses_ends_it_with_4_and_one_clear_line(county: Path) -> None:
    server = Scripted()
    with server:
        server.script(Status(403), endpoint="_component_template")
        refused = setup(county, server)
        assert refused.exit_code == 4
        assert "docs/elasticsearch.md" in refused.output
    away = setup(county, server)
    assert away.exit_code == 4
    assert "nobody listens" in away.output


def test_a_workspace_without_a_cluster_says_what_to_add(county: Path) -> None:
    found = kyber("logs", "setup", "--workspace", county)
    assert found.exit_code == 2
    assert "elasticsearch" in found.output


@pytest.mark.parametrize("namespace", ["Default", "a-b", "*", "a b", ""])
def test_a_namespace_that_cannot_be_part_of_a_name_is_refused(county: Path, namespace: str) -> None:
    with Scripted() as server:
        found = setup(county, server, "--namespace", namespace)
        assert found.exit_code == (0 if namespace == "" else 2)


def test_clear_text_to_another_machine_takes_an_option_and_no_verification_is_said_each_time(county: Path) -> None:
    found = kyber("logs", "setup", "--workspace", county, "--url", "http://logs.invalid:9200")
    assert found.exit_code == 2
    assert "--allow-plaintext" in found.output
    with Scripted() as server:
        assert "is not verified" in setup(county, server, "--insecure").output
        assert "is not verified" not in setup(county, server).output


def test_secrets_are_found_where_the_settings_say_and_never_shown(
    county: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Scripted(keys={"ApiKey hunter2": frozenset({"", "_data_stream"})}) as server:
        with (county / "kyber.yaml").open("a", encoding="utf-8") as stream_:
            stream_.write(f"elasticsearch: {{url: '{server.url}', api_key_env: KYBER_ES_KEY}}\n")
        missing = kyber("logs", "setup", "--workspace", county)
        assert missing.exit_code == 2
        assert "$KYBER_ES_KEY" in missing.output
        monkeypatch.setenv("KYBER_ES_KEY", "hunter2")
        refused = kyber("logs", "setup", "--workspace", county)
        assert refused.exit_code == 4
        assert "403" in refused.output
        monkeypatch.setenv("KYBER_ES_KEY", "hunter3")
        wrong = kyber("logs", "setup", "--workspace", county)
        assert "401" in wrong.output
        assert "hunter" not in missing.output + refused.output + wrong.output


# --- data streams that there are ------------------------------------------------------------------------------------


def write(cluster: Cluster, name: str) -> None:
    lines = [json.dumps({"create": {"_index": name}}).encode(), b'{"@timestamp": "2026-11-10T00:00:00Z"}']
    assert [one.status for one in cluster.bulk(lines, into_streams=True)] == [201]


def test_a_data_stream_that_there_is_learns_how_long_it_is_kept() -> None:
    with Scripted() as server, Cluster(Access(urls=(server.url,))) as cluster:
        write(cluster, stream("web", "n"))
        kept: dict[str, Duration | None] = {"web": Duration.parse("30 d")}

        def told() -> Any:
            steps = [one for one in plan(cluster, kept, "n", AT).steps if one.action == "keep"]
            for step in steps:
                carry_out(cluster, step)
            return [step.body for step in steps]

        assert told() == [{"data_retention": "30d"}]
        assert told() == []
        kept["web"] = None
        assert told() == [{"data_retention": None}]
        assert told() == []
        kept.clear()  # not in the register any more: it keeps what it was told last
        assert told() == []


def test_a_limit_of_the_cluster_that_is_shorter_than_the_register_is_told_of() -> None:
    with Scripted() as server, Cluster(Access(urls=(server.url,))) as cluster:
        write(cluster, stream("web", "n"))
        path = f"/_data_stream/{stream('web', 'n')}/_lifecycle"
        for effective, expected in (("30d", []), ("720h", []), ("29d", ["S25"]), ("1h", ["S25"])):
            server.put[path] = {"data_retention": "30d", "effective_retention": effective}
            found = plan(cluster, {"web": Duration.parse("30 d")}, "n", AT)
            assert [one.code for one in found.problems] == expected


def test_a_real_cluster_is_made_ready_once_and_its_data_streams_get_the_mapping_of_now(
    county: Path, elasticsearch: Server, namespace: str
) -> None:
    with Cluster(Access(urls=(elasticsearch.url,))) as cluster:
        old = {"index_patterns": [f"logs-kyber.*-{namespace}"], "data_stream": {}, "priority": 210}
        cluster.put("template", f"old-{namespace}", old)
        name = stream("backup", namespace)
        write(cluster, name)
        first = setup(county, elasticsearch, "--namespace", namespace)
        assert first.exit_code == 4, first.output  # the other template comes first
        cluster.remove("template", f"old-{namespace}")
        second = setup(county, elasticsearch, "--namespace", namespace)
        assert second.exit_code == 0, second.output
        assert f"data stream {name} begins a new index" in second.output
        third = setup(county, elasticsearch, "--namespace", namespace)
        assert "Nothing to do" in third.output
        *_, newest = cluster.streams(name)[name]
        written = cluster.indices(newest)[newest]
        assert written["settings"]["index"]["mode"] == "standard"
        assert written["mappings"]["dynamic"] == "false"
        assert cluster.get("template", f"kyber-logs*-{namespace}").keys() == {f"kyber-logs-{namespace}"}


def test_the_template_of_one_source_can_go_while_its_data_stream_is_there(
    county: Path, elasticsearch: Server, namespace: str
) -> None:
    setup(county, elasticsearch, "--namespace", namespace)
    with Cluster(Access(urls=(elasticsearch.url,))) as cluster:
        own = {
            "index_patterns": [stream("backup", namespace)],
            "data_stream": {},
            "composed_of": ["kyber-logs"],
            "priority": 300,
        }
        cluster.put("template", own_template("backup", namespace), own)
        write(cluster, stream("backup", namespace))
        found = setup(county, elasticsearch, "--namespace", namespace)
        assert found.exit_code == 0, found.output
        assert "is removed" in found.output
        assert cluster.get("template", own_template("backup", namespace)) == {}
