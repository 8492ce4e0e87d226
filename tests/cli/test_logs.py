import json
import subprocess
import sys

import pytest

from kyber.logs.formats.known import FORMATS
from kyber.logs.schema import tables
from tests.cli.run import kyber


def test_formats_are_listed_with_the_names_that_input_takes() -> None:
    result = kyber("logs", "formats")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == list(FORMATS)
    lines = [json.loads(line) for line in kyber("logs", "formats", "--json").stdout.splitlines()]
    assert lines == [
        {"name": one.name, "title": one.title, "product": one.product, "service": one.service}
        for one in FORMATS.values()
    ]


def test_fields_of_a_product_are_shown_with_the_columns_they_are_found_in() -> None:
    rows = [json.loads(line) for line in kyber("logs", "fields", "windows", "--json").stdout.splitlines()]
    assert {row["product"] for row in rows} == {"windows"}
    assert {row["kind"] for row in rows} == {"column", "field", "category", "service"}
    by_name = {(row["kind"], row["name"]): row["columns"] for row in rows}
    assert by_name["field", "EventID"] == "winlog.event_id, event.code"
    assert "winlog.event_data.NewProcessName (when winlog.event_id: 4688)" in by_name["column", "process.executable"]
    assert by_name["service", "sysmon"].startswith("winlog.channel: microsoft-windows-sysmon/operational")
    shown = kyber("logs", "fields", "windows").stdout
    assert shown.splitlines()[0].startswith("windows: ")
    assert all(name in shown for _, name in by_name)


def test_fields_without_a_product_are_those_of_all() -> None:
    rows = [json.loads(line) for line in kyber("logs", "fields", "--json").stdout.splitlines()]
    assert {row["product"] for row in rows} == {one.name for one in tables()}
    shown = kyber("logs", "fields")
    assert shown.exit_code == 0
    assert all(f"{one.name}: {one.title}" in shown.stdout for one in tables())


def test_a_product_that_has_no_table_is_a_wrong_option() -> None:
    result = kyber("logs", "fields", "amiga")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "amiga" in result.stderr
    assert all(one.name in result.stderr for one in tables())


@pytest.mark.parametrize("command", ["fields", "formats"])
def test_a_reader_that_stops_early_leaves_no_traceback(command: str) -> None:
    run = subprocess.Popen(
        [sys.executable, "-c", "from kyber.cli import main; main()", "logs", command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert run.stdout is not None
    run.stdout.close()
    _, errors = run.communicate()
    assert errors == b""
