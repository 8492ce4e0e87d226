from pathlib import Path

import pytest

from tests.cli.run import kyber

PROGRAM = ("--program", "/opt/kyber/bin/kyber")
MAIL = (
    "\nmail:\n  host: mail.x.example\n  from: a@x.example\n  username: a\n  password_env: WORD\n  fallback: director\n"
)


def with_mail(workspace: Path) -> Path:
    file = workspace / "kyber.yaml"
    file.write_text(file.read_text(encoding="utf-8") + MAIL, encoding="utf-8")
    return workspace


def test_both_units_are_shown_with_the_commands_that_install_them_and_nothing_is_written(county: Path) -> None:
    before = sorted(county.rglob("*"))
    result = kyber("schedule", *PROGRAM, "--user", "kyber", "--workspace", with_mail(county))
    assert result.exit_code == 0
    assert "# kyber-county.service\n[Unit]\n" in result.stdout
    assert "# kyber-county.timer\n[Unit]\n" in result.stdout
    assert f"WorkingDirectory={county}\n" in result.stdout
    assert "ExecStart=/opt/kyber/bin/kyber digest --send\n" in result.stdout
    assert "User=kyber\n" in result.stdout
    assert "LoadCredential=WORD:/etc/kyber/WORD\n" in result.stdout
    assert "# systemctl enable --now kyber-county.timer\n" in result.stdout
    assert sorted(county.rglob("*")) == before


def test_the_units_are_written_where_asked(county: Path, tmp_path: Path) -> None:
    out = tmp_path / "my units"
    result = kyber("schedule", *PROGRAM, "--name", "nightly", "--at", "05:30", "-o", out, "--workspace", county)
    assert result.exit_code == 0
    assert sorted(file.name for file in out.iterdir()) == ["nightly.service", "nightly.timer"]
    assert "OnCalendar=*-*-* 05:30:00\n" in (out / "nightly.timer").read_text(encoding="utf-8")
    assert f"install -m 0644 '{out}/nightly.service'" in result.stdout


def test_without_a_mail_server_no_digest_is_sent_and_that_is_said(county: Path) -> None:
    result = kyber("schedule", *PROGRAM, "--workspace", county)
    assert result.exit_code == 0
    assert "digest --send" not in result.stdout
    assert "no digest is sent" in result.stderr


def test_a_crontab_gets_one_line(county: Path) -> None:
    cron = ("schedule", *PROGRAM, "--form", "cron", "--user", "kyber", "--workspace", with_mail(county))
    result = kyber(*cron)
    assert result.exit_code == 2
    assert "WORD" in result.stderr
    result = kyber(*cron, "--every", "1h", "--environment-file", "/etc/kyber/env")
    assert result.exit_code == 0
    assert result.stdout.startswith(
        f"0 * * * * cd {county} && umask 077 && set -a && . /etc/kyber/env && set +a && {{ "
    )
    assert len(result.stdout.splitlines()) == 1
    assert "crontab -u kyber -e" in result.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        ("--at", "25:00"),
        ("--at", "2:30"),
        ("--every", "1 month"),
        ("--every", "soon"),
        ("--every", "10s"),
        ("--user", "a b"),
        ("--name", "a/b"),
        ("--form", "cron", "-o", "x"),
    ],
)
def test_what_makes_no_schedule_is_a_wrong_option(wrong: tuple[str, ...], county: Path) -> None:
    assert kyber("schedule", *PROGRAM, *wrong, "--workspace", county).exit_code == 2


def test_it_runs_as_the_workspace_s_owner_unless_told_otherwise(county: Path) -> None:
    assert f"User={county.owner()}\n" in kyber("schedule", *PROGRAM, "--workspace", county).stdout


def test_logs_in_a_home_stay_in_sight(county: Path) -> None:
    file = county / "sources" / "backup.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("logs/backup/backup.log", "/home/backup/backup.log"), encoding="utf-8")
    assert "ProtectHome=read-only\n" in kyber("schedule", *PROGRAM, "--workspace", county).stdout
