"""The offline rules of the front desk: what it understands where no model is configured.

The concierge tells by a word or two who can help, and a specialist who meets a wish of another kind hands over in the
same way. Numbers of orders, amounts and addresses are taken as they are written.
"""

from __future__ import annotations

import re

from flows.concierge.flow import (
    ask_who,
    billing,
    book_repair,
    cancel,
    change_address,
    concierge,
    door,
    flow,
    give_up,
    hand_back,
    hand_to_billing,
    hand_to_orders,
    hand_to_technical,
    identify,
    lead,
    list_orders,
    look_up,
    orders,
    pass_on,
    refund,
    say_goodbye,
    technical,
    track,
)
from handoff import Answer, RuleModel, Said, call

rules = RuleModel(flow)

_ORDER = r"(?:(?:the |my )?order )?(?:number |no\.? )?(?P<order_id>[0-9]{4,12})"
_AMOUNT = r"(?P<whole>[0-9]{1,6})(?:[.,](?P<part>[0-9]{2}))?(?: ?(?:eur|euros?|€))?"
_PLEASE = r"(?:(?:please|can you|could you|i want you to|i want to|i would like to|i['’]d like to),? )*"
_END = r"(?:,? (?:please|thanks|thank you))*\W*"
_GOODBYE = r"(?s:.*\b(?:good ?bye|bye|that is all|that['’]?s all|nothing else)\b.*)"
_MONEY = r"(?s:.*\b(?:refund|money|pay back|paid back|bill|invoice|charged)\b.*)"
_DEVICES = (
    r"(?s:.*\b(?:broken|(?:not|n['’]?t) (?:work|switch|turn|heat|show|play)\w*|does nothing|repair|leaks?|drips?"
    r"|flickers?|hums?|hiss(?:es)?|wrong weight|dead)\b.*)"
)
_ORDERS = r"(?s:.*\b(?:orders?|parcel|deliver\w*|shipp\w*|address|cancel|where is|arrived?)\b.*)"


# -- concierge ---------------------------------------------------------------------------------------------------------


@rules.when(concierge, r"(?:hello|hi|hey|good (?:morning|day|evening)|help)\b\W*")
def greet(_match: re.Match[str]) -> Said:
    """Hello."""
    return "Hello, this is the shop. Is it about an order, about money, or about a device that does not work?"


@rules.when(concierge, _MONEY)
def want_billing(match: re.Match[str]) -> Said:
    """I want a refund."""
    return call(pass_on, specialist=billing, wish=match[0].strip())


@rules.when(concierge, _DEVICES)
def want_technical(match: re.Match[str]) -> Said:
    """It does not work."""
    return call(pass_on, specialist=technical, wish=match[0].strip())


@rules.when(concierge, _ORDERS)
def want_orders(match: re.Match[str]) -> Said:
    """Where is my order?"""
    return call(pass_on, specialist=orders, wish=match[0].strip())


@rules.when(concierge, _GOODBYE)
def part(_match: re.Match[str]) -> Said:
    """Goodbye."""
    return call(say_goodbye)


@rules.after(concierge, give_up)
def tell_unknown(_output: str) -> Said:
    """Say what is possible without a name."""
    return "Then there is little I can do: orders are shown only to whoever placed them. Is there anything else?"


# -- who it is ---------------------------------------------------------------------------------------------------------


@rules.when(billing, r"(?s:.*)", offered=ask_who)
@rules.when(technical, r"(?s:.*)", offered=ask_who)
@rules.when(orders, r"(?s:.*)", offered=ask_who)
def make_sure(_match: re.Match[str]) -> Said:
    """Say who you are (you are asked first)."""
    return call(ask_who)


@rules.when(door, r"(?s:.*?(?P<email>[^@\s,;:<>()]+@[^@\s,;:<>()]+\.\w+).*?(?P<postcode>\b[0-9]{4,6}\b).*)")
def say_who(match: re.Match[str]) -> Said:
    """EMAIL and POSTCODE."""
    return call(identify, email=match["email"], postcode=match["postcode"])


@rules.when(door, r"(?s:.*\b(?:no|not|n['’]t|never ?mind|cannot|forget it|back|bye)\b.*)")
def say_nothing(_match: re.Match[str]) -> Said:
    """I would rather not say."""
    return call(give_up)


@rules.after(door, ask_who)
def ask_for_both(_output: str) -> Said:
    """Ask for e-mail address and postcode."""
    return "First I have to know who you are: which e-mail address and which postcode do you order with?"


@rules.after(billing, identify)
@rules.after(technical, identify)
@rules.after(orders, identify)
def see_orders(_output: str) -> Said:
    """Look the orders up."""
    return Answer("Thank you.", (call(list_orders),))


# -- billing -----------------------------------------------------------------------------------------------------------


@rules.when(
    billing,
    rf"{_PLEASE}(?:refund|pay(?: me)? back|give(?: me)? back)(?: me)? {_AMOUNT}(?: (?:of|for|from|on))? {_ORDER}{_END}",
)
def want_refund(match: re.Match[str]) -> Said:
    """Refund AMOUNT of order NUMBER."""
    cents = 100 * int(match["whole"]) + int(match["part"] or 0)
    return call(refund, order_id=match["order_id"], cents=cents)


