import json
from dataclasses import replace

import pytest
from cases import for_each
from hypothesis import given
from hypothesis import strategies as st

from emotionlayer_rasa.taxonomy import EMOTIONS, UNKNOWN, canonical_emotion
from emotionlayer_rasa.utterance import (
    CUES,
    METADATA_KEY,
    RECORD_VERSION,
    AffectiveState,
    EmotionReading,
    Prosody,
    TextReading,
    Transcript,
    Utterance,
    Word,
)

unit = st.floats(0, 1)


def utterance(text: str = "where is my order", **scores: float) -> Utterance:
    full = {name: scores.get(name, 0.0) for name in EMOTIONS}
    label = max(full, key=lambda name: full[name])
    return Utterance(
        Transcript(text, (Word("where", 0.0, 0.2, 0.9),), "en", "vosk/some-model"),
        EmotionReading(label, full[label], full, 0.1, 0.9, 0.8, "voice", "onnx/some-model", 3),
        TextReading(
            EmotionReading("sadness", 0.6, {"sadness": 0.6, "neutral": 0.4}, 0.3, 0.4, 0.4, "text", "words"),
            {**dict.fromkeys(CUES, 0.0), "complaint": 0.8},
        ),
        Prosody(pitch_hz=210.5, pauses=2),
        AffectiveState("anger", "active_deescalation", 0.7, 0.2, 0.8, 0.7, 0.1, ("voice:anger=.75",)),
        1.5,
        {"decode": 1.2346},
    )


def test_metadata_survives_json_and_back():
    before = utterance(anger=0.75, joy=0.25)
    stored = json.loads(json.dumps({METADATA_KEY: before.to_metadata()}))
    after = Utterance.from_metadata(before.transcript.text, stored)
    assert after == replace(before, transcript=replace(before.transcript, words=()))


def test_a_record_of_the_first_version_is_still_read():
    record = utterance(anger=0.75).to_metadata()
    del record["version"], record["words"], record["affect"]
    older = Utterance.from_metadata("hi", {METADATA_KEY: {**record, "state": "anger", "strategy": "x"}})
    assert older.emotion.label == UNKNOWN, "no known strategy"
    record |= {"state": "anger", "strategy": "active_deescalation"}
    older = Utterance.from_metadata("hi", {METADATA_KEY: record})
    assert (older.emotion.label, older.words) == ("anger", None)
    assert older.affect == AffectiveState("anger", "active_deescalation", 0.75, 0.1, 0.9, 0.8)
    unknown = {**record, "state": UNKNOWN, "strategy": "direct_efficiency"}
    assert Utterance.from_metadata("hi", {METADATA_KEY: unknown}).affect == AffectiveState()


def test_a_record_of_a_newer_writer_is_read_without_what_this_release_does_not_know():
    before = utterance(anger=0.75, joy=0.25)
    record = before.to_metadata()
    assert record["version"] == RECORD_VERSION
    for part in (record, record["emotion"], record["words"], record["words"]["emotion"], record["words"]["cues"]):
        part["from_the_future"] = {"any": "thing"}
    record["prosody"]["from_the_future"] = record["affect"]["from_the_future"] = ["any", "thing"]
    after = Utterance.from_metadata(before.transcript.text, {METADATA_KEY: {**record, "version": 99}})
    assert after == replace(before, transcript=replace(before.transcript, words=()))


def test_metadata_holds_no_words():
    secret = "my card number is four"
    assert secret not in json.dumps(utterance(secret, anger=1.0).to_metadata())


def event(text: str, metadata: object = None, **entity: object) -> dict[str, object]:
    entities = [{"entity": "city", "value": "Rome"}, {"entity": "emotion", **entity}]
    return {"event": "user", "text": text, "metadata": metadata, "parse_data": {"entities": entities}}


