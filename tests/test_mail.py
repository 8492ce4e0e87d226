from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyber.errors import UsageError
from kyber.mail import Letter, Reader, Server, deliver, message
from kyber.secret import Secret
from tests.mailserver import HOST, PASSWORD, USERNAME, Authority, Inbox, serving

NOW = datetime(2026, 11, 4, 2, 41, tzinfo=UTC)
SENDER = "kyber@county.example"


def mail(
    name: str = "Aino Esimerkki",
    address: str = "aino@county.example",
    subject: str = "kyber: 3 uutta havaintoa",
    text: str = "Hyvää yötä\n",
) -> EmailMessage:
    return message(
        sender=SENDER,
        readers=[Reader(name, address)],
        subject=subject,
        text=text,
        html="<p>Hyvää yötä</p>\n",
        id_="ab" * 16,
        time=NOW,
        language="fi",
    )


def letter(address: str) -> Letter:
    return Letter(address.partition("@")[0], SENDER, address, mail(address=address))


def server(inbox: Inbox, authority: Authority | None = None) -> Server:
    return Server(
        host=HOST,
        port=inbox.port,
        security="starttls" if authority else "none",
        ca_file=authority.file if authority else None,
    )


def outcomes(server: Server, addresses: Sequence[str]) -> dict[str, str | None]:
    return {one.address: reason for one, reason in deliver(server, [letter(address) for address in addresses])}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


# --- to a real server ------------------------------------------------------------------------------------------------


def test_a_mail_arrives_over_starttls_with_both_its_parts(authority: Authority) -> None:
    with serving(authority) as inbox:
        assert outcomes(server(inbox, authority), ["aino@county.example"]) == {"aino@county.example": None}
    (got,) = inbox.mails["aino@county.example"]
    plain, html = got.get_body(("plain",)), got.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content() == "Hyvää yötä\r\n"
    assert html.get_content() == "<p>Hyvää yötä</p>\r\n"
    assert got["Content-Language"] == "fi"
    assert got["Subject"] == "kyber: 3 uutta havaintoa"
    assert got["To"].addresses[0].addr_spec == "aino@county.example"
    assert got["Message-ID"] == f"<{'ab' * 16}@county.example>"
    assert got["Auto-Submitted"] == "auto-generated"
    assert got["Date"].datetime == NOW


def test_a_mail_arrives_over_tls_from_the_start(authority: Authority) -> None:
    with serving(authority, implicit=True) as inbox:
        assert outcomes(replace(server(inbox, authority), security="tls"), ["a@b.example"]) == {"a@b.example": None}
    assert inbox.mails.keys() == {"a@b.example"}


def test_a_server_without_starttls_gets_nothing(authority: Authority) -> None:
    with serving(None) as inbox:
        reason = outcomes(server(inbox, authority), ["a@b.example"])["a@b.example"]
    assert reason is not None
    assert "STARTTLS" in reason
    assert inbox.mails == {}


@pytest.mark.parametrize("implicit", [False, True])
def test_a_server_whose_authority_is_not_known_gets_nothing(
    authority: Authority, implicit: bool, tmp_path: Path
) -> None:
    other = Authority(tmp_path)
    with serving(other, implicit=implicit) as inbox:
        to = replace(server(inbox, authority), security="tls" if implicit else "starttls")
        reasons = outcomes(to, ["a@b.example", "c@d.example"])
    assert list(reasons) == ["a@b.example", "c@d.example"]
    assert all("certificate is not trusted" in (reason or "") for reason in reasons.values())
    assert inbox.mails == {}


def test_a_server_whose_certificate_is_for_another_name_gets_nothing(tmp_path: Path) -> None:
    other = Authority(tmp_path, "mail.elsewhere.example")
    with serving(other) as inbox:
        reason = outcomes(server(inbox, other), ["a@b.example"])["a@b.example"]
    assert "certificate is not trusted" in (reason or "")
    assert inbox.mails == {}


def test_the_system_s_authorities_do_not_know_ours(authority: Authority) -> None:
    with serving(authority) as inbox:
        reason = outcomes(replace(server(inbox, authority), ca_file=None), ["a@b.example"])["a@b.example"]
    assert "certificate is not trusted" in (reason or "")


def test_a_password_opens_the_server_and_a_wrong_one_does_not_and_shows_nowhere(authority: Authority) -> None:
    with serving(authority, passwords=True) as inbox:
        right = replace(server(inbox, authority), username=USERNAME, password=Secret(PASSWORD))
        assert outcomes(right, ["a@b.example"]) == {"a@b.example": None}
        wrong = replace(right, password=Secret("guessed wrong"))
        reason = outcomes(wrong, ["c@d.example"])["c@d.example"] or ""
        none = outcomes(server(inbox, authority), ["e@f.example"])["e@f.example"] or ""
    assert "refuses the user name or the password (535)" in reason
    assert "guessed" not in reason + repr(wrong)
    assert "530" in none
    assert inbox.mails.keys() == {"a@b.example"}


