"""Over 20,000 inputs a run that nobody sends on purpose: each gives a value or a typed error, and nothing else.

The inputs are the same in every run. Others are tried by ``pytest tests/fuzz --hypothesis-seed=N``.
"""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from datetime import datetime, timezone
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Callable, Iterator

import numpy as np
import pytest
import soundfile
import yaml
from conversations import LISTEN, SESSION, bot, in_state, slot, user
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasa.shared.exceptions import InvalidConfigException

from emotionlayer_rasa.affect.escalation_rules import Decision
from emotionlayer_rasa.affect.memory import EmotionalProfile, Reading
from emotionlayer_rasa.audio import decode_audio
from emotionlayer_rasa.channels.requests import read_json, read_message, read_metadata, read_sender
from emotionlayer_rasa.channels.voice import VoiceInput
from emotionlayer_rasa.channels.wires.base import Wire
from emotionlayer_rasa.channels.wires.media_streams import (
    MediaStreamsRoute,
    MediaStreamsSettings,
    MediaStreamsWire,
)
from emotionlayer_rasa.channels.wires.stream import StreamWire
from emotionlayer_rasa.conversation import Conversation
from emotionlayer_rasa.endpoints import read_section
from emotionlayer_rasa.errors import AudioError, ConfigurationError, EmotionLayerError, RequestError
from emotionlayer_rasa.evaluation.scenarios import read_scenarios
from emotionlayer_rasa.handoff.delivery import HandoffSettings
from emotionlayer_rasa.handoff.redaction import redact
from emotionlayer_rasa.response.check import check_reply
from emotionlayer_rasa.response.llm.settings import LLMSettings
from emotionlayer_rasa.utterance import METADATA_KEY, EmotionReading, Prosody, Transcript, Utterance
from emotionlayer_rasa.words import create_text_reader

DATA = Path(__file__).parents[1] / "data"

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["anger", "NaN", "1e999", "2026-11-30", "\ud800", "/restart{}", "", "x" * 5_000]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands within a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


@st.composite
def spoilt(draw: st.DrawFn, whole: Any) -> Any:
    """A JSON value in which one to three things are something else, gone, or named otherwise."""
    value = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        paths = list(places(value))
        if not paths:
            return draw(VALUES)
        *path, last = draw(st.sampled_from(paths))
        around = value
        for key in path:
            around = around[key]
        match draw(st.sampled_from(["other", "other", "gone", "renamed"])):
            case "gone":
                del around[last]
            case "renamed" if isinstance(around, dict):
                around[draw(st.text(max_size=8))] = around.pop(last)
            case _:
                around[last] = draw(VALUES)
    return value


def times(count: int) -> Callable[[Any], Any]:
    """So many inputs, however long one takes."""
    return settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))


SAID = Utterance(
    Transcript("it is late", language="en", model="vosk"),
    EmotionReading("anger", 0.9, {"anger": 0.9, "neutral": 0.1}, 0.2, 0.8, 0.7, "voice", "test"),
    in_state("anger", complaint=0.7).words,
    Prosody(pitch_hz=150.0, pauses=1),
    in_state("anger").affect,
    2.0,
    {"decode": 1.0},
)
RECORD = {METADATA_KEY: SAID.to_metadata(), "other": {"channel": "phone"}}
DECISION = Decision(
    "anger that stays",
    "action_escalate_to_human",
    2,
    75,
    "falling",
    ("active_deescalation",),
    {2: Reading(20.0, "anger", 0.81, "anger", 0.9, {"complaint": 0.7})},
).to_metadata()
PROFILE = EmotionalProfile(
    "2026-11-30T10:00:00+00:00", 4, 0.4, 0.5, 0.5, {"active_deescalation": (1, 2)}
).to_dict()
EVENTS = [
    SESSION,
    {**user("it is late", SAID), "timestamp": 1.0},
    slot("response_strategy", "active_deescalation"),
    bot("I am sorry."),
    {"event": "action", "name": "action_escalate_to_human", "metadata": DECISION, "timestamp": 2.0},
    slot("emotion_consent", True),
    slot("emotional_profile", PROFILE),
    LISTEN,
]


