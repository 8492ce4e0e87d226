"""What docs/elasticsearch.md says of rights and queries, held against servers."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from kyber.logs.store.access import Access
from kyber.logs.store.cluster import Cluster
from kyber.logs.store.templates import every_stream
from tests.cli.run import kyber
from tests.elastic.server import Server
from tests.elastic.test_security import ROLES

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "docs" / "elasticsearch.md").read_text(encoding="utf-8")
WRITTEN: dict[str, Any] = {
    name: json.loads(body) for name, body in re.findall(r"<!-- role: (\w+) -->\n```json\n(.*?)^```$", TEXT, re.M | re.S)
}
QUERIES = [
    (kql, lucene.replace("\\|", "|"))
    for kql, lucene in re.findall(r"^\| [^|`]+ \| `((?:[^|]|\\\|)+)` \| `((?:[^|]|\\\|)+)` \|$", TEXT, re.M)
]


def may(roles: dict[str, Any], name: str) -> tuple[set[str], dict[str, set[str]]]:
    """What a role may do with the cluster, and with each kind of index."""
    role = roles[name]
    indices: dict[str, set[str]] = {}
    for one in role["indices"]:
        for pattern in one["names"]:
            indices.setdefault(pattern.partition("kyber")[0], set()).update(one["privileges"])
    return set(role["cluster"]), indices


@pytest.mark.parametrize("task", ["setup", "ship"])
def test_the_rights_of_a_task_are_those_it_is_tested_with(task: str) -> None:
    assert may(WRITTEN, task) == may(ROLES, f"kyber_{task}")


def test_only_the_key_that_sets_up_may_change_what_is_there_and_only_one_may_delete() -> None:
    assert WRITTEN.keys() == {"setup", "ship", "scan", "alerts", "retain"}
    for name in WRITTEN.keys() - {"setup"}:
        cluster, indices = may(WRITTEN, name)
        assert cluster == {"monitor"}
        privileges = indices["logs-"]
        assert not privileges & {"manage", "write", "index", "all", "delete_index", "create_index", "create"}
        assert ("delete" in privileges) == (name == "retain")


@pytest.fixture(scope="module")
def shipped(elasticsearch: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The pattern of the data streams that hold the samples."""
    county, name = tmp_path_factory.mktemp("document") / "county", "document"
    reach = ("--workspace", county, "--url", elasticsearch.url, "--namespace", name)
    assert kyber("init", county, "--language", "en").exit_code == 0
    assert kyber("logs", "setup", *reach).exit_code == 0
    sent = kyber("logs", "ship", ROOT / "samples", *reach)
    assert sent.exit_code == 0, sent.output
    with Cluster(Access(urls=(elasticsearch.url,))) as cluster:
        cluster.refresh(every_stream(name))
    return every_stream(name)


@pytest.mark.parametrize(("kql", "lucene"), QUERIES)
def test_a_query_for_kibana_finds_something_but_not_everything_in_the_samples(
    elasticsearch: Server, shipped: str, kql: str, lucene: str
) -> None:
    assert set(re.findall(r"[a-z_.]+(?=:)", lucene.replace("_exists_:", ""))) <= set(re.findall(r"[a-z_.]+", kql))
    with Cluster(Access(urls=(elasticsearch.url,))) as cluster:
        assert 0 < cluster.count(shipped, {"query_string": {"query": lucene}}) < cluster.count(shipped)


def test_the_document_has_queries() -> None:
    assert len(QUERIES) > 7
