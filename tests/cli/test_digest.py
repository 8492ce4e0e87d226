import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_string
from email.policy import default
from pathlib import Path

import pytest

from kyber import kept
from kyber.finding import Finding
from kyber.level import Level
from kyber.told import FILE, told
from tests.cli.run import kyber
from tests.mailserver import HOST, PASSWORD, USERNAME, Authority, Inbox, serving
from tests.render.results import CODE, finding

EERO, SANNA, PEKKA = (
    f"{name}@esimerkkila.example" for name in ("eero.malli", "sanna.kuvitteellinen", "pekka.harjoitus")
)
NOW = datetime.now(UTC)


def of(source: str, number: int, level: Level = Level.HIGH) -> Finding:
    """A finding in the logs of a source of the example; in none of theirs where the source is empty."""
    return replace(finding(number, level=level), sources=(source,) if source else ())


def keep(workspace: Path, *findings: Finding, when: datetime = NOW) -> None:
    with kept.open(workspace / ".kyber") as store:
        store.save(findings, when)


def owner_of(workspace: Path, source: str) -> str:
    text = (workspace / "sources" / f"{source}.yaml").read_text(encoding="utf-8")
    return text.partition("\nowner: ")[2].partition("\n")[0]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def inbox(authority: Authority) -> Iterator[Inbox]:
    with serving(authority, passwords=True) as inbox:
        yield inbox


