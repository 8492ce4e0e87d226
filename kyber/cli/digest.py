"""`kyber digest`: the kept findings of a workspace in, what each owner is to be told out, as text or as mail."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from errno import EACCES
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kyber.cli.console import ExitCode, Where, day_here, plain, root_of, say, tell_problems
from kyber.errors import UsageError

if TYPE_CHECKING:
    from email.message import EmailMessage

    from kyber.digest import Digest, Silence, Unread
    from kyber.duty import Duty
    from kyber.finding import Judgement
    from kyber.kept import KeptFinding
    from kyber.logs.source import LogSource
    from kyber.mail import Letter, Server
    from kyber.people import Person
    from kyber.settings import Mail
    from kyber.text import Words
    from kyber.told import Sent, Told
    from kyber.workspace import Workspace


class Form(StrEnum):
    """The forms in which a digest is shown."""

    TEXT = "text"
    HTML = "html"
    EML = "eml"
    JSON = "json"


def digest(
    owner: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Only the digest of this role or person.", show_default=False),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="New is what was first found since then, 2026-01-31, yesterday, or 7d back; else what was not mailed.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        Form, typer.Option("--format", help="Text to read, a page, the mail itself, or JSON lines.")
    ] = Form.TEXT,
    send: Annotated[bool, typer.Option("--send", help="Mail each reader what is new to them.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what --send would mail to whom, and mail nothing.")
    ] = False,
    workspace: Where = None,
) -> None:
    """Show or mail what is new, open, silent or unread, to those who answer for it.

    Ends with 4 where somebody could not be told.
    """
    from kyber.workspace import at

    news = _gather(at(root_of(workspace or Path())), datetime.now(UTC))
    if send or dry_run:
        if owner is not None or since is not None or form is not Form.TEXT:
            raise UsageError("--send mails everybody what is new to them: leave out --owner, --since and --format")
        _send(news, dry_run=dry_run)
    else:
        _show(news, owner, _moment(since, news), form)


@dataclass(frozen=True, slots=True, kw_only=True)
class _News:
    """All that digests are made of, before it is parted among those who answer for it."""

    here: "Workspace"
    words: "Words"
    duty: "Duty"
    now: datetime
    findings: "tuple[tuple[KeptFinding, tuple[str, ...]], ...]"
    judged: "Mapping[str, Judgement]"
    silent: "tuple[Silence, ...]"
    unread: "tuple[Unread, ...]"

    def owners(self) -> tuple[str, ...]:
        """Everybody who answers for any of it, in order; the empty id stands for nobody."""
        found = {owner for _, owners in self.findings for owner in owners or ("",)}
        for source in (*(one.source for one in self.silent), *(one.source for one in self.unread)):
            found.update(self.duty.owners(source) or ("",))
        return tuple(sorted(found))

    def digest(self, owners: Sequence[str], told: "Told", *, reader: str, since: datetime | None = None) -> "Digest":
        """The digest of what these owners answer for."""
        from kyber.digest import compose

        theirs = frozenset(owners)

        def is_theirs(source: str) -> bool:
            return not theirs.isdisjoint(self.duty.owners(source) or ("",))

        return compose(
            (one for one, owned in self.findings if not theirs.isdisjoint(owned or ("",))),
            self.judged,
            [one for one in self.silent if is_theirs(one.source)],
            [one for one in self.unread if is_theirs(one.source)],
            told,
            reader=reader,
            organisation=self.here.settings.organisation,
            owners=tuple(self.title(owner) for owner in owners),
            now=self.now,
            since=since,
        )

    def title(self, owner: str) -> str:
        return self.duty.title(owner) if owner else self.words("digest.no-owner")

    def reached(self, owner: str) -> "tuple[Person, ...]":
        return self.duty.reached(owner) if owner else ()


def _gather(here: "Workspace", now: datetime) -> _News:
    from kyber import kept, triage
    from kyber.digest import Unread
    from kyber.duty import Duty, silences
    from kyber.join import read_workspace
    from kyber.problem import Severity
    from kyber.text import words_for

    day = day_here(here, now)
    found, problems = read_workspace(here.root, day)
    mail = here.settings.mail
    duty = Duty(people=found.people, sources=found.sources, fallback=mail.fallback if mail else None, today=day)
    findings: tuple[kept.KeptFinding, ...] = ()
    if (here.state / kept.FILE).exists():  # otherwise no scan has kept anything yet
        with kept.open(here.state) as store:
            findings = store.all()
    last, broken = _last_events(here), [problem for problem in problems if problem.severity is Severity.ERROR]
    return _News(
        here=here,
        words=words_for(here.settings.language),
        duty=duty,
        now=now,
        findings=tuple((one, duty.owners_of(one.finding)) for one in findings),
        judged=triage.judged(findings, triage.by_finding(found.triage), day),
        silent=() if last is None else silences(found.sources, last, now),
        unread=(*_unread(here, found.sources, now), *(Unread("", problem) for problem in broken)),
    )


def _last_events(here: "Workspace") -> "Mapping[str, datetime | None] | None":
    """Each source's last stored event; None where nothing was ever collected: then nothing can be said of silence."""
    from kyber.logs.store.parquet import ParquetStore

    if not ParquetStore.exists(here.state):
        return None
    with closing(ParquetStore(here.state)) as store:
        return {source: last for source, (_, last) in store.index.times().items()}


