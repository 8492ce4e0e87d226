"""A real mail server for tests: SMTP on loopback, in a thread of its own, with certificates of a made-up authority."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from pathlib import Path

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HOST = "127.0.0.1"
USERNAME, PASSWORD = "kyber", "a secret of the test"


@dataclass
class Inbox:
    """What the server does, and what it has accepted: address -> mails."""

    port: int = 0
    refuses: frozenset[str] = frozenset()
    closes_after: int = 1_000
    mails: dict[str, list[EmailMessage]] = field(default_factory=dict)

    async def handle_RCPT(  # noqa: N802 - the server looks for this name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuses:
            return "550 5.1.1 no such mailbox\x1b[31m here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        if sum(map(len, self.mails.values())) >= self.closes_after:
            server.transport.close()
            return "421 closing"
        assert isinstance(envelope.content, bytes)
        for address in envelope.rcpt_tos:
            self.mails.setdefault(address, []).append(message_from_bytes(envelope.content, policy=POLICY))  # type: ignore[arg-type]
        return "250 accepted"


class Authority:
    """A made-up authority, and the certificate of a server that it signed."""

    def __init__(self, folder: Path, name: str = HOST) -> None:
        self.ca, self.file = trustme.CA(), folder / f"{name}.pem"
        self.ca.cert_pem.write_to_path(str(self.file))
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.ca.issue_cert(name).configure_cert(self.context)


@contextmanager
def serving(
    authority: Authority | None,
    *,
    implicit: bool = False,
    passwords: bool = False,
    refuses: frozenset[str] = frozenset(),
    closes_after: int = 1_000,
) -> Iterator[Inbox]:
    """A server that runs within: with an authority, mail is taken only over TLS, from the start if `implicit`."""

    def check(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
        known = LoginPassword(USERNAME.encode(), PASSWORD.encode())
        return AuthResult(success=data == known, handled=False)

    inbox = Inbox(refuses=refuses, closes_after=closes_after)

    def session() -> SMTP:
        return SMTP(
            inbox,
            hostname="mail.example",
            tls_context=authority.context if authority and not implicit else None,
            require_starttls=authority is not None and not implicit,
            auth_required=passwords,
            auth_require_tls=not implicit,
            authenticator=check if passwords else None,
            loop=loop,
        )

    async def start() -> asyncio.Server:
        context = authority.context if authority and implicit else None
        return await loop.create_server(session, HOST, 0, ssl=context)

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(start())
    inbox.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield inbox
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
