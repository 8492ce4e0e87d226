"""The exception tree. A Problem is for what a user can mend and the rest can go on without; an exception ends the call.

KyberError
├── UsageError          wrong options or settings: exit 2
│   └── WorkspaceError  no workspace here, or its settings cannot be used
├── NothingReadError    nothing could be read at all: exit 3
└── UndeliveredError    what is to be delivered to cannot be reached, or takes nothing: exit 4
"""


class KyberError(Exception):
    """The base of every error that kyber raises on purpose; its text says what, where and what to do."""


class UsageError(KyberError):
    """The options or the settings cannot be used as they are."""


class WorkspaceError(UsageError):
    """There is no workspace here, or its settings cannot be read."""


class NothingReadError(KyberError):
    """None of the given inputs could be read."""


class UndeliveredError(KyberError):
    """A place to which something is to be delivered, or where it is to be looked up, cannot be reached or refuses."""
