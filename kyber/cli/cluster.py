"""How commands reach Elasticsearch: the settings of a workspace and options in, a connection out."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kyber.cli.console import ExitCode, plain, say, tell_problems
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.logs.store.access import Access
    from kyber.logs.store.cluster import Cluster
    from kyber.secret import Secret
    from kyber.settings import Elasticsearch
    from kyber.workspace import Workspace

Url = Annotated[
    list[str] | None,
    typer.Option(
        "--url",
        metavar="URL",
        help="The address of Elasticsearch, instead of that of the settings; several times for several nodes.",
        show_default=False,
    ),
]
"""The option that says where the cluster is."""
Namespace = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The last part of the names of the data streams.", show_default=False),
]
"""The option that names the namespace."""
AllowPlaintext = Annotated[
    bool, typer.Option("--allow-plaintext", help="Talk to another machine without encryption (http).")
]
"""The option without which nothing passes in clear text."""
Insecure = Annotated[
    bool, typer.Option("--insecure", help="Do not verify the certificate of Elasticsearch; it is said each time.")
]
"""The option without which certificates are verified."""


def cluster_of(
    here: "Workspace", url: list[str] | None = None, *, allow_plaintext: bool = False, insecure: bool = False
) -> "Cluster":
    """The cluster of a workspace, or the one at `url`, with the credentials that the settings name.

    Nothing is asked of it yet. Raises UsageError where there is none, or its access cannot be used as it is, and
    typer.Exit where a secret is not to be had, which is told.
    """
    from kyber.logs.store.cluster import Cluster
    from kyber.text import words_for

    cluster = Cluster(access_of(here, url, allow_plaintext=allow_plaintext, insecure=insecure))
    if insecure:
        say(words_for(here.settings.language)("setup.insecure", cluster=plain(cluster.name)), error=True)
    return cluster


def access_of(
    here: "Workspace", url: list[str] | None = None, *, allow_plaintext: bool = False, insecure: bool = False
) -> "Access":
    """How the cluster is reached; see `cluster_of`."""
    from kyber.logs.store.access import Access

    found = here.settings.elasticsearch
    if found is None:
        if not url:
            raise UsageError(
                f"{here.settings_file} names no Elasticsearch: add elasticsearch with its url, or use --url"
            )
        return Access(urls=tuple(url), verify=not insecure, allow_plaintext=allow_plaintext)
    return Access(
        urls=tuple(url or found.url),
        cloud_id=None if url else found.cloud_id,
        api_key=_secret(here, found, "api_key"),
        username=found.username,
        password=_secret(here, found, "password"),
        ca_file=_file(here, found.ca_file),
        client_cert=_file(here, found.client_cert),
        client_key=_file(here, found.client_key_file),
        verify=not insecure,
        allow_plaintext=allow_plaintext,
    )


def namespace_of(here: "Workspace", namespace: str | None = None) -> str:
    """The namespace that was named, or that of the settings. Raises UsageError where it cannot be one."""
    from kyber.settings import NAMESPACE, Elasticsearch

    found = namespace or (here.settings.elasticsearch or Elasticsearch()).namespace
    if not NAMESPACE.fullmatch(found):
        raise UsageError(
            f"--namespace {found}: use lower-case letters a to z, digits, dots and underscores, for example default"
        )
    return found


def _secret(here: "Workspace", found: "Elasticsearch", what: str) -> "Secret | None":
    """A secret from where the settings say it is. Raises typer.Exit where it is not there."""
    from kyber import secret
    from kyber.text import words_for

    variable, file = getattr(found, f"{what}_env"), getattr(found, f"{what}_file")
    if variable is None and file is None:
        return None
    field = f"{what}_env" if variable is not None else f"{what}_file"
    named = secret.Named(at=here.settings.where("elasticsearch", field), variable=variable, file=file)
    value, problems = secret.find(named, here.root, os.environ)
    tell_problems(problems, words_for(here.settings.language))
    if value is None:
        raise typer.Exit(ExitCode.USAGE)
    return value


def _file(here: "Workspace", name: str | None) -> Path | None:
    return None if name is None else here.root / name
