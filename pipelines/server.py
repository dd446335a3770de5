"""A Kubeflow Pipelines server: how it is reached, and what its refusals mean.

server = Server(host="https://kubeflow.example/pipeline", namespace="ada", token=token)
with connected(server) as client:                   # a kfp.Client; everything that fails on the way is a LoupeError
    client.list_experiments()
"""

import contextlib
import json
import ssl
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import kfp_server_api
import urllib3
from kfp.client import Client

from loupe.errors import BackendUnavailable, InvalidOption, LoupeError

TOKEN = "LOUPE_KFP_TOKEN"  # noqa: S105  (the variable's name)
HEALTH = "/apis/v2beta1/healthz"
PATIENCE = 15.0  # seconds for the first answer


class PipelinesRefused(LoupeError):
    """Kubeflow Pipelines answered, and not with what was asked for: who asks, where, or what."""

    status = 502
    exit_code = 26


@dataclass(frozen=True, kw_only=True)
class Server:
    """``host`` is the address whose ``/apis/v2beta1`` answers; Kubeflow itself has it under ``/pipeline``."""

    host: str
    namespace: str = ""
    token: str = field(default="", repr=False)
    ca_cert: Path | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.host)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise InvalidOption(f"host: got {self.host!r}, expected http(s)://host[:port][/path]")
        if parts.username or parts.password:
            raise InvalidOption(f"host: got a user or password in the address of {parts.hostname}, expected a token")
        if not self.token.isascii() or any(not letter.isprintable() or letter == " " for letter in self.token):
            raise InvalidOption("token: got blanks or other letters than tokens have in it, expected one line")
        if self.ca_cert and not self.ca_cert.is_file():
            raise InvalidOption(f"ca-cert: got {self.ca_cert}, expected a file of PEM certificates")

    def page(self, kind: str, identity: str) -> str:
        """Address of the page of a run or a recurring run."""
        return f"{self.host.rstrip('/')}/#/{kind}/details/{identity}"


def read_token(path: Path | None, environment: Mapping[str, str]) -> str:
    """From the file, or else LOUPE_KFP_TOKEN; empty when neither is there. Never from the command line."""
    if path is None:
        return environment.get(TOKEN, "").strip()
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidOption(f"token-file: {path} cannot be read ({type(error).__name__}), expected a token") from error
    if not token:
        raise InvalidOption(f"token-file: {path} is empty, expected a token")
    return token


@contextlib.contextmanager
def connected(server: Server) -> Iterator[Client]:
    """A client of a server that answers. Raises BackendUnavailable, PipelinesRefused and InvalidOption."""
    health = _first_answer(server)
    with _told_plainly(server), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This client only works", FutureWarning)
        client = Client(
            server.host,
            namespace=server.namespace or "kubeflow",
            existing_token=server.token or None,
            ssl_ca_cert=str(server.ca_cert) if server.ca_cert else None,
        )
        if health.get("multi_user") and not client.get_user_namespace():
            raise InvalidOption(
                f"namespace: got none, but {server.host} has many users. Say whose run it is: --namespace PROFILE"
            )
        yield client


def _first_answer(server: Server) -> dict[str, Any]:
    """kfp.Client would wait for 25 seconds before it says that the address or the token is wrong."""
    headers = {"Authorization": f"Bearer {server.token}"} if server.token else {}
    try:
        trusted = ssl.create_default_context(cafile=str(server.ca_cert) if server.ca_cert else None)
        with httpx.Client(verify=trusted, timeout=PATIENCE, trust_env=False) as client:  # as kfp: no proxy
            answer = client.get(server.host.rstrip("/") + HEALTH, headers=headers)
    except ssl.SSLError as error:
        raise InvalidOption(f"ca-cert: {server.ca_cert} has no PEM certificates in it") from error
    except httpx.HTTPError as error:
        raise _unreachable(server, error) from error
    if answer.is_redirect:
        raise PipelinesRefused(f"{server.host} sends to a log-in page instead of answering. {_about_token(server)}")
    if answer.status_code == 404:
        raise PipelinesRefused(
            f"{server.host}: 404, got no {HEALTH}, expected Kubeflow Pipelines. Kubeflow has it under /pipeline."
        )
    if not answer.is_success:
        raise _refusal(server, answer.status_code, answer.text)
    try:
        health = answer.json()
    except ValueError as error:
        raise PipelinesRefused(
            f"{server.host}: got a page, expected JSON of Kubeflow Pipelines. Kubeflow has it under /pipeline; "
            f"if this is a log-in page: {_about_token(server)}"
        ) from error
    return health if isinstance(health, dict) else {}


@contextlib.contextmanager
def _told_plainly(server: Server) -> Iterator[None]:
    try:
        yield
    except kfp_server_api.ApiException as error:
        if not error.status:  # TLS
            raise _unreachable(server, error) from error
        body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else str(error.body or "")
        raise _refusal(server, error.status, body) from None  # its text has headers
    except urllib3.exceptions.HTTPError as error:
        raise _unreachable(server, error) from error


def _unreachable(server: Server, error: Exception) -> LoupeError:
    told = str(error).replace(server.token, "***") if server.token else str(error)
    if "CERTIFICATE_VERIFY_FAILED" in told or "certificate verify failed" in told:
        return BackendUnavailable(
            f"{server.host}: its certificate is not trusted. Give the authority's: --ca-cert FILE ({told})"
        )
    if "SSL" in told or "TLS" in told:
        return BackendUnavailable(f"{server.host}: no TLS there. Is it http:// instead of https://? ({told})")
    return BackendUnavailable(
        f"{server.host} does not answer ({type(error).__name__}: {told}). Correct --host, or open a way to it: "
        "kubectl -n kubeflow port-forward svc/ml-pipeline-ui 8080:80 and --host http://localhost:8080"
    )


def _refusal(server: Server, status: int, body: str) -> LoupeError:
    message = _message_of(body)
    if server.token:
        message = message.replace(server.token, "***")
    said = f" It says: {message}" if message else ""
    if status == 401:
        return PipelinesRefused(f"{server.host}: 401, not logged in. {_about_token(server)}{said}")
    if status == 403:
        where = f"in namespace {server.namespace}" if server.namespace else "without a namespace (--namespace)"
        return PipelinesRefused(
            f"{server.host}: 403, the token's owner may not do this {where}. "
            f"A contributor of the profile may; {_about_token(server)}{said}"
        )
    if status in (502, 503, 504):
        return BackendUnavailable(f"{server.host}: {status}, the server is not ready. Try again in a minute.{said}")
    return PipelinesRefused(f"{server.host}: {status}.{said}")


def _message_of(body: str) -> str:
    """One line of what the server said."""
    try:
        told = json.loads(body)
    except ValueError:
        return ""  # a page of a proxy
    message = (told.get("message") or told.get("error_message") or told.get("error")) if isinstance(told, dict) else ""
    return " ".join(str(message or "").split())[:500]


def _about_token(server: Server) -> str:
    if server.token:
        return "The token that was given is not taken; it may have expired."
    return f"Give a token: --token-file FILE, or {TOKEN} in the environment."