@times(3000)
@given(spoilt(RECORD))
def test_a_record_read_back_is_one_that_can_be_written(metadata: Any) -> None:
    json.dumps(Utterance.from_metadata("it is late", metadata).to_metadata(), allow_nan=False)


@times(1500)
@given(spoilt(DECISION))
def test_a_decision_read_back_is_one_or_none(metadata: Any) -> None:
    decision = Decision.from_metadata(metadata)
    assert decision is None or Decision.from_metadata(decision.to_metadata()) is not None


@times(1500)
@given(spoilt(PROFILE))
def test_a_profile_read_back_is_one_or_none(record: Any) -> None:
    profile = EmotionalProfile.from_dict(record)
    if profile is not None:
        profile.expired(datetime.now(timezone.utc), 30.0)
        json.dumps(profile.to_dict(), allow_nan=False)


@times(1500)
@given(spoilt(EVENTS), spoilt({"emotion_consent": True, "escalated": False, "emotional_profile": PROFILE}))
def test_a_conversation_is_read_whatever_its_events_hold(events: Any, slots: Any) -> None:
    conversation = Conversation(
        events if isinstance(events, list) else [], slots if isinstance(slots, dict) else {}, "caller"
    )
    for what in ("may_analyse", "memory_consent", "utterance", "said", "language", "channel", "memory", "profile"):
        getattr(conversation, what)


CONFIG = {
    "config": {
        "sample_rate": 16000,
        "encoding": "pcm16",
        "sender": "a",
        "metadata": {"a": 1},
        "events": True,
        "speech": "mulaw",
        "phrase_list": ["yes"],
        "max_alternatives": 1,
    }
}
STREAM = [
    CONFIG,
    {"eof": 1},
    {"reset": 1},
    {"message": "hi", "metadata": {}},
    {"played": {"id": 3, "seconds": 1.2}},
]
START = {
    "event": "start",
    "start": {
        "streamSid": "MZ1",
        "callSid": "CA1",
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"language": "en"},
    },
}
TWILIO = [
    START,
    {"event": "media", "media": {"payload": "f39/", "track": "inbound"}},
    {"event": "mark", "mark": {"name": "1"}},
    {"event": "dtmf", "dtmf": {"digit": "1"}},
    {"event": "stop"},
]


def read_all(wire: Wire, messages: list[Any]) -> None:
    for message in messages:
        with suppress(EmotionLayerError):
            list(wire.read(message))


def on_a_wire(messages: list[Any]) -> st.SearchStrategy[list[str | bytes]]:
    """Some of the protocol's messages, spoilt or not, in any order, and others."""
    text = st.one_of(*map(spoilt, messages), st.sampled_from(messages), VALUES).map(json.dumps)
    return st.lists(st.one_of(text, text, st.text(max_size=40), st.binary(max_size=40)), min_size=1, max_size=5)


@times(2500)
@given(on_a_wire(STREAM))
def test_the_stream_takes_any_message(messages: list[Any]) -> None:
    read_all(StreamWire(None, 1000), messages)


