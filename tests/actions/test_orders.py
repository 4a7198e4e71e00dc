import asyncio
from typing import Any

from cases import for_each
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions.orders import ActionLookUpOrder, order_number


@for_each(
    "text, number",
    [
        ("my order is 1042", "1042"),
        ("one zero four two", "1042"),
        ("it is one oh four two please", "1042"),
        ("ten forty two", "1042"),
        ("I have two problems with order twenty two ninety", "2290"),
        ("thirty three twelve", "3312"),
        ("1 0 4 2", "1042"),
        ("uno zero quattro due", "1042"),
        ("order 10421", None),
        ("forty two", None),
        ("where is my parcel", None),
        ("", None),
    ],
)
def test_order_numbers_are_understood_written_and_spoken(text: str, number: str | None) -> None:
    assert order_number(text) == number


def look_up(text: str, slot: str | None = None, language: str = "en") -> tuple[dict[str, Any], list[str]]:
    slots = {"order_number": slot, "order_status": None, "order_eta": None, "language": language}
    tracker = Tracker("caller", slots, {}, [{"event": "user", "text": text}], False, None, {}, None)
    dispatcher = CollectingDispatcher()
    events = asyncio.run(ActionLookUpOrder().run(dispatcher, tracker, {}))
    return {event["name"]: event["value"] for event in events}, [
        message["text"] for message in dispatcher.messages
    ]


def test_a_known_order_fills_the_slots_silently() -> None:
    expected = {"order_number": "1042", "order_status": "on its way", "order_eta": "tomorrow"}
    assert look_up("it is one zero four two") == (expected, [])
    assert look_up("where is it", slot="1042") == (expected, [])


def test_the_number_just_said_counts_more_than_an_older_one() -> None:
    slots, _ = look_up("and thirty three twelve", slot="1042")
    assert slots == {"order_number": "3312", "order_status": "delivered", "order_eta": None}


def test_status_is_in_the_caller_s_language() -> None:
    slots, _ = look_up("1042", language="it")
    assert slots == {"order_number": "1042", "order_status": "in viaggio", "order_eta": "domani"}


def test_an_unknown_number_is_said_and_cleared() -> None:
    slots, messages = look_up("nine nine nine nine", slot="1042")
    assert slots == {"order_number": None, "order_status": None, "order_eta": None}
    assert len(messages) == 1
    assert "9999" in messages[0]


def test_without_a_number_nothing_happens() -> None:
    assert look_up("where is my parcel") == ({}, [])
