"""The README's section on Elasticsearch, held against the program and a real server."""

import re
from pathlib import Path

import pytest

from tests.elastic.server import Server
from tests.test_docs import agrees, answer, normalised, parting, place, read

__all__ = ["place"]

SECTION = re.compile(r"^### With Elasticsearch\n(.*?)^##", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:9200"


def test_what_the_readme_shows_of_elasticsearch_is_what_the_commands_answer(
    place: Path,
    elasticsearch: Server,
    namespace: str,
) -> None:
    section = SECTION.search(read("README.md"))
    assert section is not None
    answer("kyber init county --language en", place, place)
    settings = place / "county" / "kyber.yaml"
    settings.write_text(
        f"{settings.read_text()}\nelasticsearch:\n  url: {elasticsearch.url}\n  namespace: {namespace}\n"
    )
    shown = 0
    for block in BLOCK.findall(section[1]):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *told = step.splitlines()
            found = [
                line.replace(elasticsearch.url, ADDRESS).replace(namespace, "default")
                for line in answer(command, place / "county", place)
            ]
            if not agrees(normalised(told), normalised(found)):
                pytest.fail(f"$ {command}\n{parting(normalised(told), normalised(found))}", pytrace=False)
            shown += 1
    assert shown >= 4
