"""``action_look_up_order``: what the shop knows about an order."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from emotionlayer_rasa.actions.base import SpeakingAction, say_template
from emotionlayer_rasa.actions.conversation import Conversation

_ORDER_BOOK = Path(__file__).parent / "order_book.yml"
_NUMBER_LENGTH = 4


class ActionLookUpOrder(SpeakingAction):
    """Finds the order that was named and fills ``order_number``, ``order_status`` and ``order_eta``.

    An unknown number is told to the caller and cleared; without any number the action does nothing.
    """

    def name(self) -> str:
        """Name in ``domain.yml``."""
        return "action_look_up_order"

    async def answer(self, dispatcher: CollectingDispatcher, conversation: Conversation) -> list[EventType]:
        """Look the order up; the number just said counts more than the slot."""
        said = conversation.utterance.transcript.text
        number = order_number(said) or order_number(str(conversation.slots.get("order_number") or ""))
        if number is None:
            return []
        book = _order_book()
        order = book["orders"].get(number)
        if order is None:
            say_template(dispatcher, conversation, "order_unknown", order_number=number)
            return [SlotSet("order_number", None), SlotSet("order_status", None), SlotSet("order_eta", None)]
        return [
            SlotSet("order_number", number),
            SlotSet("order_status", book["statuses"][order["status"]][conversation.language]),
            SlotSet("order_eta", order.get("eta", {}).get(conversation.language)),
        ]


def order_number(text: str) -> str | None:
    """The first number of four digits in a text, written or spoken.

    Speech recognisers write numbers as words: ``"one zero four two"`` and ``"ten forty two"`` give ``"1042"``.
    """
    spoken = _order_book()["spoken_numbers"]
    runs, previous = [""], 0
    for word in re.findall(r"\d+|[^\W\d_]+", text.lower()):
        value = int(word) if word.isdigit() else spoken.get(word)
        if value is None:
            runs.append("")
        elif previous in range(20, 100, 10) and word in spoken and 1 <= value <= 9:
            runs[-1] = runs[-1][:-1] + str(value)  # forty two
        else:
            runs[-1] += word if word.isdigit() else str(value)
        previous = value if value is not None and not word.isdigit() else 0
    return next((run for run in runs if len(run) == _NUMBER_LENGTH), None)


@lru_cache(maxsize=1)
def _order_book() -> dict[str, Any]:
    book: dict[str, Any] = yaml.safe_load(_ORDER_BOOK.read_text(encoding="utf-8"))
    return book