def test_a_refused_address_keeps_no_other_mail_from_being_sent(authority: Authority) -> None:
    with serving(authority, refuses=frozenset(("b@x.example",))) as inbox:
        reasons = outcomes(server(inbox, authority), ["a@x.example", "b@x.example", "c@x.example"])
    assert reasons["a@x.example"] is None
    assert reasons["c@x.example"] is None
    assert reasons["b@x.example"] == "the server refuses the address (550 5.1.1 no such mailbox\\x1b[31m here)"
    assert inbox.mails.keys() == {"a@x.example", "c@x.example"}


def test_where_the_server_goes_away_what_is_left_is_not_sent_and_each_is_told(authority: Authority) -> None:
    with serving(authority, closes_after=1) as inbox:
        reasons = outcomes(server(inbox, authority), ["a@x.example", "b@x.example", "c@x.example"])
    assert reasons["a@x.example"] is None
    assert reasons["b@x.example"]
    assert reasons["c@x.example"] == "the connection was lost"
    assert inbox.mails.keys() == {"a@x.example"}


def test_where_no_server_answers_each_letter_says_so() -> None:
    with serving(None) as inbox:
        gone = server(inbox)
    assert set(outcomes(gone, ["a@x.example", "b@x.example"]).values()) == {f"{HOST}:{gone.port}: Connection refused"}


def test_clear_text_goes_to_this_machine_only() -> None:
    with serving(None) as inbox:
        assert outcomes(server(inbox), ["a@b.example"]) == {"a@b.example": None}
    with pytest.raises(UsageError, match="clear text"):
        Server(host="mail.county.example", port=25, security="none")


def test_what_stops_the_caller_stops_the_sending(authority: Authority) -> None:
    with serving(authority) as inbox:
        sending = deliver(server(inbox, authority), [letter("a@x.example"), letter("b@x.example")])
        assert next(iter(sending))[1] is None
        sending.close()  # type: ignore[attr-defined]
    assert inbox.mails.keys() == {"a@x.example"}


# --- the mail itself -------------------------------------------------------------------------------------------------

HEADERS = (
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "Content-Language",
    "MIME-Version",
    "Content-Type",
)


@given(name=st.text(max_size=80), subject=st.text(max_size=300))
def test_no_text_makes_a_header_or_a_reader_of_its_own(name: str, subject: str) -> None:
    made = mail(name=name, subject=subject)
    got = message_from_bytes(made.as_bytes(), policy=SMTP)
    assert sorted(got.keys()) == sorted(HEADERS)
    to = got["To"]
    assert isinstance(to, AddressHeader)
    assert [one.addr_spec for one in to.addresses] == ["aino@county.example"]


@pytest.mark.parametrize("evil", ["x\r\nBcc: eve@evil.example", "x\nBcc: eve@evil.example", "x\r\n\r\nbody", "x\x00y"])
def test_a_line_end_in_a_name_or_a_subject_is_shown_and_not_obeyed(evil: str) -> None:
    made = mail(name=evil, subject=evil).as_bytes()
    got = message_from_bytes(made, policy=SMTP)
    assert got["Bcc"] is None
    assert "\\" in got["Subject"]
    assert "eve@evil.example" not in [one.addr_spec for one in got["To"].addresses]


@pytest.mark.parametrize(
    "evil", ["a@b.example\r\nBcc: eve@evil.example", "a@b.example, eve@evil.example", "nobody", ""]
)
def test_what_is_no_address_makes_no_mail(evil: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        mail(address=evil)


@given(text=st.text(max_size=2_000))
def test_lines_of_a_mail_are_short_and_end_as_mail_servers_ask(text: str) -> None:
    lines = mail(text=text.encode("utf-8", "replace").decode()).as_bytes().split(b"\r\n")
    assert all(len(line) < 998 for line in lines)
    assert not any(b"\n" in line or b"\r" in line for line in lines)


def test_a_secret_of_letters_that_servers_do_not_take_is_told_of_without_showing_it(authority: Authority) -> None:
    with serving(authority, passwords=True) as inbox:
        to = replace(server(inbox, authority), username=USERNAME, password=Secret("öylätti"))
        reason = outcomes(to, ["a@b.example"])["a@b.example"] or ""
    assert reason
    assert "öylätti" not in reason
