"""What Sigma's modifiers make of a written value: one text in, every pattern that it stands for out.

Sizes are bounded, since rules come from strangers: what grows past MAX_VARIANTS or MAX_CHARACTERS is refused.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product as every
from math import prod

from kyber.logs.sigma.predicate import ANY, Feature, Token, Wild

MAX_VARIANTS = 20_000
"""Patterns that one value may stand for."""
MAX_CHARACTERS = 4 * 2**20
"""Characters that the patterns of one value may have together."""

Placeholders = Mapping[str, Sequence[str]]
State = tuple[Token, ...] | bytes
"""A value between modifiers: a pattern, or the bytes that an encoding made of it."""


def pattern(written: str) -> tuple[Token, ...]:
    r"""A Sigma string as tokens. `\*`, `\?` and `\\` escape; any other backslash is itself."""
    if not _SIGN.search(written):
        return (written,) if written else ()
    tokens: list[Token] = []
    literal: list[str] = []
    # Of each sign: what stands before it, then the character that it escapes, or the wildcard that it is.
    *signs, rest = _SIGN.split(written)
    for before, escaped, wildcard in zip(signs[::3], signs[1::3], signs[2::3], strict=True):
        literal.append(before)
        if escaped:
            literal.append(escaped)
        else:
            if text := "".join(literal):
                tokens.append(text)
            literal.clear()
            tokens.append(_WILDCARDS[wildcard])
    literal.append(rest)
    if text := "".join(literal):
        tokens.append(text)
    return tuple(tokens)


_SIGN = re.compile(r"\\([*?\\])|([*?])")
_WILDCARDS: Mapping[str, Wild] = {wild.value: wild for wild in Wild}


def variants(value: str, modifiers: Sequence[str], placeholders: Placeholders) -> list[tuple[Token, ...]]:
    """The patterns that a value stands for after its modifiers, read from left to right.

    Raises ValueError for what cannot be, and Feature for a placeholder that nothing fills.
    """
    states: list[State] = list(_filled(value, placeholders) if "expand" in modifiers else (pattern(value),))
    for modifier in modifiers:
        change = CHANGES.get(modifier)
        if change is None:
            continue
        after: list[State] = []
        characters = 0
        for before in states:
            for state in change(before):
                after.append(state)
                characters += _size(state)
                if len(after) > MAX_VARIANTS or characters > MAX_CHARACTERS:
                    raise ValueError(f"more than {MAX_VARIANTS} variants, or {MAX_CHARACTERS} characters of them")
        states = after
    return [_tokens(one) for one in states]


def _size(state: State) -> int:
    if isinstance(state, bytes):
        return len(state)
    size = 0
    for token in state:
        size += len(token) if isinstance(token, str) else 1
    return size


def _filled(value: str, placeholders: Placeholders) -> Iterator[tuple[Token, ...]]:
    """The value with each `%name%` replaced by each value of that list."""
    choices: list[Sequence[str]] = []
    for index, piece in enumerate(_PLACEHOLDER.split(value)):
        if index % 2 == 0:
            choices.append([piece])
        elif piece in placeholders:
            choices.append([_escaped(one) for one in placeholders[piece]])
        else:
            raise Feature("placeholder", name=piece)
    if prod(map(len, choices)) > MAX_VARIANTS:
        raise ValueError(f"more than {MAX_VARIANTS} variants")
    for one in every(*choices):
        yield pattern("".join(one))


_PLACEHOLDER = re.compile(r"%([A-Za-z_][\w.-]*)%")


def _escaped(value: str) -> str:
    """A watch list's value as a pattern: its own wildcards count, its backslashes are literal."""
    return re.sub(r"\\(?=[\\*?])", r"\\\\", value)


DASHES = ("-", "/", "\u2013", "\u2014", "\u2015")
_OPTION_DASH = re.compile(r"\B[-/\u2013\u2014\u2015]\b")


def windash(tokens: tuple[Token, ...]) -> Iterator[tuple[Token, ...]]:
    """Every way to write the dashes that begin options. Raises ValueError where those are too many."""
    choices: list[list[Token]] = []
    count = 1
    for token in tokens:
        if isinstance(token, Wild):
            choices.append([token])
            continue
        pieces = _OPTION_DASH.split(token)
        dashes = len(pieces) - 1
        count *= len(DASHES) ** dashes
        if count > MAX_VARIANTS or count * len(token) > MAX_CHARACTERS:
            raise ValueError(f"more than {MAX_VARIANTS} variants, or {MAX_CHARACTERS} characters of them")
        choices.append(
            [
                "".join(piece + dash for piece, dash in zip(pieces, (*signs, ""), strict=True))
                for signs in every(DASHES, repeat=dashes)
            ]
        )
    return (tuple(one) for one in every(*choices))


def base64offset(data: bytes) -> list[str]:
    """The three texts that may stand for `data` inside longer base64, without the characters its neighbours change."""
    found = []
    for shift in range(3):
        encoded = base64.b64encode(b"\x00" * shift + data).decode()
        start = (0, 2, 3)[shift]
        end = (None, -3, -2)[(len(data) + shift) % 3]
        found.append(encoded[start:end])
    return found


def _tokens(state: State) -> tuple[Token, ...]:
    """What encoding left as bytes, read as text again."""
    if isinstance(state, bytes):
        text = state.decode("utf-8", "surrogateescape")
        return (text,) if text else ()
    return state


def _bytes(state: State) -> bytes:
    if isinstance(state, bytes):
        return state
    if any(isinstance(token, Wild) for token in state):
        raise ValueError("wildcards cannot be encoded")
    return "".join(map(str, state)).encode()


def _open_start(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    return tokens if tokens[:1] == (ANY,) else (ANY, *tokens)


def _open_end(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    return tokens if tokens[-1:] == (ANY,) else (*tokens, ANY)


def within(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    return _open_end(_open_start(tokens))


Change = Callable[[State], Iterable[State]]


def _encode(encoding: str) -> Change:
    def change(state: State) -> list[State]:
        text = _bytes(state).decode()
        return [b"\xff\xfe" + text.encode("utf-16-le") if encoding == "utf-16" else text.encode(encoding)]

    return change


def _base64(state: State) -> list[State]:
    return [(base64.b64encode(_bytes(state)).decode(),)]


ENCODINGS = {"utf16le": "utf-16-le", "wide": "utf-16-le", "utf16be": "utf-16-be", "utf16": "utf-16"}
CHANGES: Mapping[str, Change] = {
    "contains": lambda state: [within(_tokens(state))],
    "startswith": lambda state: [_open_end(_tokens(state))],
    "endswith": lambda state: [_open_start(_tokens(state))],
    "windash": lambda state: windash(_tokens(state)),
    "base64": _base64,
    "base64offset": lambda state: [(one,) for one in base64offset(_bytes(state))],
    **{name: _encode(encoding) for name, encoding in ENCODINGS.items()},
}
