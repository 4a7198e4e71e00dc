"""Replies with their faults, as the reply reader learns from them."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal, Mapping, Sequence

import numpy as np

from emotionlayer_rasa.response.reply_reader import FAULTS
from emotionlayer_rasa.response.templates import PROFILES, draft_reply, replies
from emotionlayer_rasa.taxonomy import STRATEGIES
from emotionlayer_rasa.training.replies import DATA

Split = Literal["train", "dev"]

HANDS: Mapping[Split, tuple[int, ...]] = {"train": (*range(1, 8), *range(10, 23)), "dev": (8, 9)}
"""Who wrote which part; the frozen sets are in ``tests/data``."""

_ORDERS: Mapping[str, tuple[str, str]] = {
    "en": ("on its way", "tomorrow"),
    "it": ("in viaggio", "domani"),
    "de": ("unterwegs", "morgen"),
    "es": ("en camino", "mañana"),
    "fr": ("en route", "demain"),
    "pt": ("a caminho", "amanhã"),
}
"""Status and arrival of an order, for the templates."""

_SENTENCE_END = re.compile(r"(?<=[.!?]) ")

_DRAFTED, _UNBACKED, _GARBLED, _CUT, _SPOILT = 0.12, 0.2, 0.05, 0.06, 0.06

_WHATEVER_WAS_SAID = {"blame", "dismissal", "abuse", "prompt_leak"}
"""Faults that a short sentence has whatever stands beside it, and whoever hears it."""

_FRAGMENT = 9
"""Most words of such a sentence."""


@dataclass(frozen=True)
class LabelledReply:
    """One reply, and what is wrong with it.

    Attributes:
        language: its code.
        strategy: one of the six response strategies.
        caller: what the caller had said.
        slots: what the assistant knew.
        reply: what was to be said.
        faults: names of faults; empty for a good reply; None where only ``unfit`` is known.
        unfit: whether it must not be said.
    """

    language: str
    strategy: str
    caller: str
    slots: Mapping[str, Any]
    reply: str
    faults: tuple[str, ...] | None
    unfit: bool

    @property
    def target(self) -> np.ndarray:
        """float32 (11,), in the order of the reply reader's ``FAULTS``; NaN where it is not known."""
        if self.faults is None:
            return np.asarray([*[np.nan] * (len(FAULTS) - 1), self.unfit], dtype=np.float32)
        return np.asarray([*(fault in self.faults for fault in FAULTS[:-1]), self.unfit], dtype=np.float32)


def read_replies(path: Path) -> list[LabelledReply]:
    """The replies of a file, one JSON object a line."""
    records = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return [_reply(record) for record in records]


def hands(split: Split) -> list[LabelledReply]:
    """What the hands of a part wrote, in six languages."""
    return [reply for hand in HANDS[split] for reply in read_replies(DATA / f"hand{hand:02}.jsonl")]


def older() -> list[LabelledReply]:
    """Replies written for an earlier check, English and Italian."""
    return read_replies(DATA / "older.jsonl")


def templates() -> list[LabelledReply]:
    """What the package's own templates say, for each strategy, as a draft said to the letter."""
    found = []
    for language, (status, eta) in _ORDERS.items():
        slots = {"order_number": "1042", "order_status": status, "order_eta": eta}
        for profile, strategy in product(PROFILES, STRATEGIES):
            for name, situation in replies(language, profile).situations.items():
                for turn in range(3) if not situation.verbatim else ():
                    said = draft_reply(name, strategy, slots, language, ["…"] * turn, profile)
                    facts = {**said.facts, "draft": said.text}
                    found.append(LabelledReply(language, strategy, "", facts, said.text, (), False))
    return list({one.reply + one.strategy: one for one in found}.values())