@rules.after(billing, refund)
def tell_refund(output: str) -> Said:
    """Say what came of it."""
    if output.startswith("Pending"):
        return (
            "So much money needs somebody's approval, which has been asked for. "
            "As long as we talk you are told what comes of it."
        )
    return f"{output} Is there anything else?"


@rules.after(billing, list_orders)
def tell_payments(output: str) -> Said:
    """Ask what to pay back."""
    return f"You have ordered:\n{output}\nWhat shall I pay back? Say, for instance: refund 10.00 of order 1001."


# -- technical ---------------------------------------------------------------------------------------------------------


@rules.when(technical, rf"{_PLEASE}(?:book|arrange)(?: a| the)? repair (?:of|for) {_ORDER}(?:\W+(?P<problem>\w.*))?")
@rules.when(technical, rf"{_PLEASE}(?:have it repaired,?|repair) {_ORDER}(?:\W+(?P<problem>\w.*))?")
def want_repair(match: re.Match[str]) -> Said:
    """Repair order NUMBER: PROBLEM."""
    return call(book_repair, order_id=match["order_id"], problem=match["problem"] or "not said")


@rules.when(technical, rf"(?s:(?=.*\b{_ORDER}\b){_DEVICES})")
def want_advice(match: re.Match[str]) -> Said:
    """The device of order NUMBER does not work (say what it does)."""
    return call(look_up, order_id=match["order_id"], symptom=match[0])


@rules.after(technical, list_orders)
def tell_devices(output: str) -> Said:
    """Ask for the device."""
    return f"You have ordered:\n{output}\nWhich device is it, and what does it do? Say, for instance: 1001 leaks."


@rules.after(technical, look_up)
def tell_advice(output: str) -> Said:
    """Give the advice, and what to do if it does not help."""
    return f"{output} If that does not help, say: repair, the number of the order, and what is wrong."


# -- orders ------------------------------------------------------------------------------------------------------------


@rules.when(
    orders,
    rf"{_PLEASE}(?:send|deliver|ship|redirect) {_ORDER} to (?:the address )?(?P<address>\S.*?)",
    rf"{_PLEASE}change the address of {_ORDER} to (?P<address>\S.*?)",
)
def want_address(match: re.Match[str]) -> Said:
    """Send order NUMBER to ADDRESS."""
    return call(change_address, order_id=match["order_id"], address=match["address"])


@rules.when(orders, rf"{_PLEASE}cancel {_ORDER}{_END}")
def want_cancelled(match: re.Match[str]) -> Said:
    """Cancel order NUMBER."""
    return call(cancel, order_id=match["order_id"])


@rules.when(orders, rf"(?:{_PLEASE}track|where is|and|what about|how about) {_ORDER}{_END}", rf"{_ORDER}{_END}")
def want_track(match: re.Match[str]) -> Said:
    """Where is order NUMBER?"""
    return call(track, order_id=match["order_id"])


@rules.after(orders, list_orders)
def tell_orders(output: str) -> Said:
    """Ask what to do with them."""
    return f"Your orders:\n{output}\nI can change the address of what is still being packed, or cancel it."


# -- on to somebody else: behind the rest, for whoever can do it does it -----------------------------------------------


@rules.when(billing, r"(?:my |list my |show my )?orders\W*", _MONEY)
@rules.when(technical, r"(?:my |list my |show my )?(?:orders|devices)\W*", _DEVICES)
@rules.when(orders, r"(?:where are |list |show )?(?:my |all )?orders\W*")
def want_list(_match: re.Match[str]) -> Said:
    """My orders."""
    return call(list_orders)


@rules.when(technical, _MONEY)
@rules.when(orders, _MONEY)
def on_to_billing(match: re.Match[str]) -> Said:
    """I want a refund."""
    return call(hand_to_billing, wish=match[0].strip())


@rules.when(billing, _DEVICES)
@rules.when(orders, _DEVICES)
def on_to_technical(match: re.Match[str]) -> Said:
    """It does not work."""
    return call(hand_to_technical, wish=match[0].strip())


@rules.when(billing, _ORDERS)
@rules.when(technical, _ORDERS)
def on_to_orders(match: re.Match[str]) -> Said:
    """Where is my order?"""
    return call(hand_to_orders, wish=match[0].strip())


@rules.when(billing, _GOODBYE)
@rules.when(technical, _GOODBYE)
@rules.when(orders, _GOODBYE)
def hand_on(_match: re.Match[str]) -> Said:
    """Goodbye."""
    return call(hand_back)


@rules.when(orders, _ORDERS)
def want_any(_match: re.Match[str]) -> Said:
    """My orders."""
    return call(list_orders)


@rules.started(lead)
def answer_at_last(_note: str) -> Said:
    """Ask what to do first."""
    return "You have been passed around enough. Tell me in one sentence what you want most, and it is done first."


#: Whoever gets the customer takes up what the customer said.
rules.hears(billing, pass_on, hand_to_billing)
rules.hears(technical, pass_on, hand_to_technical)
rules.hears(concierge, hand_back)
rules.hears(orders, pass_on, hand_to_orders)
