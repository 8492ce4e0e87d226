"""One request and its answer: whole within a time and a size, however it comes: byte by byte, or as little that unpacks
to much.

What the client of Elasticsearch is given to talk with, in the place of its own.
"""

import gzip
import io
import json
import socket
import zlib
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from functools import cache
from http.client import HTTPException, HTTPResponse
from math import inf
from time import monotonic
from typing import Any, Final, NamedTuple, cast

import orjson

REQUEST_SECONDS: Final = 90.0
"""From when a request is begun until its answer is whole; longer than Elasticsearch itself waits for a shard."""
ANSWER_BYTES: Final = 2**26
"""Bytes of an answer, unpacked: eight times what is asked for at once; of hits that take more fewer are asked for."""
PIECE: Final = 2**16
"""Bytes of an answer that are read at once."""

_UNTIL: Final[ContextVar[float]] = ContextVar("_UNTIL", default=inf)
"""When the request that is under way has to be over, by the monotonic clock."""


class LargeError(Exception):
    """An answer is larger than what is taken of any."""


class CodingError(Exception):
    """An answer is packed in a way that was not asked for."""


def _left() -> float:
    """Seconds of the request that are left. Raises TimeoutError where there are none."""
    left = _UNTIL.get() - monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return min(left, REQUEST_SECONDS)


class _Got(NamedTuple):
    """An answer as the client takes it from a node."""

    meta: Any
    body: bytes


class _Within(io.RawIOBase):
    """What comes from a socket, as long as the request has time: each piece is waited for no longer than what is left
    of it, whereas a socket alone waits anew for each."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock, self._raw = sock, raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_left())
        return cast("int | None", self._raw.readinto(buffer))

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(HTTPResponse):
    """An answer whose head and body come within the time of the request."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_Within(sock, cast(Any, self.fp).detach()))


def _whole(pieces: Iterable[bytes], coding: str) -> bytes:
    """An answer, unpacked. Raises LargeError, CodingError, and zlib.error where it is cut off or was not packed."""
    if coding not in ("", "identity", "gzip"):
        raise CodingError(coding)
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16) if coding == "gzip" else None
    made = bytearray()
    for piece in pieces:
        made += piece if unpacking is None else unpacking.decompress(piece, ANSWER_BYTES + 1 - len(made))
        if len(made) > ANSWER_BYTES:
            raise LargeError
    if unpacking is not None and not unpacking.eof:
        raise zlib.error("cut off")
    return bytes(made)


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it, from the outside in."""
    seen: set[int] = set()
    left: list[object] = [error]
    while left:
        one = left.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        left += [*getattr(one, "errors", ()), getattr(one, "reason", None), one.__cause__, one.__context__, *one.args]


@cache
def node_class() -> Any:
    """The class of the nodes through which the client talks."""
    from elastic_transport import (
        ApiResponseMeta,
        ConnectionError,  # noqa: A004 - the name of the client's error
        ConnectionTimeout,
        HttpHeaders,
        Urllib3HttpNode,
    )
    from elastic_transport.client_utils import DEFAULT
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.exceptions import HTTPError
    from urllib3.util import Retry

    class Timed(HTTPConnection):
        """A connection that is made, sent to and read from within the time of the request."""

        response_class = _Answer

        def connect(self) -> None:
            self.timeout = _left()
            super().connect()

        def send(self, data: Any) -> None:
            if self.sock is None:
                self.connect()
            rest = memoryview(data)
            while rest:
                self.sock.settimeout(_left())
                rest = rest[self.sock.send(rest) :]

    class TimedTls(Timed, HTTPSConnection):
        """The same, encrypted."""

    class Node(Urllib3HttpNode):
        """A node as the client has it, but: a request has one time for all of it, and an answer a size; warnings of the
        server raise none here, bodies are never logged, answers that say no in HTML are answers, and no authorities are
        trusted but those of the context."""

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            pool = cast(Any, self.pool)
            pool.ConnectionCls = TimedTls if config.scheme == "https" else Timed
            if config.scheme == "https":
                pool.ca_certs = None

        def perform_request(
            self,
            method: str,
            target: str,
            body: bytes | None = None,
            headers: Any = None,
            request_timeout: Any = DEFAULT,
        ) -> Any:
            asked = self._headers.copy()
            asked.update(headers or {})
            if body and self._http_compress:
                body = gzip.compress(body, 6, mtime=0)
                asked["content-encoding"] = "gzip"
            begun = monotonic()
            seconds = self.config.request_timeout if request_timeout is DEFAULT else request_timeout
            before = _UNTIL.set(begun + (REQUEST_SECONDS if seconds is None else seconds))
            try:
                status, said, data = self._answer(method, f"{self.path_prefix}{target}", body or None, asked)
            except (OSError, HTTPError, HTTPException, zlib.error, LargeError, CodingError) as error:
                late = any(isinstance(one, TimeoutError) for one in causes(error))
                raise (ConnectionTimeout if late else ConnectionError)(str(error), errors=(error,)) from error
            finally:
                _UNTIL.reset(before)
            if status >= 300 and "json" not in (said.get("content-type") or ""):
                data = b""
            meta = ApiResponseMeta(
                node=self.config, duration=monotonic() - begun, http_version="1.1", status=status, headers=said
            )
            return _Got(meta, data)

        def _answer(self, method: str, target: str, body: bytes | None, headers: Any) -> Any:
            answer = self.pool.urlopen(
                method, target, body=body, headers=headers, retries=Retry(False), preload_content=False
            )
            whole = False
            try:
                data = _whole(
                    answer.stream(PIECE, decode_content=False), answer.headers.get("content-encoding", "").lower()
                )
                whole = True
            finally:
                if not whole:  # what is left of it must not be taken for the next answer
                    answer.close()
                answer.release_conn()
            said = {key: value for key, value in answer.headers.items() if key.lower() != "warning"}
            return answer.status, HttpHeaders(said), data

    return Node


@cache
def serializer() -> Any:
    """What reads and writes JSON for the client."""
    from elasticsearch import JsonSerializer

    class Json(JsonSerializer):
        """Read by orjson, and by the standard library what orjson does not take, such as half a character."""

        def json_loads(self, data: str | bytes) -> Any:
            try:
                return orjson.loads(data)
            except ValueError:
                try:
                    return json.loads(data)
                except RecursionError:
                    raise ValueError("nested too deep") from None

        def json_dumps(self, data: Any) -> bytes:
            return json.dumps(data, ensure_ascii=True, separators=(",", ":")).encode()

    return Json()


@cache
def lines() -> Any:
    """What writes the bodies of bulk requests for it."""
    from elastic_transport import NdjsonSerializer

    class Lines(NdjsonSerializer):
        """The body of a bulk request is ready made, and is not copied."""

        def dumps(self, data: Any) -> bytes:
            return data if isinstance(data, bytes) else super().dumps(data)

    return Lines()
