"""A real server with TLS and rights: each key has what its task needs and no more, and what it lacks is said clearly.

The roles are those of docs/elasticsearch.md. API keys cannot be made on the minimal distribution, so users with the
same rights stand for them here; test_cluster_faults.py has the keys.
"""

import json
import os
from pathlib import Path
from typing import Any, Final

import pytest
import trustme
from typer.testing import Result

from kyber.cli.console import ExitCode
from kyber.logs.store.access import Access
from kyber.logs.store.cluster import AwayError, Cluster, ClusterError
from kyber.logs.store.setup import laid
from kyber.secret import Secret
from tests.cli.run import kyber
from tests.elastic.server import Installed, Security, Server, shared
from tests.elastic.shipping import all_pages

STREAMS: Final = "logs-kyber.*"
ROLES: Final[dict[str, Any]] = {
    "kyber_setup": {
        "cluster": ["monitor", "manage_index_templates", "manage_ilm"],
        "indices": [{"names": [STREAMS], "privileges": ["manage", "manage_data_stream_lifecycle"]}],
    },
    "kyber_ship": {
        "cluster": ["monitor"],
        "indices": [{"names": [STREAMS], "privileges": ["auto_configure", "create_doc", "read", "maintenance"]}],
    },
    "kyber_scan": {
        "cluster": ["monitor"],
        "indices": [
            {"names": [STREAMS], "privileges": ["read", "view_index_metadata"]},
            {"names": ["alerts-kyber-*"], "privileges": ["auto_configure", "index", "read", "maintenance"]},
        ],
    },
}
PASSWORD: Final = "Not-to-be-shown-7b1f"
LINES: Final = 20
"""How many lines there are to be shipped."""
USERS: Final = {"setup": "kyber_setup", "ship": "kyber_ship", "scan": "kyber_scan"}


@pytest.fixture(scope="session")
def secured(elasticsearch_installed: Installed, run_folder: Path) -> Server:
    """A server with TLS of a made-up authority, and a user for each role; all processes of a run share it."""
    users = {user: (PASSWORD, role) for user, role in USERS.items()}
    return shared(run_folder, "secured", Security(users, ROLES))


def access(server: Server, user: str) -> Access:
    return Access(urls=(server.url,), username=user, password=Secret(PASSWORD), ca_file=server.authority)


