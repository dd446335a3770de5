"""What is said when a Kubeflow Pipelines server is not there, or refuses; and that no token is ever told."""

import socket
from pathlib import Path

import pytest

from loupe.errors import BackendUnavailable, InvalidOption, LoupeError
from pipelines.__main__ import main
from pipelines.server import PipelinesRefused, Server, connected, read_token
from tests.pipelines import kubeflow as fake

SECRET = "a-token-that-nobody-may-see"


def refused(server: Server) -> LoupeError:
    with pytest.raises(LoupeError) as caught, connected(server) as client:
        client.list_experiments()
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


def test_nobody_listens() -> None:
    with socket.socket() as taken:  # bound, but not listening
        taken.bind(("127.0.0.1", 0))
        error = refused(Server(host=f"http://127.0.0.1:{taken.getsockname()[1]}", token=SECRET))
    assert isinstance(error, BackendUnavailable)
    assert "does not answer (ConnectError" in str(error)
    assert "port-forward" in str(error)


def test_no_such_host() -> None:
    error = refused(Server(host="http://kubeflow.invalid/pipeline"))
    assert isinstance(error, BackendUnavailable)
    assert "Correct --host" in str(error)


def test_another_path(kubeflow: fake.Server) -> None:
    error = refused(Server(host=kubeflow.url.removesuffix("/pipeline")))
    assert isinstance(error, PipelinesRefused)
    assert "404, got no /apis/v2beta1/healthz" in str(error)
    assert "under /pipeline" in str(error)


def test_a_wrong_token_and_none(kubeflow: fake.Server) -> None:
    kubeflow.token = "another"
    error = refused(Server(host=kubeflow.url, token=SECRET))
    assert "401, not logged in. The token that was given is not taken" in str(error)
    assert str(error).endswith("It says: no such token: Bearer ***")  # the server repeats it
    assert "--token-file FILE, or LOUPE_KFP_TOKEN in the environment" in str(refused(Server(host=kubeflow.url)))
    assert kubeflow.asked == [("GET", "/pipeline/apis/v2beta1/healthz")] * 2


def test_a_token_that_expires_meanwhile(kubeflow: fake.Server) -> None:
    def list_late() -> None:
        with connected(Server(host=kubeflow.url, token=SECRET)) as client:
            kubeflow.token = "another"
            client.list_experiments()

    with pytest.raises(PipelinesRefused, match="401, not logged in") as caught:
        list_late()
    assert SECRET not in str(caught.value)


def test_not_allowed_in_the_namespace(kubeflow: fake.Server) -> None:
    kubeflow.status = 403
    told = str(refused(Server(host=kubeflow.url, namespace="ada", token=SECRET)))
    assert "403, the token's owner may not do this in namespace ada" in told
    assert "It says: said by the server" in told
    assert "without a namespace (--namespace)" in str(refused(Server(host=kubeflow.url, token=SECRET)))


@pytest.mark.parametrize(
    ("status", "kind"), [(400, PipelinesRefused), (500, PipelinesRefused), (503, BackendUnavailable)]
)
def test_other_refusals(kubeflow: fake.Server, status: int, kind: type) -> None:
    kubeflow.status = status
    error = refused(Server(host=kubeflow.url))
    assert isinstance(error, kind)
    assert f"{status}" in str(error)
    assert "said by the server" in str(error)


def test_a_log_in_page(kubeflow: fake.Server) -> None:
    kubeflow.redirect = "/dex/auth"
    assert "sends to a log-in page instead of answering. Give a token" in str(refused(Server(host=kubeflow.url)))
    kubeflow.redirect, kubeflow.page = "", "<html>Log in</html>"
    assert "got a page, expected JSON of Kubeflow Pipelines" in str(refused(Server(host=kubeflow.url)))


def test_tls(tmp_path: Path, kubeflow: fake.Server) -> None:
    public, context = fake.certificate(tmp_path)
    with fake.serving(context) as server:
        server.token = SECRET
        told = str(refused(Server(host=server.url, token=SECRET)))
        assert "its certificate is not trusted. Give the authority's: --ca-cert FILE" in told
        with connected(Server(host=server.url, token=SECRET, ca_cert=public)) as client:
            assert client.list_experiments().experiments == []
        (tmp_path / "empty.pem").touch()
        told = str(refused(Server(host=server.url, ca_cert=tmp_path / "empty.pem")))
        assert "has no PEM certificates" in told
    assert "no TLS there" in str(refused(Server(host=kubeflow.url.replace("http:", "https:"))))


def test_the_command_line_says_it_in_one_line(
    kubeflow: fake.Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kubeflow.token = "another"
    monkeypatch.setenv("LOUPE_KFP_TOKEN", SECRET)
    for command in (["submit", "prepare_data", "--data", "a"], ["schedule", "prepare_data", "--list"]):
        assert main([*command, "--host", kubeflow.url]) == PipelinesRefused.exit_code
        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.startswith("pipelines: http://localhost")
        assert told.err.count("\n") == 1
        assert SECRET not in told.err


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"host": "kubeflow.example"}, "host: got 'kubeflow.example', expected http"),
        ({"host": "ftp://kubeflow.example"}, "host: got 'ftp"),
        ({"host": f"https://me:{SECRET}@kubeflow.example"}, "host: got a user or password"),
        ({"host": "http://a", "token": f"{SECRET}\nX-Other: 1"}, "token: got blanks"),
        ({"host": "http://a", "ca_cert": Path("nowhere.pem")}, "ca-cert: got nowhere.pem"),
    ],
)
def test_a_wrong_address_is_refused_without_telling_secrets(wrong: dict[str, str], told: str) -> None:
    with pytest.raises(InvalidOption, match=told) as caught:
        Server(**wrong)  # type: ignore[arg-type]
    assert SECRET not in str(caught.value)


def test_where_the_token_comes_from(tmp_path: Path) -> None:
    path = tmp_path / "token"
    with pytest.raises(InvalidOption, match="cannot be read"):
        read_token(path, {"LOUPE_KFP_TOKEN": SECRET})
    path.write_text("\n")
    with pytest.raises(InvalidOption, match="is empty, expected a token"):
        read_token(path, {})
    path.write_text(f"{SECRET}\n")
    assert read_token(path, {"LOUPE_KFP_TOKEN": "other"}) == SECRET
    assert read_token(None, {"LOUPE_KFP_TOKEN": f"{SECRET}\n"}) == SECRET
    assert read_token(None, {}) == ""
    assert SECRET not in repr(Server(host="http://a", token=SECRET))
