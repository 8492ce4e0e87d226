from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from kyber.errors import WorkspaceError
from kyber.join import check_workspace
from kyber.logs.lists import load_lists
from kyber.logs.source import inputs_of, load_sources
from kyber.problem import Severity
from kyber.settings import MATRICES
from kyber.workspace import at, examine, find

TODAY = date(2026, 11, 10)
NOW = datetime(2026, 11, 10, tzinfo=UTC)
SETTINGS = "organisation: Esimerkki\nlanguage: en\n"
PEOPLE = """\
roles:
  - {id: chief, title: Chief, holders: [aino]}
  - {id: keeper, title: Keeper, holders: [eero]}
people:
  - {id: aino, name: Aino}
  - {id: eero, name: Eero, left: 2026-11-09}
"""
SOURCE = """\
id: jump
name: Jump host
purpose: To see who came
owner: chief
stored_in: here
retention: 12 months
read: {paths: [logs/*.log]}
"""


def lay_out(folder: Path, **files: str) -> Path:
    for name, text in {"kyber": SETTINGS, "people": PEOPLE, **files}.items():
        file = folder / f"{name.replace('__', '/')}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def codes(folder: Path) -> list[tuple[str, str, int]]:
    problems = check_workspace(folder, TODAY).left
    return [(problem.code, Path(problem.place.file).name, problem.place.line) for problem in problems]


def test_a_workspace_is_found_from_any_folder_in_it(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    lay_out(tmp_path)
    found = find(deep)
    assert found is not None
    assert found.root == tmp_path.resolve()
    assert found.settings.organisation == "Esimerkki"
    assert found.settings.matrix == MATRICES["5x5"]
    assert find(tmp_path) == at(tmp_path)


def test_a_folder_without_settings_is_no_workspace(tmp_path: Path) -> None:
    assert find(tmp_path) is None
    with pytest.raises(WorkspaceError, match="kyber init"):
        at(tmp_path)


def test_settings_that_cannot_be_used_are_told_of_with_their_lines(tmp_path: Path) -> None:
    lay_out(tmp_path, kyber="organisation: X\nlanguage: se\ntimezone: Mars/Base\n")
    with pytest.raises(WorkspaceError) as caught:
        at(tmp_path)
    assert "kyber.yaml:2" in str(caught.value)
    assert "kyber.yaml:3" in str(caught.value)


def test_the_rest_of_settings_with_a_mistake_still_counts(tmp_path: Path) -> None:
    lay_out(tmp_path, kyber="organisation: X\nlanguage: sv\ntimezone: Mars/Base\nmatrix: 3x3\n")
    workspace, problems = examine(tmp_path)
    assert (workspace.settings.language, workspace.settings.organisation) == ("sv", "X")
    assert workspace.settings.matrix == MATRICES["3x3"]
    assert [problem.code for problem in problems] == ["K81"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("matrix: ['12', '23']", "S02"),
        ("scales: {likelihood: [1, 12, 2, 40]}", "S03"),
        ("store: elasticsearch", "S04"),
        ("elasticsearch: {url: logs.example}", "S05"),
        ("elasticsearch: {url: 'https://me:word@logs.example'}", "S06"),
        ("elasticsearch: {url: 'https://logs.example/?key=word'}", "S06"),
        ("elasticsearch: {url: 'https://logs.example#word'}", "S06"),
        ("elasticsearch: {url: 'http://logs.example:9200'}", "S07"),
        ("elasticsearch: {url: ['https://a.example', 'https://[::1']}", "S05"),
        ("elasticsearch: {namespace: a}", "S20"),
        ("elasticsearch: {url: 'https://a.example', cloud_id: a}", "S20"),
        ("elasticsearch: {cloud_id: a, api_key_env: A, api_key_file: b}", "S21"),
        ("elasticsearch: {cloud_id: a, api_key_env: A, username: b, password_env: C}", "S21"),
        ("elasticsearch: {cloud_id: a, username: b}", "S21"),
        ("elasticsearch: {cloud_id: a, password_file: b}", "S21"),
        ("elasticsearch: {cloud_id: a, client_key_file: b}", "S22"),
        ("elasticsearch: {cloud_id: a, namespace: Prod}", "S23"),
        ("elasticsearch: {cloud_id: a, namespace: a-b}", "S23"),
        ("matrix: [[1, 2], [3]]", "K81"),
        ("matrix: [[1, 2], [3, 6]]", "K81"),
        ("matrix: ['12', '23']\nscales: {likelihood: [0]}", "K07"),
        ("authority: {huge: chief}", "K07"),
        ("authority: {major: nobody}", "K02"),
    ],
)
def test_settings_that_do_not_fit_together_are_told_of(tmp_path: Path, text: str, code: str) -> None:
    lay_out(
        tmp_path,
        kyber=f"{SETTINGS}{text}\n",
        people="roles: [{id: chief, title: C, holders: [a]}]\npeople: [{id: a, name: A}]",
    )
    assert [found[0] for found in codes(tmp_path)] == [code]