@pytest.fixture
def county(tmp_path: Path, secured: Server, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with one source, whose settings name the secured server."""
    monkeypatch.setenv("KYBER_TEST_PASSWORD", PASSWORD)
    folder = tmp_path / "county"
    assert kyber("init", folder, "--language", "en").exit_code == 0
    settings(folder, secured, "ship")
    log = tmp_path / "sshd.log"
    line = "Mar  1 10:00:{0:02} jump sshd[7]: Failed password for root from 192.0.2.{0} port 22 ssh2\n"
    log.write_text("".join(line.format(second) for second in range(LINES)))
    os.utime(log, (1, 1))  # nobody writes to it any more
    return folder


def settings(folder: Path, server: Server, user: str, **more: str) -> None:
    """Let the workspace reach the server as this user."""
    file = folder / "kyber.yaml"
    text = file.read_text().partition("\nelasticsearch:")[0]
    named = {"url": server.url, "ca_file": str(server.authority), "username": user}
    named |= {"password_env": "KYBER_TEST_PASSWORD"} | more
    file.write_text(text + "\nelasticsearch:\n" + "".join(f"  {name}: {value}\n" for name, value in named.items()))


def run(folder: Path, namespace: str, *arguments: object) -> Result:
    result = kyber("logs", *arguments, "--workspace", folder, "--namespace", namespace)
    assert PASSWORD not in result.output
    assert "Traceback" not in result.output
    return result


def ship(folder: Path, namespace: str) -> Result:
    return run(folder, namespace, "ship", folder.parent / "sshd.log", "--patience", "5")


def test_setup_ship_and_scan_each_do_with_the_rights_of_their_own(
    secured: Server, county: Path, namespace: str
) -> None:
    refused = ship(county, namespace)
    assert refused.exit_code == ExitCode.UNDELIVERED, "nobody has made the cluster ready"
    settings(county, secured, "setup")
    assert run(county, namespace, "setup").exit_code == 0
    settings(county, secured, "ship")
    shipped = ship(county, namespace)
    assert shipped.exit_code == 0, shipped.output
    with Cluster(access(secured, "ship")) as cluster:
        cluster.refresh(f"{STREAMS}-{namespace}")
    with Cluster(access(secured, "scan")) as cluster:
        (stream,) = cluster.streams(f"{STREAMS}-{namespace}")
        assert cluster.count(stream) == LINES
        assert cluster.works(stream)
        assert sum(len(page) for page in all_pages(cluster, stream, source=False, size=7)) == LINES


def test_whoever_ships_or_scans_may_know_whether_the_cluster_was_made_ready(
    secured: Server, county: Path, namespace: str
) -> None:
    with Cluster(access(secured, "ship")) as ships, Cluster(access(secured, "scan")) as scans:
        assert not laid(ships, namespace)
        assert not laid(scans, namespace)
        settings(county, secured, "setup", namespace=namespace)
        assert "namespace-missing" in kyber("doctor", county, "--json").stdout
        assert run(county, namespace, "setup").exit_code == 0
        assert laid(ships, namespace)
        assert laid(scans, namespace)
    said = kyber("doctor", county, "--json").stdout
    assert '"what":"elasticsearch"' in said.replace('": "', '":"')
    assert "namespace-" not in said, "this key may not read events, and does not know how many there are"


@pytest.mark.parametrize(
    ("user", "command"), [("ship", "setup"), ("scan", "setup"), ("setup", "ship"), ("scan", "ship")]
)
def test_a_key_of_another_task_is_refused_with_what_it_lacks(
    secured: Server, county: Path, namespace: str, user: str, command: str
) -> None:
    if command == "ship":
        settings(county, secured, "setup")
        assert run(county, namespace, "setup").exit_code == 0
    settings(county, secured, user)
    refused = ship(county, namespace) if command == "ship" else run(county, namespace, "setup")
    assert refused.exit_code == ExitCode.UNDELIVERED
    assert "(403)" in refused.output
    assert "docs/elasticsearch.md" in refused.output
    assert f"is unauthorized for user [{user}]" in refused.output
    if command == "ship":
        settings(county, secured, "ship")
        shipped = ship(county, namespace)
        assert shipped.exit_code == 0, "nothing was lost"
        with Cluster(access(secured, "ship")) as cluster:
            cluster.refresh(f"{STREAMS}-{namespace}")
            assert cluster.count(f"{STREAMS}-{namespace}") == LINES


def test_a_wrong_password_is_said_and_not_shown(
    secured: Server, county: Path, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KYBER_TEST_PASSWORD", "Wrong-and-not-to-be-shown")
    for refused in (run(county, namespace, "setup", "--dry-run"), ship(county, namespace)):
        assert refused.exit_code == ExitCode.UNDELIVERED
        assert f"{secured.url} does not take the credentials (401)" in " ".join(refused.output.split())
        assert "Wrong-and-not-to-be-shown" not in refused.output


def test_an_authority_that_nobody_named_is_not_trusted_unless_it_is_said_each_time(
    secured: Server, county: Path, namespace: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    settings(county, secured, "setup", ca_file=str(other))
    for refused in (run(county, namespace, "setup", "--dry-run"), ship(county, namespace)):
        assert refused.exit_code == ExitCode.UNDELIVERED
        assert f"the certificate of {secured.url} is not trusted" in " ".join(refused.output.split())
        assert "elasticsearch.ca_file in kyber.yaml" in refused.output
    said = [run(county, namespace, "setup", "--dry-run", "--insecure") for _ in range(2)]
    assert [result.exit_code for result in said] == [0, 0]
    assert all("not verified" in result.output for result in said)


def test_rights_that_are_missing_are_never_an_empty_answer(secured: Server, namespace: str) -> None:
    index = f"alerts-kyber-{namespace}"
    stream = f"logs-kyber.web-{namespace}"
    with Cluster(access(secured, "scan")) as scan, Cluster(access(secured, "ship")) as ships:
        alert = [
            json.dumps({"index": {"_index": index, "_id": "1"}}).encode(),
            b'{"@timestamp":"2026-03-01T00:00:00Z"}',
        ]
        assert [verdict.status for verdict in scan.bulk(alert)] == [201]
        assert scan.present(index, ["1", "2"]) == {"1"}
        for asked in (
            lambda: ships.search({"query": {"match_all": {}}}, index=index),
            lambda: ships.count(index),
            lambda: ships.present(index, ["1"]),
            lambda: list(all_pages(ships, index, source=False, size=1)),
            lambda: scan.refresh(stream),
        ):
            with pytest.raises(ClusterError, match="need more rights") as raised:
                asked()
            assert not isinstance(raised.value, AwayError)