@pytest.fixture
def mailing(county: Path, authority: Authority, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example with a mail server, whose password is in the environment; the security officer is the fallback."""
    mail_to(county, inbox, authority)
    monkeypatch.setenv("KYBER_MAIL_PASSWORD", PASSWORD)
    return county


def mail_to(workspace: Path, inbox: Inbox, authority: Authority, fallback: str = "security-officer") -> None:
    file = workspace / "kyber.yaml"
    text = file.read_text(encoding="utf-8").partition("\nmail:")[0]
    file.write_text(
        f"{text}\nmail:\n  host: {HOST}\n  port: {inbox.port}\n  from: kyber@esimerkkila.example\n"
        f"  ca_file: {authority.file}\n  username: {USERNAME}\n  password_env: KYBER_MAIL_PASSWORD\n"
        + (f"  fallback: {fallback}\n" if fallback else ""),
        encoding="utf-8",
    )


def remembered(workspace: Path) -> dict[str, set[str]]:
    found, broken = told((workspace / ".kyber" / FILE).read_bytes())
    assert broken == 0
    return {person: set(one.findings) for person, one in found.items()}


def ids(*numbers: int) -> set[str]:
    return {f"{number:032x}" for number in numbers}


def text_of(inbox: Inbox, address: str, at: int = -1) -> str:
    body = inbox.mails[address][at].get_body(("plain",))
    assert body is not None
    return str(body.get_content())


# --- by mail ---------------------------------------------------------------------------------------------------------


def test_each_owner_is_mailed_the_findings_of_their_sources_and_the_fallback_the_rest(
    mailing: Path, inbox: Inbox
) -> None:
    assert owner_of(mailing, "backup") == "it-operations"
    keep(mailing, of("backup", 1), of("", 2, Level.CRITICAL))
    result = kyber("digest", "--send", "--workspace", mailing)
    assert result.exit_code == 0, result.output
    assert inbox.mails.keys() == {SANNA, EERO}
    assert f"{1:032x}" in text_of(inbox, SANNA)
    assert f"{2:032x}" not in text_of(inbox, SANNA)
    assert f"{2:032x}" in text_of(inbox, EERO)
    assert inbox.mails[SANNA][0]["Subject"].startswith("kyber: 1 new finding (1 high) –")
    assert remembered(mailing) == {"sanna.kuvitteellinen": ids(1), "eero.malli": ids(2)}
    assert {line.split(": ")[1] for line in result.stdout.splitlines()} == {f"sent to {SANNA}", f"sent to {EERO}"}
    assert PASSWORD not in result.output


def test_nothing_is_mailed_twice_and_no_news_is_no_mail(mailing: Path, inbox: Inbox) -> None:
    keep(mailing, of("backup", 1))
    assert kyber("digest", "--send", "--workspace", mailing).exit_code == 0
    again = kyber("digest", "--send", "--workspace", mailing)
    assert (again.exit_code, again.stdout) == (0, "There is no news: no mail is sent.\n")
    assert len(inbox.mails[SANNA]) == 1
    keep(mailing, of("backup", 1), of("backup", 2))
    assert kyber("digest", "--send", "--workspace", mailing).exit_code == 0
    assert len(inbox.mails[SANNA]) == 2
    assert "1 new finding\r\n" in text_of(inbox, SANNA)
    assert "1 serious finding still open" in text_of(inbox, SANNA)


def test_a_mail_that_was_refused_is_sent_the_next_time_and_the_others_are_sent_now(mailing: Path, inbox: Inbox) -> None:
    keep(mailing, of("backup", 1), of("", 2))
    inbox.refuses = frozenset((SANNA,))
    result = kyber("digest", "--send", "--workspace", mailing)
    assert result.exit_code == 4
    assert f"not sent to {SANNA}: the server refuses the address (550" in result.stderr
    assert "\x1b" not in result.stderr
    assert inbox.mails.keys() == {EERO}
    assert remembered(mailing) == {"eero.malli": ids(2)}
    inbox.refuses = frozenset()
    assert kyber("digest", "--send", "--workspace", mailing).exit_code == 0
    assert {address: len(mails) for address, mails in inbox.mails.items()} == {EERO: 1, SANNA: 1}
    assert remembered(mailing) == {"eero.malli": ids(2), "sanna.kuvitteellinen": ids(1)}


def test_a_wrong_password_sends_nothing_and_shows_nowhere(
    mailing: Path, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(mailing, of("backup", 1))
    monkeypatch.setenv("KYBER_MAIL_PASSWORD", "guessed wrong")
    result = kyber("digest", "--send", "--workspace", mailing)
    assert result.exit_code == 4
    assert "refuses the user name or the password" in result.stderr
    assert "guessed" not in result.output
    assert inbox.mails == {}
    assert remembered(mailing) == {}


def test_a_server_of_an_unknown_authority_gets_nothing(mailing: Path, inbox: Inbox, tmp_path: Path) -> None:
    keep(mailing, of("backup", 1))
    mail_to(mailing, inbox, Authority(tmp_path))
    result = kyber("digest", "--send", "--workspace", mailing)
    assert result.exit_code == 4
    assert "certificate is not trusted" in result.stderr
    assert inbox.mails == {}


def test_without_its_password_nothing_is_tried(mailing: Path, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(mailing, of("backup", 1))
    monkeypatch.delenv("KYBER_MAIL_PASSWORD")
    result = kyber("digest", "--send", "--workspace", mailing)
    assert result.exit_code == 2
    assert "S14" in result.stderr
    assert "$KYBER_MAIL_PASSWORD" in result.stderr
    assert inbox.mails == {}


def test_a_dry_run_says_what_would_be_mailed_and_mails_and_remembers_nothing(mailing: Path, inbox: Inbox) -> None:
    keep(mailing, of("backup", 1))
    for arguments in (("--dry-run",), ("--send", "--dry-run")):
        result = kyber("digest", *arguments, "--workspace", mailing)
        assert result.exit_code == 0
        assert f"would be sent to {SANNA}: kyber: 1 new finding (1 high)" in result.stdout
    assert inbox.mails == {}
    assert not (mailing / ".kyber" / FILE).exists()


def test_one_person_with_two_roles_gets_one_mail(mailing: Path, inbox: Inbox) -> None:
    file = mailing / "people.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("holders: [sanna.kuvitteellinen]", "holders: [eero.malli]"), encoding="utf-8")
    keep(mailing, of("backup", 1), of("", 2))
    assert kyber("digest", "--send", "--workspace", mailing).exit_code == 0
    assert {address: len(mails) for address, mails in inbox.mails.items()} == {EERO: 1}
    assert "2 new findings" in text_of(inbox, EERO)


def test_where_no_holder_has_an_address_the_deputies_are_told(mailing: Path, inbox: Inbox) -> None:
    file = mailing / "people.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(f"    email: {SANNA}\n", ""), encoding="utf-8")
    keep(mailing, of("backup", 1))
    assert kyber("digest", "--send", "--workspace", mailing).exit_code == 0
    assert inbox.mails.keys() == {PEKKA}


def test_what_reaches_nobody_is_said_and_ends_with_4(mailing: Path, inbox: Inbox, authority: Authority) -> None:
    mail_to(mailing, inbox, authority, fallback="")
    keep(mailing, of("", 1), of("backup", 2))
    result = kyber("digest", "--send", "--workspace", mailing)
    assert result.exit_code == 4
    assert "Nobody with an e-mail address answers for what nobody owns" in result.stderr
    assert inbox.mails.keys() == {SANNA}


def test_what_cannot_be_read_is_told_once_to_who_owns_it(mailing: Path, inbox: Inbox) -> None:
    (mailing / "logs" / "backup" / "backup.log").unlink()
    (mailing / "sources" / "broken.yaml").write_text("id: [\n", encoding="utf-8")
    for _ in range(2):
        assert kyber("digest", "--send", "--workspace", mailing).exit_code == 0
    assert {address: len(mails) for address, mails in inbox.mails.items()} == {SANNA: 1, EERO: 1}
    assert "F01" in text_of(inbox, SANNA)
    assert "sources/broken.yaml" in text_of(inbox, EERO)


def test_a_source_that_fell_silent_is_told_of_once_to_its_owner(mailing: Path, inbox: Inbox) -> None:
    file = mailing / "sources" / "backup.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("expected_every: 2 d", "expected_every: 1 s"), "utf-8")
    assert "silent" not in kyber("digest", "--owner", "it-operations", "--workspace", mailing).stdout
    assert kyber("scan", "--workspace", mailing).exit_code == 0
    for _ in range(2):
        assert kyber("digest", "--send", "--workspace", mailing).exit_code == 0
    assert len(inbox.mails[SANNA]) == 1
    assert "(backup): the last event is from" in text_of(inbox, SANNA)


def test_lines_of_the_memory_that_cannot_be_read_are_told_of(mailing: Path) -> None:
    (mailing / ".kyber" / FILE).write_text("{}\n", encoding="utf-8")
    result = kyber("digest", "--send", "--workspace", mailing)
    assert result.exit_code == 0
    assert "1 line of" in result.stderr


@pytest.mark.parametrize("more", [("--owner", "director"), ("--since", "1d"), ("--format", "json")])
def test_sending_goes_to_everybody_and_takes_no_choice(mailing: Path, more: tuple[str, str]) -> None:
    assert kyber("digest", "--send", *more, "--workspace", mailing).exit_code == 2


def test_without_a_mail_server_nothing_can_be_sent(county: Path) -> None:
    result = kyber("digest", "--send", "--workspace", county)
    assert result.exit_code == 2
    assert "names no mail server" in result.stderr


# --- on the terminal -------------------------------------------------------------------------------------------------


def test_the_digest_of_each_owner_is_shown_and_nothing_is_remembered(county: Path) -> None:
    keep(county, of("backup", 1), of("patient-records", 2), of("", 3))
    result = kyber("digest", "--workspace", county)
    assert result.exit_code == 0
    assert [line for line in result.stdout.splitlines() if line.startswith("For: ")] == [
        "For: what nobody owns",
        "For: Tietosuojavastaava",
        "For: Tietohallinnon ylläpito",
    ]
    assert not (county / ".kyber" / FILE).exists()


def test_one_owner_s_digest_is_shown_in_each_form(mailing: Path) -> None:
    keep(mailing, replace(of("backup", 1), rule=replace(finding().rule, title=f"Anna {CODE}")), of("", 2))
    arguments = ("--workspace", mailing, "--owner", "it-operations", "--format")
    shown = {form: kyber("digest", *arguments, form) for form in ("text", "html", "eml", "json")}
    assert {result.exit_code for result in shown.values()} == {0}
    for form, result in shown.items():
        assert CODE not in result.stdout
        assert f"{1:032x}" in result.stdout, form
        assert f"{2:032x}" not in result.stdout
    assert json.loads(shown["json"].stdout)["new"][0]["title"] == "Anna ******-****"
    mail = message_from_string(shown["eml"].stdout, policy=default)
    assert mail["To"] == f"Sanna Kuvitteellinen <{SANNA}>"
    assert mail.get_body(("html",)) is not None


def test_a_page_or_a_mail_is_of_one_owner(mailing: Path) -> None:
    keep(mailing, of("backup", 1), of("", 2))
    for form in ("html", "eml"):
        result = kyber("digest", "--format", form, "--workspace", mailing)
        assert result.exit_code == 2
        assert "it-operations" in result.stderr
    lines = kyber("digest", "--format", "json", "--workspace", mailing).stdout.splitlines()
    assert len([json.loads(line) for line in lines]) == 2


def test_what_was_mailed_is_not_new_and_since_a_time_it_is(mailing: Path) -> None:
    keep(mailing, of("backup", 1, Level.LOW), when=NOW - timedelta(days=9))
    keep(mailing, of("backup", 2, Level.LOW))
    assert kyber("digest", "--send", "--workspace", mailing).exit_code == 0

    def new(*more: str) -> set[str]:
        result = kyber("digest", "--owner", "it-operations", "--format", "json", *more, "--workspace", mailing)
        assert result.exit_code == 0, result.output
        return {one["id"] for one in json.loads(result.stdout)["new"]}

    assert new() == set()
    assert new("--since", "7d") == ids(2)
    assert new("--since", f"{NOW - timedelta(days=10):%Y-%m-%d}") == ids(1, 2)


@pytest.mark.parametrize("wrong", [("--owner", "nobody"), ("--since", "some day")])
def test_an_owner_or_a_time_that_is_none_is_a_wrong_option(county: Path, wrong: tuple[str, str]) -> None:
    assert kyber("digest", *wrong, "--workspace", county).exit_code == 2


def test_a_workspace_without_findings_has_nothing_to_tell(county: Path) -> None:
    result = kyber("digest", "--workspace", county)
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)