def _unread(here: "Workspace", sources: "Sequence[LogSource]", now: datetime) -> "Iterator[Unread]":
    """What of the sources cannot be read now: paths that lead nowhere, and files that may not be opened."""
    from kyber.digest import Unread
    from kyber.logs.source import inputs_of
    from kyber.problem import Place, Problem, Severity

    for source in sources:
        found, problems = inputs_of(source, here.root, now)
        yield from (Unread(source.id, problem) for problem in problems if problem.severity is Severity.ERROR)
        for one in found:
            if one.path is not None and not os.access(one.path, os.R_OK):
                yield Unread(source.id, Problem(Place(one.name), "F02", {"why": os.strerror(EACCES)}))


# --- on the terminal -------------------------------------------------------------------------------------------------


def _show(news: _News, owner: str | None, since: datetime | None, form: Form) -> None:
    from kyber import told as memory
    from kyber.render import digest as render

    words = news.words
    if owner is not None and news.duty.title(owner) == owner and owner not in _known(news):
        raise UsageError(f"there is no role or person '{owner}'; there are {', '.join(_known(news))}")
    told = _told(memory.read(news.here.state), news)
    made = []
    for each in (owner,) if owner is not None else news.owners():
        people = news.reached(each)
        before = memory.shared([told.get(person.id, memory.Told()) for person in people])
        made.append((people, news.digest((each,), before, reader=each, since=since)))
    if form in (Form.HTML, Form.EML) and len(made) != 1:
        others = ", ".join(filter(None, news.owners())) or words("digest.nothing")
        raise UsageError(f"--format {form} shows one digest: name its --owner, of {others}")
    if form is Form.TEXT and not made:
        say(words("digest.nothing-at-all"))
    for at, (people, one) in enumerate(made):
        match form:
            case Form.TEXT:
                say(("\n" if at else "") + render.text(one, words).rstrip("\n"))
            case Form.JSON:
                say(render.json(one, words))
            case Form.HTML:
                say(render.html(one, words))
            case Form.EML:
                if not people:
                    raise UsageError(words("digest.nobody", owner=one.owners[0]))
                say(_message(news, one, people).as_string())


def _known(news: _News) -> tuple[str, ...]:
    people = news.duty.people
    return (*(role.id for role in people.roles), *(person.id for person in people.people))


def _moment(text: str | None, news: _News) -> datetime | None:
    from kyber.logs.search.when import Clock

    if text is None:
        return None
    try:
        start = Clock(news.now, news.here.settings.zone).since(text).start
    except ValueError as error:
        raise UsageError(f"--since: {error}") from None
    return None if start is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=start)


# --- by mail ---------------------------------------------------------------------------------------------------------


