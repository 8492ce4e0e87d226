"""`kyber today`: what is new since somebody looked, what waits, what is late; on one screen."""

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kyber import kept
from tests.cli.run import kyber
from tests.render.results import finding

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def here(example: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(example)
    with kept.open(example / ".kyber") as store:
        store.save([finding(0xAAAA << 112, group={"host.name": "varmistus1"})], NOW - HOUR)
    return example


def today(*options: object) -> dict[str, Any]:
    result = kyber("today", "--json", *options)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", root, *arguments], check=True, capture_output=True)


def test_what_was_seen_is_not_new_the_next_time(here: Path) -> None:
    first, second = today(), today()
    assert first["first"]
    assert first["problems"]
    assert [one[:4] for one in first["findings"]] == ["aaaa"]
    assert not second["first"]
    assert (second["problems"], second["findings"], second["waiting"]) == ([], [], 1)
    with kept.open(here / ".kyber") as store:
        store.save([finding(0xBBBB << 112)], datetime.now(UTC) + HOUR)
    (here / "people.yaml").write_text("roles: []\n", encoding="utf-8")
    third = today()
    assert [one[:4] for one in third["findings"]] == ["bbbb"]
    assert {"K02"} <= {one["code"] for one in third["problems"]}


def test_peeking_does_not_count_and_each_has_their_own_last_look(here: Path) -> None:
    assert today("--peek")["first"]
    assert today("--who", "security-officer")["first"]
    assert today("--peek")["first"]
    assert not today("--who", "security-officer")["first"]
    names = {file.name for file in (here / ".kyber/looked").iterdir()}
    assert len(names) == 1
    assert all(re.fullmatch(r"[0-9a-f]{16}\.json", name) for name in names)


def test_a_broken_memory_is_no_memory(here: Path) -> None:
    today()
    for file in (here / ".kyber/looked").iterdir():
        file.write_text('{"at": 3}')
    assert today()["first"]


def test_what_waits_is_that_of_whom_git_says_works_here_and_of_their_roles(here: Path) -> None:
    every = today("--peek")
    assert every["who"] is None
    people = (here / "people.yaml").read_text(encoding="utf-8")
    address = re.search(r"email: (\S+@[\w.-]+)", people)
    assert address is not None
    git(here, "init", "-q")
    git(here, "config", "user.email", address[1])
    mine = today("--peek")
    assert mine["who"]
    assert len(mine["late"]) + len(mine["due"]) < len(every["late"]) + len(every["due"])
    chosen = today("--peek", "--who", "security-officer")
    assert {one["owner"] for one in (*chosen["late"], *chosen["due"])} <= {"security-officer"} | set(holders(people))
    assert kyber("today", "--who", "nobody-such").exit_code == 2


def holders(people: str) -> list[str]:
    found = re.search(r"id: security-officer.*?holders: \[([^\]]*)\]", people, re.DOTALL)
    return [] if found is None else [one.strip() for one in found[1].split(",")]


def test_risks_that_were_changed_are_named(here: Path) -> None:
    git(here, "init", "-q")
    git(here, "config", "user.email", "x@example.org")
    git(here, "config", "user.name", "X")
    git(here, "add", ".")
    git(here, "commit", "-q", "-m", "all", "--date", "2026-01-01T00:00:00Z")
    today()
    assert len(today("--peek")["risks"]) in (0, 22)  # the commit may be of the second of the first look
    file = next((here / "risks").glob("R-007*"))
    file.write_text(file.read_text(encoding="utf-8") + "notes: Looked at again.\n", encoding="utf-8")
    assert "R-007" in today("--peek")["risks"]


def test_a_clock_that_the_law_started_comes_first(here: Path) -> None:
    noticed = datetime.now(UTC) - 2 * HOUR
    text = f"id: I-900\ntitle: A break-in\nnoticed: {noticed:%Y-%m-%dT%H:%M}+00:00\npersonal_data: true\n"
    (here / "incidents/I-900-a-break-in.yaml").write_text(text, encoding="utf-8")
    found = today("--peek")
    assert (found["clocks"][0]["regime"], found["clocks"][0]["stage"]) == ("cybersecurity-act", "first")
    assert 21 < found["clocks"][0]["hours_left"] < 23
    assert found["next"][0] == "kyber incident show I-900"


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_it_is_one_screen_in_every_language(here: Path, language: str) -> None:
    settings = here / "kyber.yaml"
    settings.write_text(re.sub(r"language: \w+", f"language: {language}", settings.read_text(encoding="utf-8")),
                        encoding="utf-8")  # fmt: skip
    for number in range(901, 906):
        text = f"id: I-{number}\ntitle: A break-in {'x' * 200}\nnoticed: {NOW - HOUR:%Y-%m-%dT%H:%M}+00:00\n"
        (here / f"incidents/I-{number}-a.yaml").write_text(text, encoding="utf-8")
    with kept.open(here / ".kyber") as store:
        store.save([finding(at << 112) for at in range(0xB000, 0xB020)], NOW)
    lines = kyber("today", "--peek").stdout.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100


def test_hostile_titles_do_not_steer_the_terminal(here: Path) -> None:
    text = f'id: I-900\ntitle: "\\e[31mA\\u202e"\nnoticed: {NOW - HOUR:%Y-%m-%dT%H:%M}+00:00\n'
    (here / "incidents/I-900-a.yaml").write_text(text, encoding="utf-8")
    shown = kyber("today", "--peek").stdout
    assert "I-900" in shown
    assert "\x1b[31mA" not in shown
    assert "\u202e" not in shown


def test_an_empty_workspace_has_nothing_to_say(tmp_path: Path) -> None:
    assert kyber("init", "--empty", tmp_path / "new", "--language", "en").exit_code == 0
    lines = kyber("today", "--workspace", tmp_path / "new").stdout.splitlines()
    assert "No new findings" in lines
    assert len(lines) < 12
