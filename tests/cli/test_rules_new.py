"""`kyber rules new`: what it asks, what it writes, what it refuses, and that what it writes holds."""

import re
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from kyber import draft
from kyber.cli import app
from kyber.draft import slug
from kyber.logs.rule_tests import read_tests
from kyber.privacy import MASK, find
from tests.cli.run import kyber

ROOT: Final = Path(__file__).parents[2]
CODE: Final = "010190-901R"
"""A personal identity code that nobody has."""
LINE: Final = "2026-03-02T22:14:07+02:00 db1 mysqld[71]: Access denied for user app at 192.0.2.5"
MIRTH: Final = "2026-03-02 22:14:07,123 ERROR [main] engine.tcp.Sender: connection refused"
"""A line of an application: its format tells no product."""
REFUSED: Final = ("--where", "message|contains=connection refused")
USUAL: Final = ("--title", "Denied!", "--yes")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty workspace, to stand in."""
    folder = tmp_path / "here"
    assert kyber("init", folder, "--empty", "--language", "en").exit_code == 0
    monkeypatch.chdir(folder)
    return folder


def new(*arguments: object) -> Result:
    return kyber("rules", "new", *arguments)


def asked(*answers: str) -> Result:
    return CliRunner().invoke(app, ["rules", "new"], input="\n".join(answers) + "\n", env={"NO_COLOR": "1"})


def rule(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(Path(f"rules/{name}.yml").read_text(encoding="utf-8"))
    return found


def samples_of(name: str) -> list[dict[str, Any]]:
    text = Path(f"rules/{name}.tests.yaml").read_bytes()
    assert read_tests(text, "x")[1] == ()
    found: list[dict[str, Any]] = yaml.safe_load(text)["tests"]
    return found


def test_a_line_becomes_a_rule_with_a_hit_and_two_misses_that_hold() -> None:
    result = new("denied", "--line", LINE, "--where", "process.name", "--where", "message|contains=denied", *USUAL)
    assert result.exit_code == 0, result.output
    assert "denied       1       2  ok" in result.stdout
    written = rule("denied")
    assert UUID(written["id"]).version == 4
    assert (written["name"], written["status"], written["level"]) == ("denied", "experimental", "medium")
    assert written["logsource"] == {"product": "linux"}
    assert written["detection"] == {
        "selection": {"process.name": "mysqld", "message|contains": "denied"},
        "condition": "selection",
    }
    assert written["kyber"] == {"family": "security", "owner": "security-officer"}
    hit, *misses = samples_of("denied")
    assert (hit["origin"], hit["expect"], hit["lines"]) == ("real", "match", [LINE])
    assert [(one["origin"], one["expect"]) for one in misses] == [("constructed", "miss")] * 2
    assert [one["lines"] for one in misses] == [
        [LINE.replace("mysqld", "other")],
        [LINE.replace("denied", "other")],
    ]


def test_every_answer_may_be_an_option() -> None:
    options = {
        "--title": "Someone was denied",
        "--description": "Much more of it",
        "--family": "access",
        "--level": "low",
        "--product": "mysql",
        "--service": "audit",
        "--owner": "dba",
        "--next": "Ask why.",
        "--false-positive": "A forgotten password",
        "--origin": "documented",
        "--source": "the manual",
        "--input": "syslog",
    }
    given = [part for option in options.items() for part in option]
    result = new("denied", "--line", LINE, "--where", "message|contains=denied", *given, "--yes")
    assert result.exit_code == 1  # a line of syslog is not declared to be of MySQL, and the test says so
    assert "product mysql: the input is declared to be linux" in result.stdout
    assert "Next: mend the test that failed, in rules/denied.tests.yaml" in result.stdout
    assert "look-alikes" not in result.stdout
    written = rule("denied")
    assert (written["title"], written["description"], written["level"]) == (
        "Someone was denied",
        "Much more of it",
        "low",
    )
    assert written["logsource"] == {"product": "mysql", "service": "audit"}
    assert written["falsepositives"] == ["A forgotten password"]
    assert written["kyber"] == {"family": "access", "owner": "dba", "next": {"en": "Ask why."}}
    assert (samples_of("denied")[0]["origin"], samples_of("denied")[0]["source"]) == ("documented", "the manual")


def test_what_is_not_given_is_asked_for_and_fields_are_chosen_by_number() -> None:
    result = asked(LINE, "9", "1; 2=denied", "Denied!", "", "technical", "dreadful", "high", "", "Look.", "", "the log")
    assert result.exit_code == 0, result.output
    assert re.search(r"^ +1  process\.name +mysqld$", result.stdout, re.MULTILINE)
    assert "there is no field number 9" in result.stderr
    assert "not understood" in result.stderr
    written = rule("denied")
    assert written["detection"]["selection"] == {"process.name": "mysqld", "message|contains": "denied"}
    assert written["level"] == "high"
    assert written["kyber"] == {"family": "technical", "owner": "it-operations", "next": {"en": "Look."}}
    assert samples_of("denied")[0]["source"] == "the log"


@pytest.mark.parametrize(
    ("options", "logsource"),
    [
        (("--product", "mirth"), {"product": "mirth"}),
        (("--product", "Linux", "--category", "application"), {"product": "linux", "category": "application"}),
        (("--product", "mirth", "--service", "engine"), {"product": "mirth", "service": "engine"}),
        (("--service", "engine"), {"service": "engine"}),
    ],
)
def test_what_a_line_is_said_to_be_stands_in_its_hit_and_its_misses(
    options: tuple[str, ...], logsource: dict[str, str]
) -> None:
    result = new("refused", "--line", MIRTH, *REFUSED, *options, *USUAL)
    assert result.exit_code == 0, result.output
    assert rule("refused")["logsource"] == logsource
    assert [one["input"] for one in samples_of("refused")] == [{"format": "application", **logsource}] * 3
    assert all(one["lines"] for one in samples_of("refused"))
    assert "Next: put real look-alikes" in result.stdout


def test_what_the_format_tells_is_not_said_again() -> None:
    assert new("denied", "--line", LINE, "--where", "process.name", "--product", "linux", *USUAL).exit_code == 0
    assert samples_of("denied")[0]["input"] == {"format": "syslog"}
    sshd = LINE.replace("mysqld", "sshd")
    assert new("sshd", "--line", sshd, "--where", "message", "--service", "sshd", *USUAL).exit_code == 0
    assert rule("sshd")["logsource"] == {"product": "linux", "service": "sshd"}
    assert samples_of("sshd")[0]["input"] == {"format": "syslog"}  # the field table knows sshd's events


def test_a_line_of_no_known_product_makes_a_rule_for_any_log() -> None:
    result = new("refused", "--line", MIRTH, *REFUSED, *USUAL)
    assert result.exit_code == 0, result.output
    assert rule("refused")["logsource"] == {"definition": "any log"}
    assert [one["input"] for one in samples_of("refused")] == [{"format": "application"}] * 3


def test_no_product_is_what_is_usual_where_the_line_tells_none() -> None:
    result = asked(MIRTH, "3=refused", "Refused!", "", "", "", "", "", "", "", "")
    assert result.exit_code == 0, result.output
    assert "Product, such as linux or windows (empty: any log):\n" in result.stderr
    assert rule("refused")["logsource"] == {"definition": "any log"}


def test_without_a_line_too_a_rule_may_be_about_any_log() -> None:
    result = asked("", "a=x", "Any!", "", "", "", "", "", "", "", "", "")
    assert result.exit_code == 0, result.output
    assert rule("any")["logsource"] == {"definition": "any log"}
    assert ["input" in one for one in samples_of("any")] == [False] * 3


def test_a_line_is_read_as_its_registered_source_has_it() -> None:
    Path("logs").mkdir()
    Path("logs/engine.log").write_text(f"{MIRTH}\n  at line 7\n{MIRTH}\n", encoding="utf-8")
    source = {
        "id": "engine",
        "name": "Integration engine",
        "read": {"paths": ["logs/*.log"], "format": "text", "starts": "^2026"},
        "logsource": {"product": "mirth", "service": "engine"},
    }
    Path("sources").mkdir(exist_ok=True)
    Path("sources/engine.yaml").write_text(yaml.safe_dump(source), encoding="utf-8")
    result = new("refused", "--line", "logs/engine.log:1", *REFUSED, *USUAL)
    assert result.exit_code == 0, result.output
    assert rule("refused")["logsource"] == {"product": "mirth", "service": "engine"}
    hit = samples_of("refused")[0]
    assert hit["input"] == {"format": "text", "product": "mirth", "service": "engine", "starts": "^2026"}
    assert hit["lines"] == [MIRTH, "  at line 7"]
    Path("elsewhere.log").write_text(f"{MIRTH}\n", encoding="utf-8")
    assert new("other", "--line", "elsewhere.log", *REFUSED, *USUAL).exit_code == 0
    assert rule("other")["logsource"] == {"definition": "any log"}


@pytest.mark.parametrize(
    ("line", "file"),
    [
        ("mirt.log:1", "mirt.log"),
        ("mirt.log", "mirt.log"),
        ("syslog.log.1", "syslog.log.1"),
        ("/var/log/nothere/syslog:3", "/var/log/nothere/syslog"),
        ("logs/nothere", "logs/nothere"),
    ],
)
def test_the_name_of_a_file_that_is_not_there_is_no_log_line(line: str, file: str) -> None:
    for result in (new("denied", "--line", line, "--where", "EventID", *USUAL), asked(line, "1")):
        assert result.exit_code == 2
        assert f"there is no file {file}" in result.stderr
    assert list(Path("rules").iterdir()) == []


@pytest.mark.parametrize(
    ("line", "field"),
    [('{"EventID":4720,"path":"C:/x/y.exe"}', "EventID"), ("path=/var/log/x.log", "message"), ("down", "message")],
)
def test_a_line_without_spaces_is_still_a_line(line: str, field: str) -> None:
    assert new("found", "--line", line, "--where", field, *USUAL).exit_code == 0
    assert samples_of("found")[0]["lines"] == [line]


def test_a_folder_is_no_log_line() -> None:
    result = new("denied", "--line", "rules", "--where", "message", *USUAL)
    assert (result.exit_code, "rules is a folder" in result.stderr) == (2, True)


@pytest.mark.parametrize("answer", ["dokumentoitu", "Dokumentoitu", "documented"])
def test_where_a_line_is_from_is_asked_in_the_language_and_understood_in_english_too(answer: str) -> None:
    settings = Path("kyber.yaml")
    settings.write_text(settings.read_text(encoding="utf-8").replace("language: en", "language: fi"), encoding="utf-8")
    result = asked(MIRTH, "3=refused", "Refused!", "", "", "", "", "", "", "oikea", answer, "")
    assert result.exit_code == 0, result.output
    assert "(aito, dokumentoitu, keksitty) [aito]" in result.stderr
    assert "Vastausta ei ymmärretty" in result.stderr
    assert samples_of("refused")[0]["origin"] == "documented"


def test_answers_that_end_too_soon_write_nothing() -> None:
    result = asked(LINE, "1")
    assert result.exit_code == 2
    assert list(Path("rules").iterdir()) == []


@pytest.mark.parametrize(
    ("where", "logsource", "lines"),
    [
        ("samples/windows/security.jsonl:33", {"product": "windows", "service": "security"}, 1),
        ("samples/windows/sysmon.jsonl", {"product": "windows", "category": "process_creation"}, 1),
        ("samples/linux/audit.log:1", None, None),
        ("samples/linux/auth.log", None, 1),
    ],
)
def test_a_line_may_be_a_record_of_a_file_and_says_what_the_rule_is_about(
    where: str, logsource: dict[str, str] | None, lines: int | None
) -> None:
    result = new("found", "--line", ROOT / where, "--where", "host.name", *USUAL)
    if result.exit_code == 2:  # it has no such field: the answer names those that there are
        field = re.search(r"it has ([\w.]+)", result.output)
        assert field is not None
        result = new("found", "--line", ROOT / where, "--where", field[1], *USUAL)
    assert result.exit_code == 0, result.output
    assert logsource is None or rule("found")["logsource"] == logsource
    assert lines is None or len(samples_of("found")[0]["lines"]) == lines
    assert samples_of("found")[0]["source"] == Path(where).name


def test_windows_fields_have_the_names_that_sigma_gives_them() -> None:
    line = ROOT / "samples" / "windows" / "security.jsonl:33"
    assert new("added", "--line", line, "--where", "EventID", "--where", "TargetSid", *USUAL).exit_code == 0
    assert rule("added")["detection"]["selection"] == {"EventID": 4732, "TargetSid": "S-1-5-32-555"}
    changed = [one["lines"][0] for one in samples_of("added")]
    assert '"EventID":4733' in changed[1]
    assert '"S-1-5-32-555"' not in changed[2]


def test_a_record_that_cannot_stand_alone_becomes_an_event(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("time;who;what\n2026-03-02T10:00:00Z;anna;door opened\n", encoding="utf-8")
    result = new("csv_door", "--line", tmp_path / "x.csv", "--input", "csv", "--where", "who", *USUAL, "--product", "x")
    assert result.exit_code in (0, 1), result.output
    hit, *misses = samples_of("csv_door")
    assert hit["events"][0]["who"] == "anna"
    assert [one["events"][0]["who"] for one in misses] == ["other", "another"]
    assert "1       2  ok" in result.stdout


def test_without_a_line_the_samples_are_events_of_what_is_asked_for() -> None:
    where = ("--where", "EventID=4720", "--where", "SubjectUserName|startswith=adm-")
    result = new("made", *where, "--product", "windows", "--service", "security", "--title", "Made", "--yes")
    assert result.exit_code == 0, result.output
    assert [one["events"] for one in samples_of("made")] == [
        [{"EventID": 4720, "SubjectUserName": "adm-"}],
        [{"EventID": 4721, "SubjectUserName": "adm-"}],
        [{"EventID": 4720, "SubjectUserName": "other"}],
    ]
    assert {one["origin"] for one in samples_of("made")} == {"constructed"}


def test_identity_codes_stand_in_nothing_that_is_written() -> None:
    line = LINE.replace("app", f"app of {CODE}")
    result = new("denied", "--line", line, "--where", "message", "--title", f"Denied to {CODE}", "--yes")
    assert CODE not in result.output
    for file in Path("rules").iterdir():
        assert CODE not in file.read_text(encoding="utf-8")
        assert MASK in file.read_text(encoding="utf-8")


ESCAPED: Final = "".join(f"\\u{ord(letter):04X}" for letter in CODE)
MADE: Final = ("--product", "linux", *USUAL)


def json(**fields: str) -> tuple[str, str]:
    """A line of JSON whose values stand as they are."""
    return "--line", "{" + ",".join(f'"{name}":"{value}"' for name, value in fields.items()) + "}"


@pytest.mark.parametrize(
    ("arguments", "misses"),
    [
        (("--where", f"user={CODE}", *MADE), 2),
        (("--where", f"message|contains=for {CODE} today", *MADE), 2),
        (("--where", "user=a", "--source", f"from {CODE}", *MADE), 2),
        (("--where", "user=a", "--owner", CODE, *MADE), 2),
        (("--where", "user=a", "--product", CODE, *USUAL), 2),
        (("--where", "user=a", "--service", CODE, *USUAL), 2),
        (("--where", "user=a", "--next", CODE, "--false-positive", CODE, "--description", CODE, *MADE), 2),
        (("--where", f"{CODE}=a", *MADE), 2),
        (("--where", f"user={ESCAPED}", *MADE), 2),
        (("--where", "cmd", *json(cmd=f"{CODE} foo"), *USUAL), 2),
        (("--where", "cmd", *json(cmd=f"foo {CODE}"), *USUAL), 2),
        (("--where", f"cmd|re=^foo {CODE}$", *json(cmd=f"foo {CODE}"), *USUAL), 2),
        (("--where", "cmd", *json(**{CODE: "b", "cmd": "a"}), *USUAL), 2),
        (("--where", CODE, *json(**{CODE: "b"}), *USUAL), 2),
        (("--where", "cmd", *json(cmd="a", u=CODE.replace("-", "\\u002d")), *USUAL), 2),
        (("--where", "cmd", *json(cmd="a", u=ESCAPED), *USUAL), 2),
        (("--where", "u", *json(cmd="a", u=ESCAPED), *USUAL), 2),
        (("--where", "cmd", *json(cmd="a", u=f"{CODE} {ESCAPED}"), *USUAL), 2),
        (("--where", "cmd", *json(cmd="a", u=ESCAPED.replace("\\", "\\\\")), *USUAL), 2),
        (("--where", "cmd", *json(cmd="a", u=CODE.replace("0", "%30")), *USUAL), 2),
        (("--where", "cmd", *json(cmd="a", u=CODE.replace("-", "&#45;")), *USUAL), 2),
    ],
)
def test_identity_codes_are_masked_wherever_they_stand_and_however_and_that_is_said_once(
    arguments: tuple[str, ...], misses: int
) -> None:
    result = new("masked", *arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("Personal identity codes were masked") == 1
    text = "".join(file.read_text(encoding="utf-8") for file in Path("rules").iterdir())
    assert MASK in text
    assert not find(text)
    assert CODE[1:] not in yaml.safe_dump([rule("masked"), samples_of("masked")])
    assert not re.search(r"\\u00|%30|&#45", text)
    assert [one["expect"] for one in samples_of("masked")] == ["match"] + ["miss"] * misses


def test_escapes_that_hide_no_code_stay_as_they_are_and_nothing_is_said_of_masks() -> None:
    line = json(cmd="a\\u002db", u="50%25")
    result = new("found", "--where", "cmd", *line, *USUAL)
    assert result.exit_code == 0, result.output
    assert "masked" not in result.stdout
    assert samples_of("found")[0]["lines"] == [line[1]]


@given(
    st.lists(
        st.sampled_from(["{}", "\\u{:04x}", "\\\\u{:04X}", "%{:02X}", "%25{:02x}", "&#{};", "&#x{:x};", "\\x{:02x}"]),
        min_size=11,
        max_size=11,
    )
)
def test_however_a_code_is_written_its_mask_is_all_that_stays(forms: list[str]) -> None:
    written = "".join(
        letter if form == "{}" else form.format(ord(letter)) for form, letter in zip(forms, CODE, strict=True)
    )
    assert draft._masked(f"of {written}.") == f"of {MASK}."


@pytest.mark.parametrize(
    "text", ["Denied \u202egnp.exe", "a\u2066b\u2069", "a\u2028b: c", "a\U000e0041", "# \u200b'\"\\ x"]
)
def test_what_nobody_sees_is_written_in_digits_and_read_as_it_was(text: str) -> None:
    line = ("--line", f"{LINE} {text}") if "\u2028" not in text else ("--line", LINE)
    result = new("odd", *line, "--where", "process.name", "--title", text, "--yes")
    assert result.exit_code == 0, result.output
    for file in Path("rules").iterdir():
        assert not re.search(
            r"[\u200b-\u200f\u2028-\u202e\u2066-\u2069\U000e0000-\U000e007f]", file.read_text(encoding="utf-8")
        )
    assert rule("odd")["title"] == text
    assert samples_of("odd")[0]["lines"] == [line[1]]


def test_words_are_texts_to_readers_of_yaml_1_1_too() -> None:
    words = ("yes", "no", "on", "Y", "12:30:00", "2026-03-02", "010", "1_000", "0x1F", "1.5", "null", "~")
    where = [part for word in words for part in ("--where", f"{word}={word}")]
    assert new("words", *where, "--product", "linux", "--owner", "yes", "--title", "12:30:00", "--yes").exit_code == 0
    written, hit = rule("words"), samples_of("words")[0]
    assert (written["title"], written["kyber"]["owner"]) == ("12:30:00", "yes")
    assert written["detection"]["selection"] == {word: word for word in words}
    assert hit["events"] == [{word: word for word in words}]


@given(st.text("+-.:_0123456789abeflnorstuxyEFINOTY~=<", max_size=12) | st.text(st.characters(codec="utf-8")))
def test_any_text_is_read_as_it_was_by_readers_of_yaml_1_1(text: str) -> None:
    assert yaml.safe_load(draft._text({"a": [text], "b": {text: text}})) == {"a": [text], "b": {text: text}}


@pytest.mark.parametrize("name", ["aux", "nul", "com1"])
def test_a_name_that_windows_keeps_for_itself_is_refused(name: str) -> None:
    result = new(name, "--line", LINE, "--where", "process.name", *USUAL)
    assert (result.exit_code, f"Windows lets no file be called '{name}'" in result.stderr) == (2, True)
    assert list(Path("rules").iterdir()) == []
    assert not draft.is_reserved(f"{name}_")


def test_a_name_with_an_identity_code_is_refused_and_not_repeated() -> None:
    code = "131052a308t"
    assert find(code)
    result = new(code, "--line", LINE, "--where", "process.name", *USUAL)
    assert (result.exit_code, code in result.output) == (2, False)


@pytest.mark.parametrize("ending", [".yml", ".tests.yaml"])
def test_a_file_made_while_the_questions_were_asked_is_not_replaced(
    ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafted, mine = draft.drafted, Path(f"rules/denied{ending}")

    def slowly(*given: Any) -> draft.Draft:
        mine.write_text("mine", encoding="utf-8")
        return drafted(*given)

    monkeypatch.setattr(draft, "drafted", slowly)
    result = new("denied", "--line", LINE, "--where", "process.name", *USUAL)
    assert (result.exit_code, "is there already" in result.stderr) == (2, True)
    assert list(Path("rules").iterdir()) == [mine]
    assert mine.read_text(encoding="utf-8") == "mine"


def test_a_secret_is_not_written() -> None:
    line = f"{LINE} with AKIA{'A' * 16}"
    result = new("denied", "--line", line, "--where", "process.name", *USUAL)
    assert result.exit_code == 2
    assert list(Path("rules").iterdir()) == []


def test_nothing_is_overwritten_and_no_name_is_given_twice() -> None:
    given = ("--line", LINE, "--where", "process.name", *USUAL)
    Path("rules/denied.tests.yaml").write_text("mine", encoding="utf-8")
    assert "is there already" in new("denied", *given).stderr
    assert Path("rules/denied.tests.yaml").read_text(encoding="utf-8") == "mine"
    assert not Path("rules/denied.yml").exists()
    assert "called 'windows_event_log_cleared' already" in new("windows_event_log_cleared", *given).stderr
    Path("rules/linked.yml").symlink_to("elsewhere.yml")
    assert new("linked", *given).exit_code == 2
    assert not Path("rules/elsewhere.yml").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("Denied!", "--line", LINE, "--where", "process.name", *USUAL), "small letters"),
        (("../denied", "--line", LINE, "--where", "process.name", *USUAL), "small letters"),
        (("denied", "--line", LINE, "--where", "proces.name", *USUAL), "it has process.name, message"),
        (("denied", "--line", LINE, *USUAL), "--where is needed"),
        (("denied", "--where", "process.name", *USUAL), "there is no value to take"),
        (("denied", "--where", "=x", *USUAL), "write field=value"),
        (("denied", "--where", "a=x", *USUAL), "--product is needed"),
        (("denied", "--where", "a|re=^x", "--product", "linux", *USUAL), "give a line"),
        (("denied", "--line", LINE, "--where", "message|contians=x", *USUAL), "R05"),
        (("--line", LINE, "--where", "process.name", "--yes"), "--title is needed"),
        (("denied", "--line", LINE, "--level", "dreadful", *USUAL), "informational"),
        (("denied", "--line", LINE, "--input", "sislog", *USUAL), "there is no format"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(arguments: tuple[str, ...], said: str) -> None:
    result = new(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert list(Path("rules").iterdir()) == []


def test_outside_a_workspace_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert new("denied", "--line", LINE, "--where", "process.name", *USUAL).exit_code == 2
    assert not (tmp_path / "rules").exists()


def test_what_is_written_has_nothing_that_lint_would_mend() -> None:
    assert new("denied", "--line", LINE, "--where", "process.name", *USUAL).exit_code == 0
    assert kyber("rules", "lint", "--validators", "own", "--strict").stdout.startswith("All well")


@pytest.mark.parametrize(
    ("title", "name"),
    [("Ovi aukesi yöllä!", "ovi_aukesi_yolla"), ("  ", ""), (f"for {CODE}", "for"), ("a" * 99, "a" * 60)],
)
def test_a_name_is_made_of_a_title(title: str, name: str) -> None:
    assert slug(title) == name
