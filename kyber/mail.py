"""Texts in, a mail out; mails and a server in, what became of each out. Nothing is ever sent in clear text by accident.

The connection is verified against the system's authorities, or the one that is named. A mail counts as sent when the
server has accepted it (RFC 5321, section 4.2.5); nothing is tried again here.
"""

import smtplib
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Final, Literal

from kyber.errors import KyberError, UsageError
from kyber.render.safe import plain
from kyber.secret import Secret
from kyber.settings import LOOPBACK

SECONDS: Final = 30.0
"""How long to wait for a server that does not answer."""


class MailError(KyberError):
    """The mail server cannot be reached or will not be talked to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A mail server. Raises UsageError where it would be talked to in clear text and is not on this machine."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    username: str | None = None
    password: Secret | None = None
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        if self.security == "none" and self.host not in LOOPBACK:
            raise UsageError(f"nothing is sent to {self.host} in clear text: use starttls or tls")


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a mail is for: the name as shown, and the address."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail, and the one address that it goes to; `reader` is the id of the person."""

    reader: str
    sender: str
    address: str
    message: EmailMessage


def message(
    *,
    sender: str,
    readers: Iterable[Reader],
    subject: str,
    text: str,
    html: str,
    id_: str,
    time: datetime,
    language: str,
) -> EmailMessage:
    """A mail with a plain and an HTML part. `id_` names it and nothing else; `time` is aware.

    Names and subject become one visible line each, so that no text makes a header of its own. Raises ValueError where
    an address is none.
    """
    made = EmailMessage(policy=SMTP)
    made["From"] = Address("kyber", addr_spec=sender)
    made["To"] = tuple(Address(plain(one.name), addr_spec=one.address) for one in readers)
    made["Subject"] = plain(subject)
    made["Date"] = format_datetime(time)
    made["Message-ID"] = f"<{id_}@{sender.rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence is reported to it
    made.set_content(text, cte="quoted-printable")
    made.add_alternative(html, subtype="html", cte="quoted-printable")
    made["Content-Language"] = language  # set before, it would belong to the first part
    made.set_boundary(f"kyber-{id_}")
    return made


def deliver(server: Server, letters: Iterable[Letter]) -> Iterator[tuple[Letter, str | None]]:
    """Send each letter by itself, over one connection: the letter, and None as soon as the server has accepted it, or
    why it has not. Where the connection fails, what is left fails with it."""
    left = iter(letters)
    try:
        with _connection(server) as connection:
            for letter in left:
                try:
                    connection.send_message(letter.message, letter.sender, [letter.address])
                    reason = None
                except smtplib.SMTPServerDisconnected:
                    yield letter, "the server closed the connection"
                    break
                except (smtplib.SMTPException, ValueError) as error:
                    reason = _reason(error)
                except OSError as error:
                    yield letter, _reason(error)
                    break
                yield letter, reason
        failed = "the connection was lost"
    except MailError as error:
        failed = str(error)
    for letter in left:
        yield letter, failed


@contextmanager
def _connection(server: Server) -> Iterator[smtplib.SMTP]:
    """A connection, encrypted and logged in as the settings ask. Raises MailError where any of it fails."""
    at = f"{server.host}:{server.port}"
    connection: smtplib.SMTP | None = None
    try:
        context = ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file else None)
        if server.security == "tls":
            connection = smtplib.SMTP_SSL(server.host, server.port, timeout=SECONDS, context=context)
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=SECONDS)
        if server.security == "starttls":
            connection.starttls(context=context)
        if server.username is not None and server.password is not None:
            connection.login(server.username, server.password.value)
    except (smtplib.SMTPException, OSError, ValueError) as error:
        if connection is not None:
            connection.close()
        raise MailError(f"{at}: {_reason(error)}") from None
    try:
        yield connection
    finally:
        with suppress(smtplib.SMTPException, OSError):
            connection.quit()
        connection.close()


def _reason(error: Exception) -> str:
    """Why, in words that hold no secret: what a server says to a password is left out."""
    match error:
        case smtplib.SMTPAuthenticationError():
            return f"the server refuses the user name or the password ({error.smtp_code})"
        case smtplib.SMTPNotSupportedError():
            return str(error)
        case smtplib.SMTPRecipientsRefused():
            code, said = next(iter(error.recipients.values()))
            return f"the server refuses the address ({code} {_said(said)})"
        case smtplib.SMTPResponseException():
            return f"the server answers {error.smtp_code} {_said(error.smtp_error)}"
        case ssl.SSLCertVerificationError():
            return f"the server's certificate is not trusted: {error.verify_message}"
        case TimeoutError():
            return "the server does not answer"
        case UnicodeError():
            return "the user name or the password holds letters that mail servers do not take"
        case OSError():
            return error.strerror or type(error).__name__
        case _:
            return type(error).__name__


def _said(answer: bytes | str) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return plain(" ".join(text.split()))[:200]
