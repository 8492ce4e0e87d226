import json
import re
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from kyber.cli import app
from kyber.cli.doctor import EXTRAS, REQUIRED, State, examine
from kyber.cli.init import EXAMPLE
from kyber.join import MODELS

ROOT = Path(__file__).parent.parent.parent
HEAVY = (
    "pydantic",
    "numpy",
    "yaml",
    "ruamel",
    "babel",
    "jinja2",
    "orjson",
    "evtx",
    "re2",
    "zstandard",
    "elasticsearch",
)
NOW = datetime(2026, 11, 10, tzinfo=UTC)


def kyber(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"NO_COLOR": "1"})


@pytest.fixture
def county(tmp_path: Path) -> Path:
    folder = tmp_path / "county"
    assert kyber("init", folder, "--language", "en").exit_code == 0
    return folder


def test_the_example_has_nothing_to_mend_in_any_language(tmp_path: Path) -> None:
    for language, words in {"fi": "Kunnossa", "sv": "I ordning", "en": "All well"}.items():
        folder = tmp_path / language
        assert kyber("init", folder, "--language", language).exit_code == 0
        result = kyber("check", folder, "--strict")
        assert result.exit_code == 0, result.output
        assert result.output.startswith(words)


def test_every_file_of_the_example_that_holds_text_says_that_it_is_fictional(county: Path) -> None:
    texts = [*county.rglob("*.yaml"), *county.rglob("*.yml"), *county.rglob("*.md")]
    assert len(texts) > 8
    for file in texts:
        assert "fictional" in file.read_text(encoding="utf-8").casefold(), file.name


def test_the_addresses_in_the_example_are_those_reserved_for_documentation() -> None:
    logs = "".join(file.read_text(encoding="utf-8") for file in EXAMPLE.glob("logs/*/*"))
    found = set(re.findall(r"(?<![\d.])(\d{1,3}\.\d{1,3}\.\d{1,3})\.\d{1,3}(?![\d.])", logs))
    assert found <= {"192.0.2", "198.51.100", "203.0.113"}
    assert found


def test_init_overwrites_nothing_and_says_what_is_in_the_way(county: Path) -> None:
    (county / "people.yaml").write_text("mine", encoding="utf-8")
    (county / "kyber.yaml").unlink()
    result = kyber("init", county)
    assert result.exit_code == 2
    assert "people.yaml" in result.stderr
    assert (county / "people.yaml").read_text(encoding="utf-8") == "mine"
    assert not (county / "kyber.yaml").exists()


def test_an_empty_workspace_has_settings_and_nothing_to_mend(tmp_path: Path) -> None:
    folder = tmp_path / 'oma "alue"'
    assert kyber("init", folder, "--empty", "--language", "sv").exit_code == 0
    assert kyber("check", folder, "--strict").exit_code == 0
    assert 'organisation: "oma \\"alue\\""' in (folder / "kyber.yaml").read_text(encoding="utf-8")
    assert (folder / ".gitignore").read_text(encoding="utf-8").endswith(".kyber/\n")
    assert not (folder / ".git").exists()


def test_check_shows_place_code_message_and_cure_and_ends_with_one(county: Path) -> None:
    source = county / "sources" / "backup.yaml"
    source.write_text(
        source.read_text(encoding="utf-8").replace("owner: it-operations", "owner: nobody"), encoding="utf-8"
    )
    result = kyber("check", county)
    assert result.exit_code == 1
    assert (
        result.output.splitlines()[0]
        == f"{source}:11: error K02 The field owner refers to the id nobody, which does not exist."
    )
    assert "Correct the id" in result.output
    (line,) = kyber("check", county, "--json").output.splitlines()
    assert json.loads(line)["code"] == "K02"
    assert kyber("check", county, "--format", "github").output.startswith(
        f"::error file={source},line=11,title=K02::The field"
    )


def test_a_warning_ends_with_one_only_when_strict(county: Path) -> None:
    with (county / "kyber.yaml").open("a", encoding="utf-8") as stream:
        stream.write("organization: x\n")
    assert kyber("check", county).exit_code == 0
    assert kyber("check", county, "--strict").exit_code == 1


def test_hostile_text_in_a_register_does_not_reach_the_terminal(county: Path) -> None:
    with (county / "kyber.yaml").open("a", encoding="utf-8") as stream:
        stream.write('"\\e]0;x\\a[red]\\u202e": 1\n')
    output = kyber("check", county).output
    assert "[red]" in output
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", output)


def test_outside_a_workspace_check_ends_with_two_and_the_cure(tmp_path: Path) -> None:
    result = kyber("check", tmp_path)
    assert result.exit_code == 2
    assert "kyber init" in result.stderr
    assert "Traceback" not in result.output


def test_schema_lists_shows_and_writes(tmp_path: Path) -> None:
    assert all(name in kyber("schema").output for name in MODELS)
    assert json.loads(kyber("schema", "source").output)["title"] == "kyber source"
    assert kyber("schema", "-o", tmp_path / "out").exit_code == 0
    written = {file.name for file in (tmp_path / "out").iterdir()}
    assert written == {f"{name}.schema.json" for name in MODELS}
    assert kyber("schema", "nonsense").exit_code == 2


def test_the_schema_that_a_file_of_the_example_names_is_there(county: Path) -> None:
    named = 0
    for file in county.rglob("*.yaml"):
        match = re.match(r"# yaml-language-server: \$schema=(\S+)\n", file.read_text(encoding="utf-8"))
        assert match, file
        assert (file.parent / match[1]).is_file(), file
        named += 1
    assert named > 6


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


HELPS = """
import sys
from typer.main import get_command
from kyber.cli import app

def walk(command, path):
    try:
        ROOT.main([*path, "--help"], prog_name="kyber")
    except SystemExit as end:
        assert end.code == 0, path
    for parameter in command.params:
        if parameter.name != "help" and not (parameter.name or "").endswith("_completion"):
            assert getattr(parameter, "help", None), f"{path} {parameter.name} has no help"
    assert command.help, path
    for name, inner in getattr(command, "commands", {}).items():
        walk(inner, [*path, name])

ROOT = get_command(app)
walk(ROOT, [])
print("\\nLOADED", *sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_every_command_and_option_has_help_and_showing_it_loads_nothing_heavy() -> None:
    run = subprocess.run([sys.executable, "-c", HELPS], capture_output=True, text=True, check=False, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    loaded = set(run.stdout.rpartition("LOADED")[2].split())
    assert not loaded & set(HEAVY)
    assert "typer" in loaded


def test_the_version_is_shown() -> None:
    result = kyber("--version")
    assert result.exit_code == 0
    assert result.output.startswith("kyber ")
