"""How a cluster of Elasticsearch is reached: addresses, credentials and certificates in, its client out."""

import logging
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from kyber.errors import UsageError
from kyber.logs.store import exchange
from kyber.render.safe import plain
from kyber.secret import Secret
from kyber.settings import LOOPBACK, shown_address

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

LONGEST_REASON: Final = 300
"""Characters of what a server gives as its reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a cluster is reached: by addresses, or by the id of a deployment in Elastic Cloud.

    Without `ca_file`, the authorities that the system knows are trusted. `client_key` may stand in `client_cert`.
    """

    urls: tuple[str, ...] = ()
    cloud_id: str | None = None
    api_key: Secret | None = None
    username: str | None = None
    password: Secret | None = None
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    verify: bool = True
    allow_plaintext: bool = False

    @property
    def name(self) -> str:
        """The addresses, or the name of the deployment, as they are shown: without credentials."""
        return ", ".join(map(_address, self.urls)) or _cloud_name(self.cloud_id)


def client(access: Access) -> "Elasticsearch":
    """The client; nothing is sent yet. Raises UsageError where it is not installed, or the access cannot be used."""
    try:
        from elasticsearch import Elasticsearch
    except ImportError:
        raise UsageError(
            "Elasticsearch needs a package that is not installed: pip install 'kyber[elasticsearch]'"
        ) from None
    if bool(access.urls) == (access.cloud_id is not None):
        raise UsageError("name the cluster either by its address (url) or by its cloud_id, under `elasticsearch:`")
    hosts = [_checked(url, access) for url in access.urls]
    remote = any(urlsplit(host).hostname not in LOOPBACK for host in hosts) or not hosts
    secure = not hosts or any(urlsplit(host).scheme == "https" for host in hosts)
    logging.getLogger("elastic_transport").setLevel(logging.CRITICAL)  # what it would say, the errors say
    options: dict[str, Any] = {"ssl_context": _tls(access), "verify_certs": access.verify} if secure else {}
    if secure and not access.verify:
        options["ssl_show_warn"] = False
    try:
        return Elasticsearch(
            hosts=hosts or None,
            cloud_id=access.cloud_id,
            http_compress=remote,
            node_class=exchange.node_class(),
            serializers={"application/json": exchange.serializer(), "application/x-ndjson": exchange.lines()},
            request_timeout=exchange.REQUEST_SECONDS,
            max_retries=0,
            retry_on_timeout=False,
            **_credentials(access),
            **options,
        )
    except (ValueError, TypeError) as error:
        raise UsageError(f"the address of the cluster cannot be used: {line(error)}") from None


def _credentials(access: Access) -> dict[str, Any]:
    if access.api_key is not None and access.username is not None:
        raise UsageError("name either an API key or a user name, under `elasticsearch:`")
    if access.api_key is not None:
        key = access.api_key.value.strip()
        if not key.isascii() or not key.isprintable():
            raise UsageError("the API key of Elasticsearch holds characters that no API key has")
        return {"api_key": tuple(key.split(":", 1)) if ":" in key else key}
    if access.username is not None:
        if access.password is None:
            raise UsageError(f"there is no password for the user {access.username} of Elasticsearch")
        return {"basic_auth": (access.username, access.password.value)}
    return {}


def _checked(url: str, access: Access) -> str:
    """An address with its port. Raises UsageError where it is none, holds a secret, or would send in clear text."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(f"{_address(url)} is no address of Elasticsearch: write https://HOST:9200")
    if "@" in parts.netloc:
        raise UsageError(f"{_address(url)}: no credentials in the address; `elasticsearch:` says where they are")
    if parts.query or parts.fragment:
        raise UsageError(
            f"{_address(url)}: nothing can stand after ? or # in the address of Elasticsearch: write https://HOST:9200"
        )
    if parts.scheme == "http" and host not in LOOPBACK and not access.allow_plaintext:
        raise UsageError(
            f"nothing is sent to {_address(url)} in clear text: use https, or --allow-plaintext where the network "
            "between is trusted"
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}:{port or (443 if parts.scheme == 'https' else 80)}{parts.path.rstrip('/')}"


def _address(url: str) -> str:
    """An address as it is shown: as one harmless line without secrets."""
    return plain(shown_address(url))[:LONGEST_REASON]


def _cloud_name(cloud_id: str | None) -> str:
    return plain((cloud_id or "").partition(":")[0])[:LONGEST_REASON] or "Elastic Cloud"


def _tls(access: Access) -> ssl.SSLContext:
    """What connections are verified against. Raises UsageError where a file cannot be read or is none."""
    try:
        context = ssl.create_default_context(cafile=str(access.ca_file) if access.ca_file else None)
    except OSError as error:  # ssl.SSLError is one
        raise UsageError(f"the certificate of the authority {access.ca_file} cannot be used: {_why(error)}") from None
    if access.client_cert is not None:
        key = str(access.client_key) if access.client_key else None
        try:
            context.load_cert_chain(str(access.client_cert), key, password=_no_password)
        except (OSError, ValueError) as error:
            raise UsageError(f"the client certificate {access.client_cert} cannot be used: {_why(error)}") from None
    elif access.client_key is not None:
        raise UsageError("there is a key of a client (client_key_file), but no certificate (client_cert)")
    if not access.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _no_password() -> str:
    raise ValueError("its key is encrypted")


def _why(error: Exception) -> str:
    return line(getattr(error, "strerror", None) or getattr(error, "reason", None) or error)


def line(text: object) -> str:
    """A text from outside as one harmless line of bounded length."""
    return plain(" ".join(str(text)[: 4 * LONGEST_REASON].split()))[:LONGEST_REASON]
