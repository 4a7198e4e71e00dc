"""``action_look_up_order``: what the shop knows about an order."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Iterator, Mapping

import yaml
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from emotionlayer_rasa.actions.base import SpeakingAction, say_template
from emotionlayer_rasa.actions.conversation import Conversation
from emotionlayer_rasa.language import fold

_ORDER_BOOK = Path(__file__).parent / "order_book.yml"
_NUMBER_LENGTH = 4
_LONGEST_PHRASE = 3
"""Words of a number that is made in a way of its own ("soixante et onze")."""
_LONGEST_WORD = 40
"""Letters of the longest number of four digits in one word; German's has 36."""
_TENS = range(20, 100, 10)
_AND, _NO_NUMBER = "and", ""


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
        language = conversation.language
        slot = str(conversation.slots.get("order_number") or "")
        number = order_number(said, language) or order_number(slot, language)
        if number is None:
            return []
        book = _order_book()
        order = book["orders"].get(number)
        if order is None:
            say_template(dispatcher, conversation, "order_unknown", order_number=number)
            return [SlotSet("order_number", None), SlotSet("order_status", None), SlotSet("order_eta", None)]
        return [
            SlotSet("order_number", number),
            SlotSet("order_status", book["statuses"][order["status"]][language]),
            SlotSet("order_eta", book["etas"][order["eta"]][language] if "eta" in order else None),
        ]


def order_number(text: str, language: str = "en") -> str | None:
    """The first number of four digits in a text, written or spoken.

    Speech recognisers write numbers as words: ``"one zero four two"``, ``"ten forty two"`` and ``"one thousand and
    forty two"`` give ``"1042"``.

    Args:
        text: what was said.
        language: whose number words count.
    """
    runs: list[list[int | str]] = [[]]  # of numbers that follow one another
    joined = False
    for part in _parts(text, _order_book()["spoken_numbers"][language]):
        last = runs[-1][-1] if runs[-1] else None
        if part == _AND:
            joined = True
            continue
        whole = _together(last, part, joined) if isinstance(last, int) and isinstance(part, int) else None
        if whole is not None:
            runs[-1][-1] = whole
        elif part == _NO_NUMBER or joined:
            runs.append([] if part == _NO_NUMBER else [part])
        else:
            runs[-1].append(part)
        joined = False
    return next((run for run in ("".join(map(str, run)) for run in runs) if len(run) == _NUMBER_LENGTH), None)


def _parts(text: str, words: Mapping[str, int | str]) -> Iterator[int | str]:
    """The value of each number word, figures as they are, ``_AND``, and ``_NO_NUMBER`` for any other word."""
    found: list[str] = []
    for word in re.findall(r"\d+|[^\W\d_]+", fold(text)):
        found += (_split(word, words) if len(word) <= _LONGEST_WORD else None) or [word]
    start = 0
    while start < len(found):
        ends = range(min(start + _LONGEST_PHRASE, len(found)), start, -1)
        end = next((end for end in ends if " ".join(found[start:end]) in words), start + 1)
        word = " ".join(found[start:end])
        yield word if word.isdigit() else words.get(word, _NO_NUMBER)
        start = end


def _split(word: str, words: Mapping[str, int | str]) -> list[str] | None:
    """The number words of which one word is made ("zweiundvierzig"); None where it is not."""
    if not word:
        return []
    for piece in sorted(filter(word.startswith, words), key=len, reverse=True):
        rest = _split(word[len(piece) :], words)
        if rest is not None:
            return [piece, *rest]
    return None


def _together(number: int, word: int, joined: bool) -> int | None:
    """The number that a number and the next word make; None where they are two.

    Args:
        number: so far.
        word: the value of the next word.
        joined: "and" stands between them.
    """
    below_thousand = number % 1000
    if word == 1000 and 0 < number < 1000:
        return number * 1000
    if word == 100 and 0 < below_thousand < 100:
        return number + below_thousand * 99  # two thousand two, hundred
    if joined and 0 < number % 100 < 10 and word in _TENS:
        return number + word  # zwei und vierzig
    room = 1000 if not below_thousand else 100 if not number % 100 else 10 if number % 100 in _TENS else 0
    return number + word if number and 0 < word < room else None


@lru_cache(maxsize=1)
def _order_book() -> dict[str, Any]:
    book: dict[str, Any] = yaml.safe_load(_ORDER_BOOK.read_text(encoding="utf-8"))
    return book
