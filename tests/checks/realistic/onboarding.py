"""An onboarding: optional fields, texts that take any of them, guards on a choice and on a yes or no."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from handoff import Flow, Metadata

Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")]


class Person(Metadata):
    name: str | None = None
    email: Email | None = None
    nickname: str | None = None
    role: Literal["dev", "ops", "sales"] | None = None
    phone: str | None = None
    manager: str | None = None
    consent: bool | None = None


def named(person: Person) -> bool:
    """Name and e-mail address are needed first."""
    return bool(person.name) and bool(person.email)


def technical(person: Person) -> bool:
    """Not a technical role."""
    return person.role in ("dev", "ops")


def consented(person: Person) -> bool:
    """The person has not agreed."""
    return person.consent is True


def refused(person: Person) -> bool:
    """The person has not refused."""
    return person.consent is False


flow = Flow(
    "onboarding",
    metadata=Person,
    instructions="{% if nickname %}Call them {{ nickname }}.{% elif name %}Call them {{ name }}.{% endif %}",
)
form = flow.assistant(
    "form",
    instructions="Ask for name and e-mail address{% if not phone %}, and, if they like, a phone number{% endif %}.",
)
roles = flow.assistant("roles", instructions="Ask for the role of {{ name }}.")
access = flow.assistant("access", instructions="Set up access for a {{ role }}. Mail goes to {{ email }}.")
legal = flow.assistant("legal", instructions="Ask {{ name }} to agree to the terms.")
done = flow.assistant(
    "done", instructions="Welcome {{ name }}{% if manager %}, whose manager is {{ manager }}{% endif %}."
)


@form.tool(sets="name")
def set_name(name: str) -> str:
    """Note the name."""
    return name


@form.tool(sets="email")
def set_email(email: Email) -> str:
    """Note the e-mail address."""
    return email


@form.tool(sets="nickname")
def set_nickname(nickname: str) -> str:
    """Note a nickname."""
    return nickname


@form.tool(sets="phone")
def set_phone(phone: str) -> str:
    """Note a phone number."""
    return phone


@form.tool(clears=("phone", "nickname"))
def forget_optional() -> str:
    """Forget the phone number and the nickname."""
    return "Forgotten."


@form.tool(to=roles, allow=named)
def submit() -> str:
    """Send the form off."""
    return "Sent."


@roles.tool(to=(access.when(technical), legal), sets="role")
def choose_role(role: Literal["dev", "ops", "sales"]) -> str:
    """Choose the role."""
    return role


@roles.tool(sets="manager")
def set_manager(manager: str | None = None) -> str:
    """Note the manager."""
    return manager or "nobody"


@access.tool(to=legal)
def granted() -> str:
    """Access is granted."""
    return "Granted."


@legal.tool(to=(done.when(consented), form.when(refused)), sets="consent")
def agree(consent: bool) -> str:
    """Note whether they agree."""
    return str(consent)


@done.tool(to=flow.end)
def finish() -> str:
    """Finish."""
    return "Welcome."
