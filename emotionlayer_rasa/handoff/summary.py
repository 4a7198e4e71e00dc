"""What a person who takes over a conversation gets to know of it: one JSON object, version 1.

======================  ======================================================================================
key                     value
======================  ======================================================================================
``type``, ``version``   ``emotionlayer.handoff``, 1
``id``                  of this handover: every delivery of it, and every repetition, has the same
``time``                of the handover, ISO 8601 in UTC, as are all times
``conversation``        Rasa's id of the conversation (``sender_id``)
``channel``             name of the input channel; empty when unknown
``language``            code of the language of the replies
``priority``            0..100, see :func:`emotionlayer_rasa.affect.priority.priority`
``intent``              of the caller's last turn; empty when unknown
``reasons``             for machines, see :func:`reasons`
``emotion``             ``state``, ``trend``, ``negative_streak``, ``peak`` and smoothed ``valence``, ``arousal``,
                        ``dominance`` (0..1; null when unknown), and ``course``: of each turn of which something is
                        known ``time``, ``state``, ``confidence``, the ``strategy`` of the answer, and the axes
``slots``               the slots that ``handoff.slots`` names and that are filled; personal data masked
``turns``               the last turns: ``role`` (``caller``, ``assistant``), ``time``, ``text``, personal data
                        masked; empty with ``transcripts: none``
======================  ======================================================================================

There is never audio in it. What the caller withdrew consent to is forgotten, so ``emotion`` knows nothing of it.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timezone
from typing import Any, Collection, Iterable, Mapping

from emotionlayer_rasa.affect.memory import AffectiveMemory, Turn
from emotionlayer_rasa.affect.priority import priority
from emotionlayer_rasa.conversation import Conversation
from emotionlayer_rasa.handoff.redaction import redact
from emotionlayer_rasa.taxonomy import DIMENSIONS, UNKNOWN

VERSION = 1

CUES = ("danger", "urgency", "hostility")
"""Cues of the words that are reasons."""

CUE = 0.5
"""Strength from which they are, 0..1."""

CUE_TURNS = 3
"""Turns that are looked at, the last ones whose words were read: who is asked "shall I?" just says yes."""

_NAMESPACE = uuid.UUID("5d0c8b0e-6f4b-4a38-9d2b-2b1f7f0f9f11")
_MEMORY_KEYS = ("state", "trend", "negative_streak", "peak", *DIMENSIONS)


def handover_id(conversation: Conversation) -> str:
    """The id of the handover that is asked for now.

    It comes from the conversation, the begin of the session, and how often a person has handed the conversation
    back since (the slot ``escalated`` set to false after it was true). So an action that Rasa calls a second time,
    or that the caller asks for again before a person has taken over, has the id of the first.
    """
    begin, handed_back, escalated = 0.0, 0, False
    for event in conversation.session:
        if event.get("event") in ("session_started", "restart"):
            begin = float(event.get("timestamp") or 0.0)
        elif event.get("event") == "slot" and event.get("name") == "escalated":
            handed_back += escalated and event.get("value") is False
            escalated = event.get("value") is True
    return uuid.uuid5(_NAMESPACE, f"{conversation.sender}\n{begin}\n{handed_back}").hex


def summarise(
    conversation: Conversation, *, turns: int = 10, transcripts: bool = True, slots: Collection[str] = ()
) -> dict[str, Any]:
    """The summary of a conversation.

    Args:
        conversation: as it is now.
        turns: how many of the caller's last turns are told, each with what the assistant said after it.
        transcripts: False leaves the words out.
        slots: names of slots that the person needs; their values are not masked in the words.
    """
    memory = conversation.memory
    facts = {name: value for name in slots if (value := conversation.slots.get(name)) is not None}
    keep = [
        str(value) for value in facts.values() if isinstance(value, (str, int)) and not isinstance(value, bool)
    ]
    known = memory.summary()
    return {
        "type": "emotionlayer.handoff",
        "version": VERSION,
        "id": handover_id(conversation),
        "time": _iso(datetime.now(timezone.utc).timestamp()),
        "conversation": conversation.sender,
        "channel": conversation.channel,
        "language": conversation.language,
        "priority": priority(memory),
        "intent": conversation.intent,
        "reasons": reasons(memory, conversation.intent),
        "emotion": {**{key: known[key] for key in _MEMORY_KEYS}, "course": _course(conversation.turns)},
        "slots": {name: _fact(value, keep) for name, value in facts.items()},
        "turns": _dialogue(conversation.session, turns, keep) if transcripts else [],
    }


def reasons(memory: AffectiveMemory, intent: str) -> list[str]:
    """Why a person is needed, as far as the conversation tells; the strongest first within each kind.

    ``caller:asked``; ``cue:danger=0.80`` (or ``urgency``, ``hostility``) of the last words;
    ``state:anger=0.53`` with its confidence; ``streak:3`` negative turns in a row, from two on; ``trend:falling``;
    ``not_helped:active_deescalation`` of strategies that were tried without success.
    """
    known = [reading for reading in memory.readings if reading.state != UNKNOWN]
    read = [reading.cues for reading in memory.readings if reading.cues][-CUE_TURNS:]
    strengths = {cue: max((cues.get(cue, 0.0) for cues in read), default=0.0) for cue in CUES}
    found = ["caller:asked"] if intent == "ask_human" else []
    found += [f"cue:{cue}={strengths[cue]:.2f}" for cue in CUES if strengths[cue] >= CUE]
    if known:
        found.append(f"state:{known[-1].state}={known[-1].confidence:.2f}")
    if memory.negative_streak > 1:
        found.append(f"streak:{memory.negative_streak}")
    if memory.trend == "falling":
        found.append("trend:falling")
    return found + [f"not_helped:{strategy}" for strategy in dict.fromkeys(memory.failed_strategies)]


def _course(turns: Iterable[Turn]) -> list[dict[str, Any]]:
    return [
        {
            "time": _iso(turn.time),
            "state": affect.state,
            "confidence": round(affect.confidence, 2),
            "strategy": turn.strategy or affect.strategy,
            **{
                axis: None if value is None else round(value, 2)
                for axis in DIMENSIONS
                for value in [getattr(affect, axis)]
            },
        }
        for turn in turns
        if (affect := turn.utterance.affect).state != UNKNOWN
    ]


def _dialogue(session: Iterable[Mapping[str, Any]], turns: int, keep: Collection[str]) -> list[dict[str, Any]]:
    """The last turns of this session, also those that the assistant did not understand and Rasa took back."""
    said = [
        ("caller" if event["event"] == "user" else "assistant", event)
        for event in session
        if event.get("event") in ("user", "bot") and event.get("text")
    ]
    places = [place for place, (role, _) in enumerate(said) if role == "caller"]
    first = places[-turns] if 0 < turns <= len(places) else 0 if turns else len(said)
    return [
        {"role": role, "time": _iso(float(event.get("timestamp") or 0)), "text": redact(str(event["text"]), keep)}
        for role, event in said[first:]
    ]


def _fact(value: Any, keep: Collection[str]) -> Any:
    return value if isinstance(value, (bool, int, float)) else redact(str(value), keep)


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, timezone.utc).isoformat(timespec="seconds")
