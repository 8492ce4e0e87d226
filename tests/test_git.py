from pathlib import Path

import pytest

from kyber.git import changed, commits, files_at, head, removed_names, texts, used_names
from tests.risks.county import git


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A workspace in a folder of a repository: a file with a name of its own, changed once, and one taken out."""
    folder = tmp_path / "county"
    (folder / "risks").mkdir(parents=True)
    git(tmp_path, "init", "-q")
    (folder / "risks" / "R-001 ä.yaml").write_text("one\n")
    (folder / "risks" / "R-002.yaml").write_text("gone\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "First | with marks \x1f")
    (folder / "risks" / "R-001 ä.yaml").write_text("two\n")
    (folder / "risks" / "R-002.yaml").unlink()
    git(tmp_path, "commit", "-qam", "Second")
    return folder


def test_commits_come_with_their_files_as_the_workspace_names_them(here: Path) -> None:
    first, second = commits(here, "risks")
    assert set(first.files) == {"risks/R-001 ä.yaml", "risks/R-002.yaml"}
    assert (second.author, second.subject, set(second.files)) == ("Eero", "Second", set(first.files))
    assert first.time <= second.time
    assert second.id == head(here)


def test_texts_are_those_of_each_commit_and_none_where_there_was_no_file(here: Path) -> None:
    first, second = (one.id for one in commits(here, "risks"))
    wanted = [(first, "risks/R-001 ä.yaml"), (second, "risks/R-002.yaml"), (second, "risks/R-001 ä.yaml")]
    assert list(texts(here, wanted)) == [b"one\n", None, b"two\n"]


def test_names_that_were_used_and_those_that_were_taken_out_are_known(here: Path) -> None:
    assert used_names(here, "risks") == {"risks/R-001 ä.yaml", "risks/R-002.yaml"}
    assert removed_names(here, "risks") == {"risks/R-002.yaml"}


def test_what_is_not_committed_is_a_change(here: Path) -> None:
    assert changed(here, "risks/*.yaml") == ()
    (here / "risks" / "R-003.yaml").write_text("three\n")
    (here / "risks" / "R-001 ä.yaml").write_text("three\n")
    assert changed(here, "risks/*.yaml") == ("risks/R-001 ä.yaml", "risks/R-003.yaml")
    (here / "risks" / "R-001 ä.yaml").unlink()
    assert changed(here, "risks/R-001*") == ("risks/R-001 ä.yaml",)


def test_a_name_of_a_commit_is_looked_up_and_an_option_is_none(here: Path) -> None:
    known = files_at(here, "HEAD~1", "risks")
    assert known is not None
    assert set(known[1]) == {"risks/R-001 ä.yaml", "risks/R-002.yaml"}
    assert [files_at(here, name, "risks") for name in ("nothing", "--all", "", "HEAD:risks")] == [None] * 4


def test_where_there_is_no_repository_there_is_no_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert (head(tmp_path), commits(tmp_path, "risks"), used_names(tmp_path, "risks")) == (None, (), frozenset())
    assert list(texts(tmp_path, [("HEAD", "a")])) == [None]


def test_where_there_is_no_git_there_is_no_history(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert (head(here), commits(here, "risks")) == (None, ())
    assert list(texts(here, [("HEAD", "a")])) == [None]