def test_a_matrix_can_be_given_as_rows_of_digits_or_of_numbers(tmp_path: Path) -> None:
    for rows in ("['12', '23']", "[[1, 2], [2, 3]]", "[12, 23]"):
        lay_out(tmp_path, kyber=f"{SETTINGS}matrix: {rows}\nscales: {{likelihood: [1]}}\n")
        assert [p.code for p in examine(tmp_path)[1]] == ([] if rows != "[12, 23]" else ["K81"])


def test_a_whole_workspace_has_nothing_to_mend(tmp_path: Path) -> None:
    people = PEOPLE.replace(", left: 2026-11-09", "")
    assert codes(lay_out(tmp_path, people=people, sources__jump=SOURCE, lists__a="admins: [x, 4625]\n")) == []


def test_ids_references_and_roles_are_checked_over_all_files(tmp_path: Path) -> None:
    lay_out(
        tmp_path,
        sources__a=SOURCE,
        sources__b=SOURCE.replace("owner: chief", "owner: nobody"),
        sources__c="id: mail\nname: Mail\nowner: eero\nretention: 1 y\n",
        lists__a="admins: [x]\n",
        lists__b="# again\nadmins: [y]\n",
    )
    assert codes(tmp_path) == [
        ("K01", "b.yaml", 2),
        ("K04", "people.yaml", 3),
        ("K01", "b.yaml", 1),
        ("K02", "b.yaml", 4),
        ("K73", "c.yaml", 1),
        ("K75", "c.yaml", 1),
        ("K03", "c.yaml", 3),
    ]


def test_a_format_that_kyber_does_not_read_is_told_of(tmp_path: Path) -> None:
    people = PEOPLE.replace(", left: 2026-11-09", "")
    source = SOURCE.replace("read: {paths: [logs/*.log]}", "read:\n  paths: [logs/*.log]\n  format: sislog")
    assert codes(lay_out(tmp_path, people=people, sources__a=source)) == [("K07", "a.yaml", 9)]


def test_a_role_and_a_person_cannot_share_an_id(tmp_path: Path) -> None:
    lay_out(tmp_path, people="roles: [{id: a, title: A, holders: [a]}]\npeople: [{id: a, name: A}]\n")
    assert [found[0] for found in codes(tmp_path)] == ["K01"]


def test_lists_of_the_same_name_are_joined(tmp_path: Path) -> None:
    lay_out(
        tmp_path, lists__a="admins: [x, y]\nids: [4625]\n", lists__b="admins: [y, z]\n", lists__c="admins: {a: b}\n"
    )
    lists, problems = load_lists(tmp_path)
    assert lists == {"admins": ("x", "y", "z"), "ids": ("4625",)}
    assert [problem.code for problem in problems] == ["K81"]


def test_a_source_leads_to_its_files_and_not_out_of_its_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside.log"
    outside.write_text("x")
    root = lay_out(tmp_path / "county", sources__jump=SOURCE.replace("logs/*.log", "logs/**/*.log"))
    (root / "logs" / "deep").mkdir(parents=True)
    for name in ("a.log", "deep/b.log", "c.txt"):
        (root / "logs" / name).write_text("x")
    (root / "logs" / "link.log").symlink_to(outside)
    (root / "logs" / "inner.log").symlink_to(root / "logs" / "a.log")
    (source,), problems = load_sources(root)
    found, wrong = inputs_of(source, root, NOW)
    assert [one.name for one in found] == [f"{root}/logs/a.log", f"{root}/logs/deep/b.log"]
    assert [problem.code for problem in wrong] == ["F04"]
    assert problems == ()


def test_a_folder_stands_for_its_files_and_a_planned_source_for_none(tmp_path: Path) -> None:
    (tmp_path / "logs [old]").mkdir()
    (tmp_path / "logs [old]" / "a.log").write_text("x")
    root = lay_out(
        tmp_path,
        sources__a=SOURCE.replace("logs/*.log", f"'{tmp_path}/logs [[]old]'"),
        sources__b=SOURCE.replace("jump", "planned") + "status: planned\n",
    )
    sources, _ = load_sources(root)
    found = [inputs_of(source, root, NOW)[0] for source in sources]
    assert [[one.path and one.path.name for one in files] for files in found] == [["a.log"], []]


def test_a_file_that_cannot_be_read_is_a_problem_and_the_rest_goes_on(tmp_path: Path) -> None:
    lay_out(tmp_path, people=PEOPLE.replace(", left: 2026-11-09", ""), sources__a="id: [", sources__b=SOURCE)
    (problem,) = check_workspace(tmp_path, TODAY).left
    assert (problem.code, problem.severity) == ("K91", Severity.ERROR)
