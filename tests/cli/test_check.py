import json
import re
from pathlib import Path

from tests.cli.run import kyber


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
