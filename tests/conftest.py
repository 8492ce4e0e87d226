"""What holds for all tests: examples may be slow to make where the machine has other things to do, and no test keeps
anything in the account's own cache. Servers of Elasticsearch and a browser, for those that ask for one."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings

from tests import browser as chromium
from tests.elastic import server

# Examples of properties: enough to notice what breaks at each change; with KYBER_PROVE=1 the tests look further.
EXAMPLES = 400 if os.environ.get("KYBER_PROVE") else 30
settings.register_profile("kyber", max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kyber")

# The one thing that is kept in the account's cache is what is fetched for the tests, so this is asked before.
os.environ.setdefault(
    server.CACHE, str(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "kyber-elasticsearch")
)
os.environ.setdefault(
    chromium.CACHE, str(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "kyber-browser")
)
_CACHE = TemporaryDirectory(prefix="kyber-test-cache-")
os.environ["XDG_CACHE_HOME"] = _CACHE.name


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this test run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base


@pytest.fixture(scope="session")
def elasticsearch_installed(run_folder: Path) -> server.Installed:
    """What servers are started from. Without it the test is skipped, or fails where it is said that it is needed."""
    try:
        return server.installed(run_folder)
    except server.Missing as missing:
        if os.environ.get(server.NEEDED) == "1":
            pytest.fail(f"no Elasticsearch: {missing}", pytrace=False)
        pytest.skip(f"no Elasticsearch: {missing}")


@pytest.fixture(scope="session")
def elasticsearch(elasticsearch_installed: server.Installed, run_folder: Path) -> server.Server:
    """The Elasticsearch that all tests of a run share: use a fresh namespace, and leave it running."""
    return server.shared(run_folder)


@pytest.fixture
def elasticsearch_alone(elasticsearch_installed: server.Installed) -> Iterator[server.Server]:
    """An Elasticsearch of the test's own, that may be stopped, killed and started again. It takes long to start."""
    own = server.Server(elasticsearch_installed, f"alone-{uuid4().hex[:8]}")
    try:
        own.start()
        yield own
    finally:
        own.remove()


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test uses."""
    return f"t{uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Browser]:
    """A browser. Without one the test is skipped, or fails where it is said that it is needed."""
    try:
        opened = chromium.Browser(tmp_path_factory.mktemp("browser"))
    except chromium.Missing as missing:
        _without(str(missing))
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The script that judges pages, axe-core; the same holds without it."""
    try:
        return chromium.axe()
    except chromium.Missing as missing:
        _without(str(missing))


def _without(reason: str) -> NoReturn:
    if os.environ.get(chromium.NEEDED) == "1":
        pytest.fail(f"no browser: {reason}", pytrace=False)
    pytest.skip(f"no browser: {reason}")
