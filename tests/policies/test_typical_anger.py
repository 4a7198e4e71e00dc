"""Anger as it is written and spoken, against the examples of docs/add-to-a-bot.md and config.yml."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from emotionlayer_rasa.affect import fuse
from emotionlayer_rasa.affect.escalation_rules import Rule, decide
from emotionlayer_rasa.audio.decoding import load_audio
from emotionlayer_rasa.conversation import Conversation
from emotionlayer_rasa.emotion import CallerVoice
from emotionlayer_rasa.emotion.prosody import measure_prosody
from emotionlayer_rasa.emotion.recognizers import create_recognizer
from emotionlayer_rasa.policies.escalation import RuleSettings
from emotionlayer_rasa.taxonomy import UNKNOWN
from emotionlayer_rasa.utterance import METADATA_KEY, Transcript, Utterance
from emotionlayer_rasa.words import create_text_reader

SHARED = Path(os.environ.get("EMOTIONLAYER_SHARED", Path(__file__).parents[3] / "shared")) / "speech" / "ravdess"
GUIDE = "docs/add-to-a-bot.md"
SHIPPED = Path(__file__).parents[1] / "data" / "ravdess"
ANGRY_LINES = """
I hate you all, this is terrible
I am so angry right now
This is outrageous, I want my money back
You people are useless
I have called five times and nobody helps me
This is the worst service I have ever had
Are you kidding me? Still broken!
Stop wasting my time
This is unacceptable
I am sick and tired of waiting
Why does nobody ever answer my emails, this is ridiculous
I am fed up with your excuses
Damn it, fix it already
How dare you charge me twice
Never again, you thieves
Shut up and give me my refund
You are lying to me
This makes me so mad
Nothing works, I have had it with you
I can't believe how incompetent you are
Go to hell with your stupid bot
I'm done with this awful company
""".strip().splitlines()
CALM_LINES = """
hello there
where is my order
I would like to return my shoes
thank you very much
my order number is 1042
can you help me please
yes please
that is great, thanks
when will it arrive
no problem
""".strip().splitlines()


def typed(text: str) -> dict[str, Any]:
    """A typed turn as the component records it, with an entity that is not sure of the emotion."""
    words = create_text_reader("en").read(text)
    record = Utterance(Transcript(text), words=words, affect=fuse(None, words)).to_metadata()
    return {
        "event": "user",
        "text": text,
        "parse_data": {"entities": [{"entity": "emotion", "value": UNKNOWN, "record": record}]},
    }


def spoken(path: Path, caller: CallerVoice | None = None) -> dict[str, Any]:
    """A RAVDESS clip as the voice channel records it, its words not understood; the caller's voice is learnt."""
    waveform = load_audio(path)
    prosody = measure_prosody(waveform)
    heard = create_recognizer().hear(waveform, prosody, caller)
    voice = heard.reading
    if caller is not None:
        heard.teach(caller)
    utterance = Utterance(Transcript(""), voice, prosody=prosody, affect=fuse(voice, None, prosody))
    return {"event": "user", "text": "words", "metadata": {METADATA_KEY: utterance.to_metadata()}}


def clips(emotion: str, actor: str) -> list[Path]:
    return sorted(SHARED.rglob(f"03-01-{emotion}-*-{actor}.flac"))


def example(root: Path, file: str) -> Rule:
    """The rule about anger that stays, as the file has it."""
    text = (root / file).read_text(encoding="utf-8")
    if file == GUIDE:
        (text,) = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.S) if "EscalationPolicy" in block]
    (policy,) = [entry for entry in yaml.safe_load(text)["policies"] if entry["name"].endswith("EscalationPolicy")]
    (rule,) = [rule for rule in policy["rules"] if rule["name"] == "anger that stays"]
    return RuleSettings(**rule).to_rule()


def fires(rule: Rule, *events: dict[str, Any]) -> bool:
    conversation = Conversation(events, {})
    return decide([rule], conversation.memory, conversation.history, "", {}) is not None


def test_two_angry_lines_fire_the_guides_rule_and_calm_ones_do_not(root: Path) -> None:
    rule = example(root, GUIDE)
    angry, calm = [typed(line) for line in ANGRY_LINES], [typed(line) for line in CALM_LINES]
    missed = [line for line, turn in zip(ANGRY_LINES, angry, strict=True) if not fires(rule, turn, turn)]
    assert (len(angry), len(calm)) == (22, 10)
    assert len(missed) <= 4, missed
    assert not any(fires(rule, *calm[: place + 1]) for place in range(len(calm)))


@pytest.mark.parametrize("file", [GUIDE, "config.yml"])
def test_two_angry_recordings_fire_the_examples_rule(root: Path, file: str) -> None:
    first, second, third = (spoken(path) for path in sorted(SHIPPED.glob("03-01-05-*.flac")))
    rule = example(root, file)
    assert not fires(rule, first)
    assert fires(rule, first, second)
    assert fires(rule, second, third)


@pytest.mark.parametrize("actor", ["01", "03"])
def test_a_caller_who_stays_angry_stays_angry(actor: str) -> None:
    """Two neutral recordings and three angry ones of one speaker, or three shipped ones of three."""
    neutral, angry = clips("01-01", actor)[:2], clips("05-02", actor)[:3]
    caller = CallerVoice() if angry else None
    events = [spoken(path, caller) for path in (*neutral, *(angry or sorted(SHIPPED.glob("03-01-05-*.flac"))))]
    memory = Conversation(events, {}).memory
    assert (memory.negative_streak, memory.emotion) == (3, "anger")
    assert memory.current.state in ("anger", "frustration")
    last = Utterance.from_event(events[-1])
    assert (memory.current.state, memory.current.confidence) == (last.affect.state, last.affect.confidence)
