"""What `kyber schedule` writes, held against a strict reading of systemd's and cron's own grammars."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from datetime import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.errors import UsageError
from kyber.schedule import Plan, cron, service, steps, timer, units

COMMANDS = (("scan",), ("logs", "retain"), ("digest", "--send"))
PATHS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters='\\"'), min_size=1, max_size=30
).map(lambda text: f"/srv/{text.strip()}")


def plan(**changes: object) -> Plan:
    values = {
        "name": "kyber-county",
        "program": "/opt/kyber/bin/kyber",
        "commands": COMMANDS,
        "workspace": "/srv/county",
        "user": "kyber",
    }
    return Plan(**(values | changes))  # type: ignore[arg-type]


# --- a strict reading of units ---------------------------------------------------------------------------------------


def parsed(text: str) -> dict[str, dict[str, list[str]]]:
    """Section -> setting -> values, as systemd.syntax(7) has it; anything that is not of it fails."""
    assert text.endswith("\n")
    sections: dict[str, dict[str, list[str]]] = {}
    for line in text.split("\n"):
        assert line == line.strip(), repr(line)
        assert not line.endswith("\\"), repr(line)
        if not line or line.startswith("#"):
            continue
        if header := re.fullmatch(r"\[([A-Z][a-z]+)\]", line):
            assert header[1] not in sections
            current = sections[header[1]] = {}
            continue
        setting = re.fullmatch(r"([A-Z][A-Za-z]+)=(.*)", line)
        assert setting, line
        current.setdefault(setting[1], []).append(setting[2])
    return sections


def specifiers(text: str) -> str:
    """The text with `%%` as `%`; any other specifier fails."""
    assert not re.search(r"%(?!%)", text.replace("%%", "")), text
    return text.replace("%%", "%")


def words(value: str) -> list[str]:
    """Words as systemd splits them: double quotes, no escapes; a quote inside a word fails."""
    assert "\\" not in value
    found = re.findall(r'"([^"]*)"(?= |$)|([^" ]+)(?= |$)', value)
    rebuilt = " ".join(f'"{quoted}"' if quoted or not bare else bare for quoted, bare in found)
    assert rebuilt == value
    return [specifiers(quoted or bare) for quoted, bare in found]


def commands(unit: Mapping[str, list[str]]) -> list[list[str]]:
    made = []
    for value in unit["ExecStart"]:
        program, *rest = words(value)
        assert not any(re.search(r"\$(?!\$)", word.replace("$$", "")) for word in rest)
        made.append([program, *(word.replace("$$", "$") for word in rest)])
    return made


@given(workspace=PATHS, program=PATHS)
def test_any_path_stands_in_the_units_as_it_is(workspace: str, program: str) -> None:
    made = plan(workspace=workspace, program=program, commands=(*COMMANDS, ("scan", "--name", "100% of $HOME")))
    unit = parsed(service(made))["Service"]
    assert [specifiers(value) for value in unit["WorkingDirectory"]] == [workspace]
    assert [words(value) for value in unit["ReadWritePaths"]] == [[workspace]]
    assert commands(unit) == [[program, *command] for command in made.commands]
    assert specifiers(parsed(timer(made))["Unit"]["Description"][0]).endswith(workspace)


@pytest.mark.parametrize("path", ["srv/county", "/srv/a\nb", "/srv/a\\b", '/srv/a"b', "/srv/county ", "/srv/\udcff"])
def test_a_path_that_cannot_stand_there_is_refused(path: str) -> None:
    for part in ("workspace", "program", "environment_file"):
        with pytest.raises(UsageError):
            plan(**{part: path})


@pytest.mark.parametrize("changes", [{"name": "a b"}, {"name": "-x"}, {"user": "a b"}, {"user": ""}, {"every": 59}])
def test_a_name_or_a_time_that_cannot_be_is_refused(changes: Mapping[str, object]) -> None:
    with pytest.raises(UsageError):
        plan(**changes)


def test_the_service_runs_scan_retention_and_digest_in_that_order_as_its_user() -> None:
    unit = parsed(service(plan()))["Service"]
    assert unit["Type"] == ["oneshot"]
    assert unit["User"] == ["kyber"]
    assert [command[1:] for command in commands(unit)] == [list(command) for command in COMMANDS]


def test_a_scan_that_finds_something_fails_no_unit_and_the_digest_tells_where_nothing_could_be_read() -> None:
    assert parsed(service(plan()))["Service"]["SuccessExitStatus"] == ["1 3"]
    assert parsed(service(plan(commands=COMMANDS[:2])))["Service"]["SuccessExitStatus"] == ["1"]


def test_secrets_are_named_by_file_and_never_written() -> None:
    unit = parsed(service(plan(environment_file="/etc/kyber/se[c]ret 100%.env")))["Service"]
    assert unit["EnvironmentFile"] == ["/etc/kyber/se[[]c]ret 100%%.env"]
    unit = parsed(service(plan(credentials={"KYBER_WORD": "/etc/kyber/100% word"})))["Service"]
    assert unit["LoadCredential"] == ["KYBER_WORD:/etc/kyber/100%% word"]
    assert "Environment" not in unit


def test_the_run_may_write_in_the_workspace_and_do_little_else() -> None:
    unit = parsed(service(plan()))["Service"]
    for setting, value in {
        "ProtectSystem": "strict",
        "ReadWritePaths": "/srv/county",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "UMask": "0077",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
    }.items():
        assert unit[setting] == [value]


def test_root_keeps_the_right_to_read_the_logs_of_others_only() -> None:
    unit = parsed(service(plan(user="root")))["Service"]
    assert unit["CapabilityBoundingSet"] == ["CAP_DAC_READ_SEARCH"]


@pytest.mark.parametrize(
    ("changes", "home", "temporary"),
    [
        ({"workspace": "/home/aino/county"}, "read-only", "yes"),
        ({"program": "/root/.local/bin/kyber"}, "read-only", "yes"),
        ({"reads": ("/var/log", "/home/backup/logs/*.log")}, "read-only", "yes"),
        ({"workspace": "/tmp/county"}, "yes", "no"),
        ({"reads": ("/homeland", "/tmpfs")}, "yes", "yes"),
    ],
)
def test_what_has_to_be_read_is_not_hidden(changes: Mapping[str, object], home: str, temporary: str) -> None:
    unit = parsed(service(plan(**changes)))["Service"]
    assert (unit["ProtectHome"], unit["PrivateTmp"]) == ([home], [temporary])


def test_the_timer_runs_daily_at_a_time_or_as_often_as_asked() -> None:
    daily = parsed(timer(plan(at=time(5, 7))))
    assert daily["Timer"]["OnCalendar"] == ["*-*-* 05:07:00"]
    assert daily["Timer"]["Persistent"] == ["true"]
    assert daily["Install"]["WantedBy"] == ["timers.target"]
    often = parsed(timer(plan(every=3_600)))["Timer"]
    assert often["OnUnitActiveSec"] == ["3600s"]
    assert "OnCalendar" not in often


def test_the_steps_are_shell_commands_that_name_the_units() -> None:
    made = steps(plan(credentials={"KYBER_WORD": "/etc/kyber/KYBER_WORD"}), "/tmp/my units")
    assert [shlex.split(step, comments=True)[0] for step in made] == ["install", "install", *["systemctl"] * 3]
    assert "/tmp/my units/kyber-county.timer" in shlex.split(made[1])


@pytest.mark.parametrize("folder", ["county", "our 100% county (öinen)", "it's $HOME; rm"])
@pytest.mark.parametrize("every", [None, 5_400])
def test_systemd_finds_nothing_wrong_with_the_units(folder: str, every: int | None, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    # It looks whether the program is there, and takes no program with $ or quotes in its path.
    made = plan(
        workspace=f"/srv/{folder}",
        program="/bin/true",
        every=every,
        user="root",
        environment_file="/etc/kyber/a b.env",
        credentials={"WORD": "/etc/kyber/WORD"},
    )
    files = []
    for name, text in units(made).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        files.append(str(tmp_path / name))
    run = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files], capture_output=True, text=True, check=False, timeout=60
    )
    if "Failed to initialize manager" in run.stderr:
        pytest.skip(f"systemd-analyze cannot work here: {run.stderr.strip()}")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


# --- cron ------------------------------------------------------------------------------------------------------------


def cron_line(line: str) -> tuple[list[str], str]:
    """The five fields, and the command that the shell gets: up to an unescaped `%`, with `\\%` as `%`."""
    *fields, command = line.split(" ", 5)
    assert "\n" not in line
    assert not re.search(r"(?<!\\)%", command), "cron would cut the command here"
    return fields, command.replace("\\%", "%")


@given(
    workspace=PATHS,
    program=PATHS,
    environment_file=st.none() | PATHS,
)
def test_any_path_stands_in_the_crontab_as_it_is(workspace: str, program: str, environment_file: str | None) -> None:
    made = plan(workspace=workspace, program=program, environment_file=environment_file)
    fields, command = cron_line(cron(made))
    assert fields == ["30", "2", "*", "*", "*"]
    expected = ["cd", workspace, "&&", "umask", "077", "&&"]
    if environment_file is not None:
        expected += ["set", "-a", "&&", ".", environment_file, "&&", "set", "+a", "&&"]
    expected += ["{", program, "scan", ";", program, "logs", "retain", ";", program, "digest", "--send", ";", "}"]
    lexer = shlex.shlex(command, posix=True, punctuation_chars=";&>")
    lexer.whitespace_split = True
    assert list(lexer) == [*expected, ">", "/dev/null"]


def test_the_shell_runs_every_command_in_the_workspace_whatever_the_one_before_came_to(tmp_path: Path) -> None:
    folder = tmp_path / "our 100% 'county'"
    folder.mkdir()
    program = tmp_path / "kyber $HOME"
    program.write_text('#!/bin/sh\necho "$WORD $*" >> ran\necho noise\nexit 1\n', encoding="utf-8")
    program.chmod(0o755)
    (tmp_path / "se cret").write_text("WORD=hush\n", encoding="utf-8")
    made = plan(workspace=str(folder), program=str(program), environment_file=str(tmp_path / "se cret"))
    _, command = cron_line(cron(made))
    run = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ("", "")
    ran = (folder / "ran").read_text(encoding="utf-8").splitlines()
    assert ran == ["hush scan", "hush logs retain", "hush digest --send"]


@pytest.mark.parametrize(
    ("every", "fields"),
    [
        (60, "* * * * *"),
        (900, "*/15 * * * *"),
        (3_600, "0 * * * *"),
        (6 * 3_600, "0 */6 * * *"),
        (86_400, "30 2 * * *"),
    ],
)
def test_cron_keeps_intervals_that_divide_an_hour_or_a_day(every: int, fields: str) -> None:
    assert " ".join(cron_line(cron(plan(every=every)))[0]) == fields


@pytest.mark.parametrize("every", [90, 2_700, 5_400, 5 * 3_600, 2 * 86_400])
def test_cron_is_not_asked_for_intervals_that_it_cannot_keep(every: int) -> None:
    with pytest.raises(UsageError, match="cron"):
        cron(plan(every=every))


def test_cron_hands_over_no_credentials() -> None:
    with pytest.raises(UsageError, match="WORD"):
        cron(plan(credentials={"WORD": "/etc/kyber/WORD"}))
