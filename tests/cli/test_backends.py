"""`handoff chat`, `run` and `threads` on a server: what is said, what wins, and how it ends when it cannot work."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from handoff.cli.connecting import advice_about
from handoff.sandbox import Sandbox, serving
from tests.support.cli import Commands, handoff

__all__ = ["handoff"]  # the fixture

SECRET = "key-very-secret-0123456789"  # noqa: S105 - opens the server of these tests
SAYS = 'call ask_for {"item": "tea"}'


@pytest.fixture
def url() -> Iterator[str]:
    """A server that takes one key only."""
    with serving(Sandbox(token=SECRET)) as base_url:
        yield base_url


@pytest.mark.parametrize("backend", ["chat", "responses", "assistants"])
@pytest.mark.parametrize(
    ("key", "path", "advice"),
    [
        pytest.param("wrong", "", "put the right key in HANDOFF_API_KEY or OPENAI_API_KEY", id="wrong key"),
        pytest.param(SECRET, "/nowhere", "is the address right (it usually ends in /v1)", id="wrong address"),
    ],
)
def test_a_refusal_of_the_server_comes_with_what_to_do(
    handoff: Commands, url: str, monkeypatch: pytest.MonkeyPatch, backend: str, key: str, path: str, advice: str
) -> None:
    """Whoever set it up wrongly reads where to look."""
    monkeypatch.setenv("OPENAI_API_KEY", key)
    found = handoff("run", "desk.py", SAYS, "--backend", backend, "--base-url", f"{url}{path}", "--model", "tiny")

    assert (1, True) == (found.code, advice in found.err)


def test_a_server_that_is_gone_comes_with_what_to_do() -> None:
    """The reason is what a backend tells after its last attempt; that takes too long to wait for here."""
    reason = "ClientConnectorError: Cannot connect to host 127.0.0.1:9 ssl:default [Connect call failed]"

    assert advice_about(reason).startswith("is the server running, and the address right?")


@pytest.mark.parametrize("backend", ["chat", "responses"])
def test_a_flow_runs_on_a_server(handoff: Commands, url: str, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same flow, unchanged, hands over there; standard error says who answers."""
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    found = handoff("run", "desk.py", SAYS, "--backend", backend, "--base-url", url, "--model", "tiny", "--json")

    assert 0 == found.code
    assert [("front", "store")] == [(one["source"], one["dest"]) for one in found.told("transition")]
    assert f"tiny answers, by the {backend} backend at {url}." == found.err.splitlines()[0]


def test_the_environment_is_enough(handoff: Commands, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flow without offline rules needs no option either."""
    handoff.write("bare.py", "import handoff\nf = handoff.Flow('bare')\na = f.assistant('a', instructions='Hello.')\n")
    for name, value in (("BACKEND", "chat"), ("BASE_URL", url), ("MODEL", "tiny"), ("API_KEY", SECRET)):
        monkeypatch.setenv(f"HANDOFF_{name}", value)
    found = handoff("run", "bare.py", "hi")

    assert (0, "a    You said: hi") == (found.code, found.out.splitlines()[-1])


def test_an_option_wins_over_the_environment(handoff: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """The offline rules answer where they are asked for."""
    monkeypatch.setenv("HANDOFF_BACKEND", "chat")
    found = handoff("run", "desk.py", "want tea", "--backend", "embedded")

    assert (0, True) == (found.code, "desk answers by fixed rules here" in found.err)


def test_the_key_comes_from_the_variable_that_is_named(
    handoff: Commands, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--api-key-env` wins over the usual variables."""
    monkeypatch.setenv("OPENAI_API_KEY", "another")
    monkeypatch.setenv("DESK_KEY", SECRET)
    found = handoff("run", "desk.py", SAYS, "--base-url", url, "--model", "tiny", "--api-key-env", "DESK_KEY")

    assert 0 == found.code


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--backend", "chta"], "backend should be 'embedded', 'chat'", id="no-such-backend"),
        pytest.param(["--backend", "chat"], "HANDOFF_MODEL", id="no-model"),
        pytest.param(["--backend", "chat", "--model", "m"], "OPENAI_API_KEY", id="no-key"),
        pytest.param(["--base-url", "nowhere"], "http://HOST:PORT/v1", id="no-address"),
        pytest.param(["--profile", "lama"], "openai, azure, llama.cpp", id="no-such-profile"),
        pytest.param(["--model", "m", "--api-key-env", SECRET], "give the NAME of one", id="the-key-itself"),
    ],
)
def test_what_cannot_work_is_a_matter_of_configuration(
    handoff: Commands, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    """The command ends with 3 before anything is sent; the text says what would work, and no secret."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    found = handoff("run", "desk.py", "hi", *options)

    assert (3, "") == (found.code, found.out)
    assert said in found.err
    assert SECRET not in found.err


def test_a_decision_is_driven_where_the_environment_says(
    handoff: Commands, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`threads approve --flow` lets the server answer the result, as it answered before."""
    for name, value in (("BACKEND", "chat"), ("BASE_URL", url), ("MODEL", "tiny"), ("API_KEY", SECRET)):
        monkeypatch.setenv(f"HANDOFF_{name}", value)
    script = handoff.write("script.txt", f"{SAYS}\ncall hand_out {{}}\n")
    handoff("chat", "desk.py", "--script", script, "--store", handoff.store, "--thread", "t")
    found = handoff("threads", "approve", "t", "--store", handoff.store, "--flow", "desk.py")

    assert 0 == found.code
    assert "tiny answers, by the chat backend" in found.err
    assert "handed out" in found.out.splitlines()[-1]
