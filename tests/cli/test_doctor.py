import json
import re
import tomllib
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pytest

from kyber.cli.doctor import EXTRAS, REQUIRED, State, examine
from kyber.logs.store.access import Access
from kyber.logs.store.cluster import Cluster
from tests.cli.run import kyber
from tests.elastic.scripted import EVERYTHING, Scripted

ROOT = Path(__file__).parent.parent.parent
NOW = datetime(2026, 11, 10, tzinfo=UTC)


def test_doctor_finds_the_example_in_order(county: Path) -> None:
    result = kyber("doctor", county)
    assert result.exit_code == 0, result.output
    assert "the log source backup" in result.output
    lines = [json.loads(line) for line in kyber("doctor", county, "--json").output.splitlines()]
    assert {"python", "package", "workspace", "source", "rules"} <= {line["what"] for line in lines}
    assert all((line["cure"] is None) == (line["state"] == "ok") for line in lines)


def test_doctor_tells_what_is_missing_and_how_to_mend_it(county: Path) -> None:
    (county / "logs" / "backup" / "backup.log").unlink()
    with (county / "kyber.yaml").open("a", encoding="utf-8") as stream:
        stream.write("elasticsearch: {url: 'http://127.0.0.1:1', api_key_env: NO_SUCH, ca_file: none.pem}\n")
    states = {(line.what, line.state) for line in examine(county, datetime(2025, 1, 1, tzinfo=UTC), {})}
    assert {
        ("source-empty", State.WARNING),
        ("no-elasticsearch", State.WARNING),
        ("no-secret", State.MISSING),
        ("clock-behind", State.WARNING),
    } <= states
    result = kyber("doctor", county)
    assert result.exit_code == 1
    assert "$NO_SUCH" in result.output


def test_doctor_says_whether_the_cluster_answers_and_understands(county: Path) -> None:
    with Scripted(keys={"ApiKey a": EVERYTHING}) as server:
        settings = (county / "kyber.yaml").read_text(encoding="utf-8")
        for credentials, expected in (("", "no-elasticsearch"), (", api_key_file: key", "elasticsearch")):
            (county / "key").write_text("a\n", encoding="utf-8")
            (county / "key").chmod(0o600)
            found = f"{settings}elasticsearch: {{url: '{server.url}'{credentials}}}\n"
            (county / "kyber.yaml").write_text(found, encoding="utf-8")
            lines = {line.what: line for line in examine(county, NOW, {}) if "elasticsearch" in line.what}
            assert lines.keys() == {expected}
            assert ("401" if expected.startswith("no") else "9.5.0") in str(lines[expected].facts)


def test_doctor_says_what_the_cluster_lacks_until_events_are_there(county: Path) -> None:
    with Scripted() as server:
        with (county / "kyber.yaml").open("a", encoding="utf-8") as stream:
            stream.write(f"elasticsearch: {{url: '{server.url}', namespace: ward}}\n")

        def said() -> dict[str, State]:
            lines = [line for line in examine(county, NOW, {}) if line.what.startswith(("elastic", "namespace"))]
            assert all(str(line.facts["streams"]) == "logs-kyber.*-ward" for line in lines[1:])
            return {line.what: line.state for line in lines}

        assert said() == {"elasticsearch": State.OK, "namespace-missing": State.WARNING}
        assert "`kyber logs setup`" in kyber("doctor", county).output
        assert kyber("logs", "setup", "--workspace", county).exit_code == 0
        assert said() == {"elasticsearch": State.OK, "namespace-empty": State.NOTE}
        with Cluster(Access(urls=(server.url,))) as cluster:
            cluster.bulk([b'{"create": {"_index": "logs-kyber.a-ward", "_id": "1"}}', b"{}"])
        assert said() == {"elasticsearch": State.OK}


def test_doctor_takes_no_missing_right_for_something_missing(county: Path) -> None:
    keys = {"ApiKey a": frozenset({"", "_ilm", "_data_stream", "_delete_by_query", "_query"})}
    with Scripted(keys=keys) as server:
        (county / "key").write_text("a\n", encoding="utf-8")
        (county / "key").chmod(0o600)
        with (county / "kyber.yaml").open("a", encoding="utf-8") as stream:
            stream.write(f"elasticsearch: {{url: '{server.url}', api_key_file: key}}\n")
        lines = [line for line in examine(county, NOW, {}) if "elastic" in line.what or "namespace" in line.what]
        assert [(line.what, line.state) for line in lines] == [("elasticsearch", State.OK)]


def test_doctor_works_without_a_workspace_and_with_a_broken_one(tmp_path: Path) -> None:
    assert kyber("doctor", tmp_path).exit_code == 0
    (tmp_path / "kyber.yaml").write_text("language: xx\n", encoding="utf-8")
    assert ("settings", State.MISSING) in {(line.what, line.state) for line in examine(tmp_path, NOW, {})}
    assert kyber("doctor", tmp_path).exit_code == 1


def test_doctor_looks_for_the_packages_that_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    def names(requirements: list[str]) -> tuple[str, ...]:
        return tuple(re.split(r"[<>=\[]", requirement)[0] for requirement in requirements)

    extras = {extra: names(wanted) for extra, wanted in project["optional-dependencies"].items() if extra != "dev"}
    assert names(project["dependencies"]) == REQUIRED
    assert extras == EXTRAS


@pytest.mark.parametrize(
    ("installed", "usable", "expected"),
    [
        (None, False, ("no-extension", State.NOTE)),
        ("0.0.1", False, ("other-extension", State.WARNING)),
        ("0.1.0", True, ("package", State.OK)),
    ],
)
def test_doctor_says_whether_json_is_read_fast(
    monkeypatch: pytest.MonkeyPatch, installed: str | None, usable: bool, expected: tuple[str, State]
) -> None:
    def version(name: str) -> str:
        if name == "kyber-columns" and installed is None:
            raise metadata.PackageNotFoundError(name)
        return installed if name == "kyber-columns" and installed else "1"

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr("kyber.logs.native.native", object() if usable else None)
    lines = [line for line in examine(ROOT, NOW, {}) if line.facts.get("name") == "kyber-columns"]
    assert [(line.what, line.state) for line in lines] == [expected]
