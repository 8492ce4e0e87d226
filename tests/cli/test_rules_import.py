"""`kyber rules import`: a checkout of rules, what is copied of it, and what never is."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from kyber.logs.sigma.importing import digest
from tests.cli.run import kyber
from tests.data import unpacked

RULE = """title: {title}
id: {id}
status: {status}
author: Somebody Else
date: 2024-01-31
tags:
    - attack.t1059.001
logsource:
    product: {product}
    category: {category}
detection:
    selection:
        Image|endswith: '\\{title}.exe'   # as it is written
    condition: selection
level: {level}
"""
KEY = "kyber:\n  family: security\n"


def rule(title: str, **changes: str) -> str:
    said = {"status": "test", "product": "windows", "category": "process_creation", "level": "high"}
    return RULE.format(title=title, id=uuid5(NAMESPACE_URL, title), **{**said, **changes})


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Rules of somebody else, with their licence."""
    folder = tmp_path / "Some Rules"
    (folder / "rules" / "windows").mkdir(parents=True)
    (folder / "rules" / "linux").mkdir()
    (folder / "LICENSE").write_text("Do as you like.\n", encoding="utf-8")
    for text, name in (
        (rule("one"), "windows/one.yml"),
        (rule("two", level="low"), "windows/two.yml"),
        (rule("three", status="experimental"), "windows/three.yml"),
        (rule("four", product="linux", category="x"), "linux/four.yml"),
    ):
        (folder / "rules" / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def here(county: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(county)
    return county


def imported(*arguments: object) -> dict[str, Any]:
    """What an import says as JSON."""
    result = kyber("rules", "import", *arguments, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def fates(said: dict[str, Any]) -> dict[str, str]:
    return {one["title"]: one["fate"] for one in said["rules"]}


def test_the_chosen_rules_are_copied_as_they_are_but_for_their_family(here: Path, elsewhere: Path) -> None:
    said = imported(elsewhere, "--product", "windows", "--level", "medium", "--status", "test", "--yes")
    assert fates(said) == {"one": "new"}
    folder = here / "rules" / "imported" / "some-rules"
    written = {file.relative_to(folder).as_posix(): file.read_text() for file in folder.rglob("*") if file.is_file()}
    assert written.pop("IMPORTED.txt").count("\n") == 9
    assert written == {"rules/windows/one.yml": rule("one") + KEY, "LICENSE": "Do as you like.\n"}
    found = json.loads(kyber("rules", "list", "one.yml", "--json").stdout)
    assert (found["author"], found["family"], found["file"]) == (
        "Somebody Else",
        "security",
        "rules/imported/some-rules/rules/windows/one.yml",
    )


def test_without_yes_nothing_is_written_and_it_is_said_what_would_be(here: Path, elsewhere: Path) -> None:
    result = kyber("rules", "import", elsewhere)
    assert result.exit_code == 0
    assert "4 rules were read" in result.stdout
    assert "4 new" in result.stdout  # and a licence
    assert "Nothing was written. With --yes, the files go to rules/imported/some-rules." in result.stderr
    assert not (here / "rules" / "imported").exists()


def test_it_says_of_each_rule_whether_it_could_run_here_and_what_it_lacks(here: Path, elsewhere: Path) -> None:
    extra = rule("five").replace("Image|endswith: '\\five.exe'", "User|expand: '%nobody%'")
    (elsewhere / "rules" / "five.yml").write_text(extra, encoding="utf-8")
    (elsewhere / "rules" / "six.yml").write_text(rule("six", product="macos"), encoding="utf-8")
    (elsewhere / "rules" / "seven.yml").write_text(rule("seven").replace("endswith", "endwith"), encoding="utf-8")
    found = {one["title"]: (one["status"], one["reason"]) for one in imported(elsewhere)["rules"]}
    assert found["five"] == ("unable", "placeholder")
    assert found["six"] == ("blind", "no-source")
    assert found["seven"] == ("unable", "unreadable")
    assert found["one"] == ("unknown", "")
    shown = kyber("rules", "import", elsewhere).stdout
    assert "no active source of the register has product:macos" in shown
    assert "the watch list nobody is not in the workspace" in shown


def test_fields_that_no_table_has_are_told(here: Path, elsewhere: Path) -> None:
    text = rule("four", product="linux", category="process_creation").replace("Image|", "Imagee|")
    (elsewhere / "rules" / "linux" / "four.yml").write_text(text, encoding="utf-8")
    assert [(Path(one["file"]).name, one["line"], one["field"]) for one in imported(elsewhere)["fields"]] == [
        ("four.yml", 13, "Imagee")
    ]


def test_a_second_import_brings_what_is_new_and_leaves_what_was_altered_by_hand(here: Path, elsewhere: Path) -> None:
    imported(elsewhere, "--yes")
    target = here / "rules" / "imported" / "some-rules" / "rules"
    (target / "windows" / "one.yml").write_text(rule("one") + "# ours\n", encoding="utf-8")
    (target / "windows" / "two.yml").unlink()
    for name in ("one", "three"):
        (elsewhere / "rules" / "windows" / f"{name}.yml").write_text(rule(name, level="critical"), encoding="utf-8")
    (elsewhere / "rules" / "linux" / "four.yml").unlink()
    (elsewhere / "rules" / "five.yml").write_text(rule("five"), encoding="utf-8")
    said = imported(elsewhere, "--yes")
    assert fates(said) == {"one": "altered", "two": "removed", "three": "updated", "five": "new"}
    assert said["others"] == ["rules/linux/four.yml"]
    assert (target / "windows" / "one.yml").read_text() == rule("one") + "# ours\n"
    assert not (target / "windows" / "two.yml").exists()
    assert (target / "windows" / "three.yml").read_text() == rule("three", level="critical") + KEY
    assert (target / "linux" / "four.yml").read_text() == rule("four", product="linux", category="x") + KEY
    assert (target / "five.yml").is_file()
    again = kyber("rules", "import", elsewhere, "--yes")
    assert "0 new, 0 updated, 2 unchanged, 1 altered by hand, 1 removed by hand" in again.stdout
    assert "rules/windows/one.yml" in again.stdout


def test_a_licence_is_no_rule_that_came_earlier(here: Path, elsewhere: Path) -> None:
    first = kyber("rules", "import", elsewhere, "--product", "windows", "--yes")
    assert "3 new" in first.stdout
    assert "3 files were written" in first.stderr
    (elsewhere / "LICENSE").unlink()
    assert imported(elsewhere, "--product", "linux", "--yes")["others"] == [
        f"rules/windows/{name}.yml" for name in ("one", "three", "two")
    ]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_where_no_rule_fits_the_choice_it_is_said_and_nothing_of_earlier_imports(
    here: Path, elsewhere: Path, form: list[str]
) -> None:
    imported(elsewhere, "--yes")
    result = kyber("rules", "import", elsewhere, "--technique", "T9999", "--yes", *form)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "fits the choice" in result.stderr
    assert "four.yml" not in result.stderr


def test_what_is_here_already_is_told_and_not_copied(here: Path, elsewhere: Path) -> None:
    (here / "rules" / "own.yml").write_text(rule("one", level="low"), encoding="utf-8")
    said = imported(elsewhere, "--yes")
    assert [(one["file"], one["there"]) for one in said["present"]] == [("rules/windows/one.yml", "rules/own.yml")]
    assert "one" not in fates(said)
    assert kyber("check").exit_code == 0


def test_the_record_says_where_rules_came_from_and_sha256sum_reads_it(
    here: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    git = ["git", "-C", str(elsewhere), "-c", "user.name=A", "-c", "user.email=a@b.example"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "rules"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    # Of a folder in a checkout, the licence is that of the checkout.
    said = imported(elsewhere / "rules" / "windows", "--yes", "--level", "high")
    assert (said["commit"], said["licences"], said["unlicensed"]) == (commit, ["LICENSE"], 2)
    folder = here / "rules" / "imported" / "some-rules"
    text = (folder / "IMPORTED.txt").read_text()
    assert f"# from: {elsewhere / 'rules' / 'windows'}\n# commit: {commit}\n# date: 20" in text
    assert "# chosen by: --level high --status experimental\n# licence: LICENSE\n" in text
    run = subprocess.run(["sha256sum", "-c", "IMPORTED.txt"], cwd=folder, capture_output=True, text=True, check=True)
    assert run.stdout == "LICENSE: OK\none.yml: OK\nthree.yml: OK\n"


@pytest.mark.parametrize("sign", ["\u2028", "\x85", "\f", "\n", "\r", "\x1b]0;", "\\"])
def test_no_name_of_a_licence_forges_a_line_of_the_record(here: Path, elsewhere: Path, sign: str) -> None:
    theirs = elsewhere / "rules" / "linux"
    imported(theirs, "--yes")
    folder = here / "rules" / "imported" / "linux"
    own = folder / "four.yml"
    own.write_text("# ours\n", encoding="utf-8")
    forged = f"LICENSE.{sign}{digest(own.read_bytes())}  {own.name}"
    (theirs / forged).write_text("x", encoding="utf-8")
    for _ in range(2):
        said = imported(theirs, "--yes")
        assert (fates(said), said["unread"]) == ({"four": "altered"}, {forged: "its name"})
        assert own.read_text(encoding="utf-8") == "# ours\n"
    assert {file.name for file in folder.iterdir()} == {"IMPORTED.txt", "four.yml"}


def test_licences_that_are_too_large_or_no_files_are_told_and_left(here: Path, elsewhere: Path) -> None:
    with (elsewhere / "LICENSE").open("wb") as stream:
        stream.truncate(2**36)  # nobody could hold it
    os.mkfifo(elsewhere / "NOTICE")
    (elsewhere / "COPYING").symlink_to(here / "kyber.yaml")
    said = imported(elsewhere, "--yes")
    assert (said["licences"], said["unread"]) == (
        [],
        {"COPYING": "not a regular file", "LICENSE": "too large", "NOTICE": "not a regular file"},
    )


def test_without_a_licence_it_is_said(here: Path, elsewhere: Path) -> None:
    (elsewhere / "LICENSE").unlink()
    shown = kyber("rules", "import", elsewhere).stdout
    assert "No file of a licence was found" in shown
    assert "4 rules name no licence of their own." in shown


def test_links_and_files_that_cannot_be_read_are_told_and_left(here: Path, elsewhere: Path) -> None:
    (elsewhere / "rules" / "link.yml").symlink_to(here / "kyber.yaml")
    (elsewhere / "rules" / "broken.yml").write_text("title: a: b", encoding="utf-8")
    said = imported(elsewhere, "--yes")
    assert said["unread"].keys() == {"rules/link.yml", "rules/broken.yml"}
    assert not list((here / "rules").rglob("link.yml"))


def test_nothing_is_written_through_a_link_in_the_workspace(here: Path, elsewhere: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (here / "rules" / "imported").symlink_to(tmp_path / "outside")
    result = kyber("rules", "import", elsewhere, "--yes")
    assert result.exit_code == 2
    assert "symbolic link" in result.stderr
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["nowhere"], 2, "is no folder"),
        (["rules"], 2, "is among the rules of the workspace already"),
        (["logs"], 3, "no rule could be read"),
        ([".", "--name", "../x"], 2, "use small letters"),
    ],
)
def test_what_cannot_be_imported_is_refused(here: Path, arguments: list[str], code: int, why: str) -> None:
    result = kyber("rules", "import", *arguments)
    assert result.exit_code == code
    assert why in result.stderr


def test_the_rules_of_sigmahq_are_chosen_and_copied_with_their_authors(here: Path) -> None:
    source = unpacked("sigma-rules.tar.gz") / "rules" / "linux"
    said = imported(source, "--level", "high", "--yes", "--name", "sigmahq")
    assert len(said["rules"]) > 30
    assert {one["level"] for one in said["rules"]} == {"high", "critical"}
    assert all(one["author"] for one in said["rules"])
    target = here / "rules" / "imported" / "sigmahq"
    for one in said["rules"]:
        assert (target / one["file"]).read_text(encoding="utf-8") == (source / one["file"]).read_text() + KEY
