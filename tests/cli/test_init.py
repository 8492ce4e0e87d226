import re
from pathlib import Path

import pytest

from kyber.cli.init import EXAMPLE
from tests.cli.run import kyber


def test_the_example_says_what_is_to_be_mended_in_any_language(tmp_path: Path) -> None:
    for language, words in {
        "fi": "Toimenpide A-012 (määräpäivä 2026-11-20): se on myöhässä",
        "sv": "Åtgärden A-012 (senast 2026-11-20): den är försenad",
        "en": "The action A-012 (due 2026-11-20): it is late",
    }.items():
        folder = tmp_path / language
        assert kyber("init", folder, "--language", language).exit_code == 0
        result = kyber("check", folder)
        assert words in result.output, result.output


def test_without_its_register_of_risks_the_example_has_nothing_to_mend(county: Path) -> None:
    result = kyber("check", county, "--strict")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("All well")


def test_init_counts_the_files_of_each_folder(tmp_path: Path) -> None:
    folder = tmp_path / "county"
    lines = kyber("init", folder, "--language", "en").output.splitlines()
    for name in ("risks", "controls", "logs", "sources"):
        count = sum(file.is_file() for file in (folder / name).rglob("*"))
        assert f"  {name}/ ({count})" in lines
    assert {"  .gitignore", "  kyber.yaml", "  waivers.yaml"} <= set(lines)


def test_every_file_of_the_example_that_holds_text_says_that_it_is_fictional(example: Path) -> None:
    texts = [*example.rglob("*.yaml"), *example.rglob("*.yml"), *example.rglob("*.md")]
    assert len(texts) > 60
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
    assert ".kyber/\n" in (folder / ".gitignore").read_text(encoding="utf-8")
    assert not (folder / ".git").exists()


@pytest.mark.parametrize(
    "name", [".kyber", ".kyber/schemas", ".kyber/schemas/people.schema.json", "sources", "logs/ad"]
)
@pytest.mark.parametrize("there", [True, False])
def test_init_writes_through_no_link_and_names_it(name: str, there: bool, tmp_path: Path) -> None:
    folder, target = tmp_path / "county", tmp_path / "target"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).symlink_to(target)
    if there:
        target.mkdir() if not name.endswith(".json") else target.write_text("mine", encoding="utf-8")
    result = kyber("init", folder)
    assert result.exit_code == 2
    assert f"{folder / name} is a symbolic link" in result.stderr
    assert target.exists() == there
    assert not (there and target.is_dir() and any(target.iterdir()))
    assert not (folder / "kyber.yaml").exists()