@times(2000)
@given(on_a_wire(TWILIO))
def test_twilio_takes_any_message(messages: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWILIO_AUTH_TOKEN", "the account's secret")
        account = MediaStreamsRoute(MediaStreamsSettings(public_url="https://bot.example"))
    ticket = {"ticket": account.tickets.issue("CA1", "a"), "sender": "a"}
    started = {**START, "start": {**START["start"], "customParameters": ticket}}
    read_all(MediaStreamsWire(account, {}), [json.dumps(started), *messages])
    read_all(MediaStreamsWire(account, {}), messages)


@times(1500)
@given(st.one_of(st.text(), VALUES.map(json.dumps), st.text('[]{}",:1e-9', max_size=2000)), VALUES)
def test_what_a_request_holds_is_read_or_refused(text: str, value: Any) -> None:
    for read in (lambda: read_json(text, "The body"), lambda: read_sender(value), lambda: read_metadata(value)):
        with suppress(RequestError):
            read()
    with suppress(RequestError):
        read_message(value, 1000)


@cache
def recordings() -> list[bytes]:
    rng = np.random.default_rng(1)
    samples = 0.1 * rng.standard_normal(1600)
    found = []
    for form, subtype in (("WAV", "PCM_16"), ("WAV", "ULAW"), ("FLAC", None), ("OGG", None), ("MP3", None)):
        file = BytesIO()
        soundfile.write(file, samples, 16000, format=form, subtype=subtype)
        found.append(file.getvalue())
    return found


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(recordings())))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data) - 1))
        match draw(st.integers(0, 3)):
            case 0:
                del data[at : at + draw(st.integers(1, 64))]
            case 1:
                data[at:at] = draw(st.binary(min_size=1, max_size=16))
            case 2:
                data[at] = draw(st.integers(0, 255))
            case _:
                data[at : at + 4] = draw(st.sampled_from([b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff"]))
        if not data:
            break
    return bytes(data)


@times(3500)
@given(broken())
def test_a_broken_recording_is_heard_or_refused(data: bytes) -> None:
    with suppress(AudioError):
        assert np.isfinite(decode_audio(data).samples).all()


CREDENTIALS = {
    "token": "secret",
    "limits": {"max_live": 4, "max_characters": 1000, "max_bytes": 100_000},
    "stream": {"sample_rate": 16000},
    "emotion": {"model": "open"},
    "silence": {"first_s": 8.0},
}
SCENARIOS = json.loads((DATA / "scenarios_frozen_1.json").read_text(encoding="utf-8"))[:2]
LLM = {"llm": {"model": "a", "base_url": "http://localhost:1/v1", "timeout_s": 2.0}}
HANDOFF = {"handoff": {"url": "https://desk.example", "retries": 3, "slots": ["order"]}}


@times(1500)
@given(spoilt(CREDENTIALS))
def test_credentials_are_taken_or_explained(credentials: Any) -> None:
    with suppress(InvalidConfigException):
        VoiceInput.from_credentials(credentials)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "file"


@times(1500)
@given(content=st.one_of(spoilt(SCENARIOS).map(json.dumps), st.text(max_size=60), VALUES.map(json.dumps)))
def test_scenarios_are_read_or_refused(file: Path, content: str) -> None:
    file.write_text(content, encoding="utf-8", errors="surrogatepass")
    with suppress(ConfigurationError):
        read_scenarios(file)


@times(1000)
@given(
    content=st.one_of(spoilt(LLM).map(yaml.safe_dump), spoilt(HANDOFF).map(yaml.safe_dump), st.text(max_size=60))
)
def test_endpoints_are_read_or_refused(file: Path, content: str) -> None:
    file.write_text(content, encoding="utf-8", errors="surrogatepass")
    for kind, name in ((LLMSettings, "llm"), (HandoffSettings, "handoff")):
        with suppress(ConfigurationError):
            read_section(kind, name, file)


WORDS = st.one_of(
    st.text(max_size=200),
    st.lists(st.sampled_from(["no", "12", "€", "\u200d", "dix", "😡", "\x00"])).map(" ".join),
)


@times(600)
@given(WORDS, st.sampled_from(["en", "it", "de", "es", "fr", "pt"]))
def test_any_text_is_read_checked_and_masked(text: str, language: str) -> None:
    assert create_text_reader().read(text) is not None
    check_reply(text, "direct_efficiency", language, facts={"order": "1042", "day": text}, caller=text)
    redact(text)
