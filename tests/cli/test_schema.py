import json
import re
from pathlib import Path

from kyber.join import MODELS
from tests.cli.run import kyber


def test_schema_lists_shows_and_writes(tmp_path: Path) -> None:
    assert all(name in kyber("schema").output for name in MODELS)
    assert json.loads(kyber("schema", "source").output)["title"] == "kyber source"
    assert kyber("schema", "-o", tmp_path / "out").exit_code == 0
    written = {file.name for file in (tmp_path / "out").iterdir()}
    assert written == {f"{name}.schema.json" for name in MODELS}
    assert kyber("schema", "nonsense").exit_code == 2


def test_a_name_stands_apart_from_the_files_it_is_for() -> None:
    lines = [line.split() for line in kyber("schema").output.splitlines()]
    assert lines == [[name, model.glob] for name, model in MODELS.items()]


def test_schemas_are_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "people.schema.json").symlink_to(tmp_path / "mine")
    result = kyber("schema", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "people.schema.json is a symbolic link" in result.stderr
    assert (tmp_path / "mine").read_text(encoding="utf-8") == "mine"
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["people.schema.json"]


def test_schemas_are_written_into_a_folder_that_is_itself_named_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    for _ in range(2):
        assert kyber("schema", "people", "-o", tmp_path / "link").exit_code == 0
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["people.schema.json"]


def test_the_schema_that_a_file_of_the_example_names_is_there(county: Path) -> None:
    named = 0
    registers = (file for file in county.rglob("*.yaml") if file.parent.name != "rules")  # see kyber rules schema
    for file in registers:
        match = re.match(r"# yaml-language-server: \$schema=(\S+)\n", file.read_text(encoding="utf-8"))
        assert match, file
        assert (file.parent / match[1]).is_file(), file
        named += 1
    assert named > 6
