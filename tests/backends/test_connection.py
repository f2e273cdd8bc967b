"""Which backend the call and the environment name, and what is refused before anything is sent."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from typing import Any

import pytest

from handoff import ConfigurationError, Connection, connect
from handoff.backends.chat import Chat
from handoff.backends.responses import Responses

SECRET = "sk-very-secret-0123456789"  # noqa: S105 - opens nothing
HERE = "http://127.0.0.1:1/v1"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is set in the environment."""
    for name in list(os.environ):
        if name.startswith(("HANDOFF_", "OPENAI_")):
            monkeypatch.delenv(name)


def given(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """Set these variables."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def test_without_a_word_the_offline_rules_answer() -> None:
    """Nothing is connected to."""
    assert connect() is None


def test_a_key_for_openai_alone_sends_nothing_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has a key in the environment still has to say that it may be used."""
    given(monkeypatch, {"OPENAI_API_KEY": SECRET, "OPENAI_BASE_URL": HERE})

    assert connect() is None


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        pytest.param({"HANDOFF_BACKEND": "chat"}, Chat, id="chat"),
        pytest.param({"HANDOFF_BACKEND": "responses"}, Responses, id="responses"),
        pytest.param({"HANDOFF_BASE_URL": HERE}, Chat, id="an-address-alone"),
        pytest.param({}, Chat, id="a-model-alone"),
        pytest.param({"HANDOFF_PROFILE": "openai"}, Responses, id="what-the-profile-fits-best"),
        pytest.param({"HANDOFF_PROFILE": "ollama"}, Chat, id="a-local-server"),
        pytest.param({"HANDOFF_BACKEND": "embedded"}, types.NoneType, id="embedded"),
    ],
)
def test_the_environment_names_the_backend(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], kind: type
) -> None:
    """Each setting is read as HANDOFF_ and its name; an empty one says nothing."""
    given(monkeypatch, {"OPENAI_API_KEY": SECRET, "HANDOFF_MODEL": "tiny", "HANDOFF_HISTORY": "", **environment})

    assert kind is type(connect())


def test_what_the_call_says_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A given value takes the place of the environment's; None says nothing."""
    given(monkeypatch, {"HANDOFF_MODEL": "env", "HANDOFF_BASE_URL": "http://env/v1", "HANDOFF_BACKEND": "responses"})
    found = Connection(model="said", backend="chat", base_url=None)

    assert ("said", "chat", "http://env/v1") == (found.model, found.kind, found.address)


@pytest.mark.parametrize(
    ("environment", "address", "key"),
    [
        pytest.param({"OPENAI_API_KEY": "o", "OPENAI_BASE_URL": "http://o/v1"}, "http://o/v1", "o", id="openai"),
        pytest.param(
            {"OPENAI_API_KEY": "o", "HANDOFF_API_KEY": "h", "OPENAI_BASE_URL": "http://o/v1", "HANDOFF_BASE_URL": HERE},
            HERE,
            "h",
            id="handoff-first",
        ),
        pytest.param({"HANDOFF_PROFILE": "ollama"}, "http://127.0.0.1:11434/v1", None, id="the-profile-s-place"),
        pytest.param({"HANDOFF_API_KEY": " h\n", "HANDOFF_MODEL": "m"}, None, "h", id="a-key-from-a-file"),
    ],
)
def test_address_and_key_are_found(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], address: str | None, key: str | None
) -> None:
    """HANDOFF_ comes first, then the profile, then OPENAI_."""
    given(monkeypatch, environment)
    found = Connection(backend="chat")

    assert (address, key) == (found.address, None if found.key is None else found.key.get_secret_value())


REFUSED = [
    pytest.param({"HANDOFF_BACKEND": "chta"}, "HANDOFF_BACKEND should be 'embedded', 'chat'", id="backend"),
    pytest.param({"HANDOFF_TIMEOUT": "soon"}, "HANDOFF_TIMEOUT should be a valid number", id="timeout"),
    pytest.param({"HANDOFF_TIMEOUT": "0"}, "HANDOFF_TIMEOUT should be greater than 0", id="no-time"),
    pytest.param({"HANDOFF_INPUT_TOKENS": "0"}, "HANDOFF_INPUT_TOKENS should be greater", id="tokens"),
    pytest.param({"HANDOFF_PROFILE": "lama"}, "use one of openai, azure", id="profile"),
    pytest.param(
        {"HANDOFF_BACKEND": "chat", "OPENAI_API_KEY": "k"}, "give model=, --model or HANDOFF_MODEL", id="model"
    ),
    pytest.param({"HANDOFF_MODEL": "m"}, "set OPENAI_API_KEY", id="no-key-and-no-address"),
    pytest.param({"HANDOFF_BASE_URL": f"http://me:{SECRET}@h/v1"}, "leave them out", id="credentials-in-the-address"),
    pytest.param({"HANDOFF_BASE_URL": f"http://h/v1?key={SECRET}"}, "leave that out", id="a-query"),
    pytest.param({"HANDOFF_BASE_URL": "localhost:8080"}, "http://HOST:PORT/v1", id="no-scheme"),
    pytest.param({"HANDOFF_BASE_URL": "http://h:eighty/v1"}, "http://HOST:PORT/v1", id="no-port"),
    pytest.param(
        {"HANDOFF_MODEL": "m", "HANDOFF_API_KEY": f"{SECRET}\nx"}, "look where it comes from", id="line-break"
    ),
    pytest.param({"HANDOFF_MODEL": "m", "HANDOFF_API_KEY": f"{SECRET}é"}, "look where it comes from", id="accent"),
    pytest.param(
        {"HANDOFF_MODEL": "m", "OPENAI_API_KEY": "k", "OPENAI_BASE_URL": f"http://me:{SECRET}@h/v1"},
        "leave them out",
        id="credentials-in-openai-s-address",
    ),
    pytest.param(
        {"HANDOFF_BACKEND": "assistants", "HANDOFF_PROFILE": "ollama", "HANDOFF_MODEL": "m"},
        "ollama does not speak assistants: use --backend chat",
        id="a-profile-that-does-not-speak-it",
    ),
    pytest.param(
        {"HANDOFF_BACKEND": "responses", "HANDOFF_BASE_URL": HERE, "HANDOFF_MODEL": "m", "HANDOFF_HISTORY": "mine"},
        "HANDOFF_HISTORY should be 'chain', 'own'",
        id="history",
    ),
]