def _send(news: _News, *, dry_run: bool) -> None:
    """Mail each person one digest of all that they answer for, and remember each that the server accepted."""
    from kyber import told as memory
    from kyber.mail import Letter, deliver
    from kyber.render.digest import subject

    words, mail, state = news.words, _mail(news.here), news.here.state
    server = _server(news.here, mail, words)
    nobody = [
        one for one in news.owners() if not news.reached(one) and news.digest((one,), memory.Told(), reader=one).news
    ]
    failed = False
    with nullcontext() if dry_run else memory.opened(state) as opened:
        told = _told(memory.read(state) if opened is None else opened.text, news)
        made: dict[str, tuple[Letter, Digest]] = {}
        for person, owners in _readers(news):
            one = news.digest(owners, told.get(person.id, memory.Told()), reader=person.id)
            if one.news:
                made[person.id] = (
                    Letter(person.id, mail.sender, person.email or "", _message(news, one, (person,))),
                    one,
                )
        if opened is None:
            for letter, one in made.values():
                say(words("digest.would-send", to=plain(letter.address), subject=plain(subject(one, words))))
        elif made:
            for letter, reason in deliver(server, [letter for letter, _ in made.values()]):
                if reason is None:
                    one = made[letter.reader][1]
                    opened.add(_sent(letter, one))
                    say(words("digest.sent", id=one.id, to=plain(letter.address)))
                else:
                    failed = True
                    say(words("digest.failed", to=plain(letter.address), reason=plain(reason)), error=True)
    if not made:
        say(words("digest.no-news"))
    if failed:
        say(words("digest.again"), error=True)
    for owner in nobody:
        say(words("digest.nobody", owner=plain(news.title(owner))), error=True)
    if failed or nobody:
        raise typer.Exit(ExitCode.UNDELIVERED)


def _sent(letter: "Letter", one: "Digest") -> "Sent":
    from kyber.told import Sent

    return Sent(
        digest=one.id,
        time=one.time,
        person=letter.reader,
        address=letter.address,
        findings=one.keys,
        silent=tuple(each.key for each in one.silent),
        unread=tuple(each.key for each in one.unread),
    )


def _told(text: bytes, news: _News) -> "Mapping[str, Told]":
    """What each person was told; a line that cannot be read is told of."""
    from kyber.told import FILE, told

    found, broken = told(text)
    if broken:
        say(news.words.many("digest.broken", broken, file=plain(news.here.state / FILE)), error=True)
    return found


def _readers(news: _News) -> "Iterator[tuple[Person, tuple[str, ...]]]":
    """Everybody who is to be told, with the owners that they are told for."""
    found: dict[str, tuple[Person, list[str]]] = {}
    for owner in news.owners():
        for person in news.reached(owner):
            found.setdefault(person.id, (person, []))[1].append(owner)
    for person, owners in found.values():
        yield person, tuple(owners)


def _message(news: _News, one: "Digest", people: "Sequence[Person]") -> "EmailMessage":
    from kyber.mail import Reader, message
    from kyber.render import digest as render

    words = news.words
    return message(
        sender=_mail(news.here).sender,
        readers=[Reader(person.name, person.email or "") for person in people],
        subject=render.subject(one, words),
        text=render.text(one, words),
        html=render.html(one, words),
        id_=one.id,
        time=one.time,
        language=words.language,
    )


def _mail(here: "Workspace") -> "Mail":
    if here.settings.mail is None:
        raise UsageError(f"{here.settings_file} names no mail server: add mail, with host, from and fallback")
    return here.settings.mail


def _server(here: "Workspace", mail: "Mail", words: "Words") -> "Server":
    """The server with its password. Raises typer.Exit where the password is not to be had."""
    from kyber import secret
    from kyber.mail import Server

    password = None
    if mail.username is not None:
        field = "password_env" if mail.password_env is not None else "password_file"
        named = secret.Named(at=here.settings.where("mail", field), variable=mail.password_env, file=mail.password_file)
        password, problems = secret.find(named, here.root, os.environ)
        tell_problems(problems, words)
        if password is None:
            raise typer.Exit(ExitCode.USAGE)
    return Server(
        host=mail.host,
        port=mail.port,
        security=mail.security,
        username=mail.username,
        password=password,
        ca_file=here.root / mail.ca_file if mail.ca_file is not None else None,
    )
