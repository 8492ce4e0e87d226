from pathlib import Path

import pytest

from kyber.problem import Severity
from kyber.settings import ADDRESS, Mail
from kyber.workspace import examine

GOOD = "host: mail.x.example, from: kyber@x.example, fallback: chief"


def settings(folder: Path, mail: str, more: str = "") -> tuple[Mail | None, list[tuple[str, Severity]]]:
    (folder / "kyber.yaml").write_text(f"organisation: X\nmail: {{{mail}}}\n{more}", encoding="utf-8")
    workspace, problems = examine(folder)
    return workspace.settings.mail, [(one.code, one.severity) for one in problems]


def test_mail_goes_over_starttls_to_port_587_unless_the_settings_say_otherwise(tmp_path: Path) -> None:
    mail, problems = settings(tmp_path, GOOD)
    assert problems == []
    assert mail is not None
    assert (mail.host, mail.port, mail.security, mail.sender) == ("mail.x.example", 587, "starttls", "kyber@x.example")


@pytest.mark.parametrize(
    ("mail", "code"),
    [
        (f"{GOOD}, security: none", "S10"),
        (GOOD.replace("kyber@x.example", "kyber"), "S11"),
        (GOOD.replace("kyber@x.example", '"Kyber <kyber@x.example>"'), "S11"),
        (GOOD.replace("kyber@x.example", '"kyber@x.example\\nBcc: eve@evil.example"'), "S11"),
        (f"{GOOD}, username: kyber", "S12"),
        (f"{GOOD}, password_env: WORD", "S12"),
        (f"{GOOD}, username: kyber, password_env: WORD, password_file: word", "S13"),
        (GOOD.replace("mail.x.example", "smtp://mail.x.example"), "S17"),
        (GOOD.replace("mail.x.example", "mail.x.example:587"), "S17"),
    ],
)
def test_mail_settings_that_do_not_hold_together_are_errors(mail: str, code: str, tmp_path: Path) -> None:
    assert settings(tmp_path, mail)[1] == [(code, Severity.ERROR)]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", '"::1"'])
def test_clear_text_is_for_a_server_on_this_machine(host: str, tmp_path: Path) -> None:
    assert settings(tmp_path, f"host: {host}, security: none, from: a@b.example, fallback: chief")[1] == []


def test_mail_without_a_fallback_warns(tmp_path: Path) -> None:
    assert settings(tmp_path, "host: localhost, from: a@b.example")[1] == [("S16", Severity.WARNING)]


def test_a_password_in_the_settings_is_an_error(tmp_path: Path) -> None:
    assert ("K08", Severity.ERROR) in settings(tmp_path, f"{GOOD}, password: hush")[1]


def test_geoip_is_one_table_or_several(tmp_path: Path) -> None:
    for text, expected in (("a.mmdb", ("a.mmdb",)), ("[a.mmdb, b.mmdb]", ("a.mmdb", "b.mmdb"))):
        (tmp_path / "kyber.yaml").write_text(f"organisation: X\ngeoip: {text}\n", encoding="utf-8")
        workspace, problems = examine(tmp_path)
        assert problems == ()
        assert workspace.settings.geoip == expected


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("aino@x.example", True),
        ("aino.esimerkki+logs@mail.x.example", True),
        ("root@localhost", True),
        ("a..b@x.example", False),
        (".a@x.example", False),
        ("a@x..example", False),
        ("a@-x.example", False),
        ("äiti@x.example", False),
        ("a b@x.example", False),
        ("a@x.example\n", False),
        ("a@b@c", False),
        ('"a b"@x.example', False),
        ("a" * 65 + "@x.example", False),
        ("a@" + "x" * 190, False),
        ("", False),
    ],
)
def test_an_address_is_plain(text: str, good: bool) -> None:
    assert (ADDRESS.fullmatch(text) is not None) is good