@pytest.mark.parametrize(("environment", "said"), REFUSED)
def test_what_cannot_work_is_refused(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: str) -> None:
    """The text says which setting, and what to do; a secret is not in it, nor in what it came from."""
    given(monkeypatch, environment)
    with pytest.raises(ConfigurationError) as refused:
        connect()

    assert said in str(refused.value)
    assert SECRET not in repr(refused.value) + repr(refused.value.__cause__)


def test_a_name_that_is_no_setting_is_refused() -> None:
    """The text lists those there are."""
    with pytest.raises(ConfigurationError, match="a connection has no modle: it has backend, model"):
        connect(modle="m")


def test_settings_of_another_protocol_are_left_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says for Responses does not disturb Chat."""
    given(monkeypatch, {"HANDOFF_HISTORY": "own", "HANDOFF_FINISH": "carry"})

    assert Chat is type(connect(backend="chat", model="m", base_url=HERE))


@pytest.mark.parametrize(
    ("profile", "history", "stored"),
    [
        pytest.param("ollama", None, False, id="a-server-that-keeps-nothing"),
        pytest.param(None, None, True, id="chained"),
        pytest.param(None, "own", False, id="as-said"),
        pytest.param("openai", None, True, id="a-server-that-keeps-it"),
    ],
)
def test_the_profile_says_who_keeps_the_history(profile: str | None, history: str | None, stored: bool) -> None:
    """Where the server keeps no response, the transcript goes along."""
    backend: Any = connect(backend="responses", model="m", base_url=HERE, profile=profile, history=history)

    assert stored is backend._common["store"]


def test_a_connection_shows_no_secret() -> None:
    """Neither its text nor its JSON holds the key."""
    found = Connection(api_key=SECRET, model="m", base_url=HERE)

    assert SECRET not in repr(found) + str(found) + found.model_dump_json()


def test_connecting_imports_no_sdk() -> None:
    """The SDK is imported with the first request."""
    script = (
        "import sys, handoff\n"
        "handoff.connect(backend='chat', model='m', base_url='http://127.0.0.1:1/v1')\n"
        "sys.exit('openai' in sys.modules)"
    )

    assert 0 == subprocess.run([sys.executable, "-c", script], check=False).returncode


def test_a_kind_slots_in_by_its_constructor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend gets the options its constructor takes, and nothing of another protocol."""
    made: dict[str, Any] = {}

    class Assistants:
        """A stand-in for what another module brings."""

        def __init__(self, model: str, *, base_url: str | None, api_key: str | None, finish: str = "complete") -> None:
            made.update(model=model, base_url=base_url, api_key=api_key, finish=finish)

    module = types.ModuleType("stand_in")
    module.Assistants = Assistants  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stand_in", module)
    monkeypatch.setitem(sys.modules["handoff.connection"].BACKENDS, "assistants", ("stand_in", "Assistants"))  # type: ignore[attr-defined]
    given(monkeypatch, {"HANDOFF_FINISH": "carry", "HANDOFF_HISTORY": "own"})
    connect(backend="assistants", model="m", base_url=HERE, api_key="k")

    assert {"model": "m", "base_url": HERE, "api_key": "k", "finish": "carry"} == made


def test_an_option_a_backend_does_not_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be ignored silently is said."""
    module = types.ModuleType("stand_in")
    module.Bare = lambda model, *, base_url, api_key: (model, base_url, api_key)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "stand_in", module)
    monkeypatch.setitem(sys.modules["handoff.connection"].BACKENDS, "assistants", ("stand_in", "Bare"))  # type: ignore[attr-defined]

    with pytest.raises(ConfigurationError, match="has no timeout: leave HANDOFF_TIMEOUT out"):
        connect(backend="assistants", model="m", base_url=HERE, timeout=3)


def test_a_backend_that_is_not_there_yet_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text names those there are."""
    monkeypatch.setitem(
        sys.modules["handoff.connection"].BACKENDS,  # type: ignore[attr-defined]
        "assistants",
        ("handoff.backends.nowhere", "Nowhere"),
    )

    with pytest.raises(ConfigurationError, match="this version has no assistants backend: use chat or responses"):
        connect(backend="assistants", model="m", base_url=HERE)
