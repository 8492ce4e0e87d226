"""Patterns of services' messages: what a service writes in, a message that can be read out.

A pattern holds for the whole message, and finds the address where the service itself writes it. Every repetition in it
is bounded, or ends where the next part must begin, so that a message is read in time that grows with its length.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from kyber.logs.formats.linux_pattern import Fields
from kyber.logs.formats.names import DESTINATION, SOURCE, fill

_GROUPS: Final[Mapping[str, str]] = {
    "user": "user.name",
    "user_domain": "user.domain",
    "target": "user.target.name",
    "source": SOURCE,
    "source_port": "source.port",
    "source_domain": "source.domain",
    "destination": DESTINATION,
    "destination_port": "destination.port",
    "method": "http.request.method",
    "url": "url.original",
    "domain": "url.domain",
    "version": "http.version",
    "status": "http.response.status_code",
    "bytes": "http.response.body.bytes",
    "scheme": "url.scheme",
    "agent": "user_agent.original",
    "referrer": "http.request.referrer",
    "reason": "event.reason",
    "level": "log.level",
    "pid": "process.pid",
    "query": "dns.question.name",
    "query_type": "dns.question.type",
    "transport": "network.transport",
    "entered": "observer.ingress.interface.name",
    "left": "observer.egress.interface.name",
    "sender": "email.from.address",
    "recipient": "email.to.address",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of message: a text that stands in each of them, the form of the whole, and the fields it always gives.

    `columns`: those of the form's groups, in order.
    """

    holds: str
    form: re.Pattern[str]
    fixed: Mapping[str, object]
    columns: tuple[str, ...]

    def read(self, message: str) -> Fields | None:
        """The fields of a message; None where it is not of this kind."""
        found = self.form.fullmatch(message)
        if found is None:
            return None
        fields: Fields = dict(self.fixed)
        for column, value in zip(self.columns, found.groups(), strict=True):
            if value:
                fill(fields, column, value)
        return fields


def message(
    native: str, holds: str, form: str, action: str, category: str = "", outcome: str = "", **fixed: object
) -> Message:
    """A kind of message. Groups that _GROUPS does not name fill `services.<native>.<group>`."""
    compiled = re.compile(form, re.DOTALL | re.ASCII)
    always = {"event.action": action, "event.category": category, "event.outcome": outcome, **fixed}
    return Message(
        holds,
        compiled,
        {key: value for key, value in always.items() if value},
        tuple(_GROUPS.get(name, f"services.{native}.{name}") for name in compiled.groupindex),
    )


ADDRESS: Final = r"[0-9A-Fa-f:.%]{2,64}"
PEER: Final = r"\[?[0-9A-Fa-f:.]{2,64}\]?(?:[:#][0-9]{1,5})?"


attempted = partial(message, action="login", category="authentication")
"""A sign-in whose end the message does not tell."""
failed = partial(message, action="login", category="authentication", outcome="failure")
opened = partial(message, action="login", category="authentication", outcome="success")
