"""What the demo's customers write, and what the agent answers: sentences with slots, so that few texts repeat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random


@dataclass(frozen=True, slots=True)
class Topic:
    """A reason to write: ways to say it, the tool that looks it up, and the core of an answer."""

    name: str
    complaints: tuple[str, ...]
    tool: str
    finding: str
    answer: str


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one run."""

    topic: str
    message: str
    tool: str
    arguments: dict[str, str]
    finding: str
    reply: str


TOPICS = (
    Topic(
        "late-delivery",
        (
            "Order {order} was promised for {day} and tracking has not moved since.",
            "Where is my {product}? The carrier says it has no parcel for {order}.",
            "It has been {count} days and order {order} still says 'preparing'.",
            "Your page says delivered, our reception says no. Order {order}, a {product}.",
        ),
        "look-up-order",
        "{order} left the warehouse and waits at the regional depot since {day}",
        "Order {order} is at the regional depot; the carrier delivers it on {day}.",
    ),
    Topic(
        "double-charge",
        (
            "I see {amount} twice on my card for {order}. Please send one of them back.",
            "We were billed {amount} on {day} and again the morning after.",
            "Why two invoices over {amount} for the same {product}?",
            "My bank shows a second charge of {amount}. I only clicked once, I think.",
        ),
        "list-charges",
        "two captures of {amount} for {order}, the second one without an order line",
        "The second charge of {amount} was a mistake of ours; it is on its way back and takes {count} working days.",
    ),
    Topic(
        "refund-status",
        (
            "I sent the {product} back {count} days ago. When do I see my {amount}?",
            "The return for {order} was received on {day}, the refund was not.",
            "Is the refund of {amount} coming to the card or as a voucher?",
        ),
        "look-up-refund",
        "return of {order} inspected on {day}, refund of {amount} approved",
        "The refund of {amount} for {order} was approved on {day} and goes to the card you paid with.",
    ),
    Topic(
        "cannot-sign-in",
        (
            "The code from the text message is refused every time, {count} tries now.",
            "Since {day} single sign-on ends on a blank page for half of our team.",
            "Password reset mails never arrive. I looked in the spam folder too.",
            "It says my account is locked. I need it for a call in an hour!!",
        ),
        "check-account",
        "{count} failed attempts, locked on {day}, mail address verified",
        "Your account was locked after {count} attempts; it is open again, and a fresh link is in your inbox.",
    ),
    Topic(
        "broken-item",
        (
            "The {product} arrived with a cracked corner, see the photos on {order}.",
            "After {count} days the {product} does not switch on any more.",
            "One part of the {product} is missing: the bag with the screws.",
            "{product} makes a grinding noise. It is hardly {count} weeks old.",
        ),
        "check-warranty",
        "{product} of {order} is under warranty, replacement in stock",
        "A replacement {product} leaves on {day}; the label to return the broken one is attached.",
    ),
    Topic(
        "change-address",
        (
            "We moved offices. Can {order} still go to the new address?",
            "Please change the delivery address of {order} before {day}.",
            "I typed the wrong house number for {order}, it must be {count}.",
        ),
        "update-address",
        "{order} not yet handed to the carrier, address can change until {day}",
        "Done: {order} goes to the new address, and {day} as the day of delivery stays.",
    ),
    Topic(
        "cancel-subscription",
        (
            "How do I cancel? The button is greyed out since {day}.",
            "Please end our plan, we are {count} people fewer now.",
            "I cancelled in spring and was charged {amount} again on {day}.",
            "We want to pause, not cancel. Is that possible for {count} months?",
        ),
        "look-up-subscription",
        "renews on {day} for {amount}, {count} seats, notice period met",
        "The plan ends on {day}; nothing further will be charged, and your data stays for {count} months.",
    ),
    Topic(
        "invoice-question",
        (
            "The invoice over {amount} has no VAT number. Our accounting refuses it.",
            "Can you send all invoices since {day} in one file?",
            "Why is the price per seat different from the one in our contract?",
            "Purchase order numbers are missing on {count} invoices.",
        ),
        "list-invoices",
        "{count} open invoices, the oldest of {day} over {amount}",
        "The corrected invoice over {amount} is attached; the {count} older ones follow by mail.",
    ),
    Topic(
        "api-errors",
        (
            "Since {day} your API answers 429 although we send {count} requests a minute.",
            "Webhooks arrive {count} times each. Which id should we deduplicate on?",
            "We get 'invalid signature' in the sandbox with the key from the console.",
            "Export of {count} thousand rows stops at exactly ten minutes. Is there a limit?",
        ),
        "search-status-page",
        "degraded webhook delivery from {day}, resolved after {count} hours",
        "There was an incident on {day}; it is resolved, and the limit on your key is back to {count} a second.",
    ),
    Topic(
        "product-advice",
        (
            "Does the {product} fit a desk of {count} cm?",
            "Which plan do we need for {count} people, three of them outside the company?",
            "Is the {product} going to be in stock again before {day}?",
            "What is the difference between the {product} and last year's one, apart from {amount}?",
        ),
        "search-catalogue",
        "{product} in stock from {day}, list price {amount}",
        "The {product} fits, and it is in stock from {day} for {amount}.",
    ),
)

_GREETINGS = ("Hello,", "Hi,", "Hi there,", "Good morning,", "Dear support,", "Hey,", "", "")
_FOLLOW_UPS = (
    "I still have no answer to this.",
    "Thanks, but that did not help.",
    "Writing again about the same thing:",
    "You said this was fixed. It is not.",
    "One more question on this ticket.",
)
_CLOSINGS = (
    "Thanks!",
    "Thank you for your help.",
    "Please hurry.",
    "This is the second time this year.",
    "Kind regards",
    "Can somebody look at it today?",
    "I would rather not wait another week.",
    "",
    "",
)
_PRODUCTS = (
    "standing desk", "desk lamp", "office chair", "monitor arm", "label printer", "headset", "docking station",
    "webcam", "whiteboard", "coffee machine", "badge reader", "conference speaker",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
_OPENINGS = {
    "concise": "{answer}",
    "control": "Thank you for your message. {answer} Please write again if anything is unclear.",
    "empathetic": "I am sorry, I understand how tiresome this is. {answer} I will keep an eye on it until it is done, "
    "and you need not do anything now.",
    "A": "Thank you for contacting us. {answer}",
    "B": "Thanks for the ping! {answer}",
}
_PLAIN = "{answer}"


def words(rng: random.Random, variant: str | None, *, follow_up: bool) -> Words:
    """Return the words of a run, with the reply worded as `variant` words it."""
    topic = rng.choice(TOPICS)
    slots = {
        "order": f"SO-{rng.randrange(10_000, 99_999)}",
        "product": rng.choice(_PRODUCTS),
        "amount": f"{rng.randrange(9, 900)}.{rng.choice(('00', '50', '90', '99'))} EUR",
        "day": rng.choice(_DAYS),
        "count": str(rng.randrange(2, 40)),
    }
    opening = rng.choice(_FOLLOW_UPS) if follow_up else rng.choice(_GREETINGS)
    parts = (opening, rng.choice(topic.complaints).format_map(slots), rng.choice(_CLOSINGS))
    return Words(
        topic=topic.name,
        message=" ".join(filter(None, parts)),
        tool=topic.tool,
        arguments={"order": slots["order"]},
        finding=topic.finding.format_map(slots),
        reply=_OPENINGS.get(variant or "", _PLAIN).format(answer=topic.answer.format_map(slots)),
    )