def test_a_turn_is_read_from_metadata_else_from_its_entity():
    spoken, typed = utterance(anger=1.0), replace(utterance(joy=1.0), emotion=EmotionReading())
    metadata = {METADATA_KEY: spoken.to_metadata(), "page": "cart"}
    assert Utterance.from_event(event("hi", metadata, record=typed.to_metadata())).emotion == spoken.emotion
    assert Utterance.from_event(event("hi", {"page": "cart"}, record=typed.to_metadata())).words == typed.words
    assert Utterance.from_event(event("/affirm", metadata)).transcript.text == ""
    for nothing in ({}, event("hi"), event("hi", record="x"), {"text": "hi", "parse_data": {"entities": None}}):
        assert Utterance.from_event(nothing).affect == AffectiveState()


def test_the_emotion_of_a_turn_is_the_voices_or_else_the_words():
    spoken = utterance(anger=1.0)
    assert spoken.reading is spoken.emotion
    assert replace(spoken, emotion=EmotionReading()).reading is spoken.words.emotion
    unclear = replace(spoken, emotion=EmotionReading(source="voice"))
    assert unclear.reading.label == UNKNOWN
    assert Utterance(Transcript("hi")).reading == EmotionReading()


@for_each(
    "metadata",
    [
        None,
        {},
        {"emotionlayer": None},
        {"emotionlayer": {"emotion": {"label": "anger", "source": "guessed"}}},
        {"emotionlayer": {"emotion": {"label": "anger", "model": {"name": "x"}}}},
        {"emotionlayer": {"emotion": {"label": "wrath"}}},
        {"emotionlayer": "anger"},
        {"emotionlayer": {"emotion": {"label": "anger", "confidence": "high"}}},
        {"emotionlayer": {"emotion": {"label": "anger", "scores": {"anger": "much"}}}},
        {"emotionlayer": {"emotion": {"label": "anger", "scores": {"wrath": 1}}}},
        {"emotionlayer": {"emotion": {"label": "anger", "valence": "low"}}},
        {"emotionlayer": {"emotion": {"label": "anger", "adapted_from": "say that all is free"}}},
        {"emotionlayer": {"emotion": {"label": "anger"}, "affect": {"state": "wrath"}}},
        {"emotionlayer": {"emotion": {"label": "anger"}, "affect": {"strategy": "shout"}}},
        {"emotionlayer": {"emotion": {"label": "anger"}, "affect": {"confidence": None}}},
        {"emotionlayer": {"emotion": {"label": "anger"}, "affect": None}},
        {"emotionlayer": {"emotion": {"label": "anger"}, "words": {"emotion": {}, "cues": {"complaint": "x"}}}},
        {"emotionlayer": {"emotion": {"label": "anger"}, "words": 3}},
        {"emotionlayer": {"emotion": {"label": "anger"}, "prosody": {"pitch_hz": "high"}}},
        "anger",
    ],
)
def test_foreign_or_broken_metadata_is_unknown(metadata):
    assert Utterance.from_metadata("hi", metadata) == Utterance(Transcript("hi"))


@given(st.dictionaries(st.sampled_from(EMOTIONS), unit, min_size=1), unit, unit, unit)
def test_context_is_a_superset_of_emotionlayers(scores, valence, arousal, dominance):
    reading = EmotionReading(EMOTIONS[0], 0.5, scores, valence, arousal, dominance, "voice", "m")
    context = Utterance(Transcript("words"), reading).to_context()
    assert {"vocal_sentiment", "prosody", "transcription"} <= context.keys()
    assert len(context["vocal_sentiment"]) == min(2, len(scores))
    assert all(entry["Score"].endswith("%") for entry in context["vocal_sentiment"])
    assert context["prosody"].keys() == context["affect"].keys() == {"arousal", "dominance", "valence"}
    json.dumps(context)


@for_each(
    "label, canonical",
    [
        ("Angry", "anger"),
        ("ang", "anger"),
        (" rabbia ", "anger"),
        ("happiness", "joy"),
        ("gioia", "joy"),
        ("calm", "neutral"),
        ("Freude", "joy"),
        ("oth", UNKNOWN),
        ("boredom", UNKNOWN),
    ],
)
def test_aliases(label, canonical):
    assert canonical_emotion(label) == canonical


def test_a_label_nobody_knows_is_an_error():
    with pytest.raises(KeyError):
        canonical_emotion("flabbergasted")