class Variations:
    """Replies changed in ways whose label is known: more of them than hands can write.

    Args:
        replies: whose words may get among those of others, and whose good ones may be drafts.
    """

    def __init__(self, replies: Sequence[LabelledReply]) -> None:
        self._by_language: dict[str, list[LabelledReply]] = defaultdict(list)
        self._good: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._fragments: dict[tuple[str, str], list[LabelledReply]] = defaultdict(list)
        for reply in replies:
            if set(reply.faults or ()) & _WHATEVER_WAS_SAID and len(reply.reply.split()) <= _FRAGMENT:
                self._fragments[reply.language, reply.strategy].append(reply)
            self._by_language[reply.language].append(reply)
            if not reply.unfit and reply.caller:
                self._good[reply.language, reply.caller].append(reply.reply)

    def of(self, reply: LabelledReply, rng: np.random.Generator) -> LabelledReply:
        """A reply as it is, mostly.

        A draft may stand among its facts: a good reply itself, or, for one with faults, a good one to the same
        caller. A good one may lose a slot that it says (an unbacked fact), its order of words (unfit), or all but
        one of its sentences (still good); or get a short sentence that nobody should hear.

        Args:
            reply: any reply.
            rng: decides.
        """
        chance = rng.random()
        if reply.unfit:
            drafts = [text for text in self._good[reply.language, reply.caller] if text != reply.reply]
            if chance < _DRAFTED and drafts:
                return replace(reply, slots={**reply.slots, "draft": drafts[int(rng.integers(len(drafts)))]})
            return reply
        for share, change in (
            (_GARBLED, self._garbled),
            (_DRAFTED, _drafted),
            (_UNBACKED, _without_a_fact),
            (_CUT, _one_sentence),
            (_SPOILT, self._spoilt),
        ):
            if chance < share:
                return change(reply, rng)
            chance -= share
        return reply

    def _garbled(self, reply: LabelledReply, rng: np.random.Generator) -> LabelledReply:
        """Some of the words in disorder, or words of another reply of the language among them."""
        words = reply.reply.split()
        length = min(len(words), int(rng.integers(4, 9)))
        start = int(rng.integers(0, len(words) - length + 1))
        middle = list(map(str, rng.permutation(words[start : start + length])))
        if rng.random() < 0.5 or middle == words[start : start + length]:
            others = self._by_language[reply.language]
            stranger = others[int(rng.integers(len(others)))].reply.split()
            middle = stranger[len(stranger) // 3 :][:length]
        mixed = " ".join([*words[:start], *middle, *words[start + length :]])
        return replace(reply, reply=mixed, faults=None, unfit=True)

    def _spoilt(self, reply: LabelledReply, rng: np.random.Generator) -> LabelledReply:
        """The reply with somebody else's short sentence before or after it."""
        fragments = self._fragments[reply.language, reply.strategy]
        if not fragments:
            return reply
        fragment = fragments[int(rng.integers(len(fragments)))]
        parts = [reply.reply, fragment.reply][:: int(rng.choice([1, -1]))]
        return replace(reply, reply=" ".join(parts), faults=fragment.faults, unfit=True)


def _drafted(reply: LabelledReply, rng: np.random.Generator) -> LabelledReply:
    return replace(reply, slots={**reply.slots, "draft": reply.reply})


def _one_sentence(reply: LabelledReply, rng: np.random.Generator) -> LabelledReply:
    return replace(reply, reply=str(rng.choice(_SENTENCE_END.split(reply.reply.strip()))))


def _without_a_fact(reply: LabelledReply, rng: np.random.Generator) -> LabelledReply:
    """The reply without a slot whose value it says and nothing else gives; as it is where there is none."""
    said, caller = _letters(reply.reply), _letters(reply.caller)
    for name in rng.permutation(list(reply.slots)):
        rest = {other: value for other, value in reply.slots.items() if other != name}
        value = _letters(reply.slots[name])
        known = caller + "".join(map(_letters, rest.values()))
        if len(value) > 1 and value in said and value not in known:
            return replace(reply, slots=rest, faults=("unbacked_fact",), unfit=True)
    return reply


def _letters(value: Any) -> str:
    return re.sub(r"\W", "", str(value)).lower()


def _reply(record: Mapping[str, Any]) -> LabelledReply:
    faults = None if record["faults"] is None else tuple(record["faults"])
    return LabelledReply(
        record["language"],
        record["strategy"],
        record["caller"],
        record["slots"],
        record["reply"],
        faults,
        record.get("unfit", bool(faults)),
    )
