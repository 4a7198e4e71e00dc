import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotionlayer_rasa.taxonomy import EMOTIONS, UNKNOWN, canonical_emotion
from emotionlayer_rasa.utterance import METADATA_KEY, EmotionReading, Prosody, Transcript, Utterance, Word

unit = st.floats(0, 1)


def utterance(text: str = "where is my order", **scores: float) -> Utterance:
    full = {name: scores.get(name, 0.0) for name in EMOTIONS}
    label = max(full, key=lambda name: full[name])
    return Utterance(
        Transcript(text, (Word("where", 0.0, 0.2, 0.9),), "en", "vosk/some-model"),
        EmotionReading(label, full[label], full, 0.1, 0.9, 0.8, "voice", "onnx/some-model"),
        Prosody(pitch_hz=210.5, pauses=2),
        "anger",
        "active_deescalation",
        1.5,
        {"decode": 1.23456},
    )


def test_metadata_survives_json_and_back():
    before = utterance(anger=0.75, joy=0.25)
    stored = json.loads(json.dumps({METADATA_KEY: before.to_metadata()}))
    after = Utterance.from_metadata(before.transcript.text, stored)
    assert after.emotion == before.emotion
    assert after.prosody == before.prosody
    assert (after.state, after.strategy, after.duration_s) == ("anger", "active_deescalation", 1.5)
    assert after.transcript.text == "where is my order"


def test_metadata_holds_no_words():
    secret = "my card number is four"
    assert secret not in json.dumps(utterance(secret, anger=1.0).to_metadata())


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        {"emotionlayer": None},
        {"emotionlayer": {"emotion": {"label": "anger", "surplus": 1}}},
        {"emotionlayer": {"emotion": {"label": "wrath"}}},
        {"emotionlayer": "anger"},
        "anger",
    ],
)
def test_foreign_or_broken_metadata_is_unknown(metadata):
    assert Utterance.from_metadata("hi", metadata).emotion.label == UNKNOWN


@given(st.dictionaries(st.sampled_from(EMOTIONS), unit, min_size=1), unit, unit, unit)
def test_context_is_a_superset_of_emotionlayers(scores, valence, arousal, dominance):
    reading = EmotionReading(EMOTIONS[0], 0.5, scores, valence, arousal, dominance, "voice", "m")
    context = Utterance(Transcript("words"), reading).to_context()
    assert {"vocal_sentiment", "prosody", "transcription"} <= context.keys()
    assert len(context["vocal_sentiment"]) == min(2, len(scores))
    assert all(entry["Score"].endswith("%") for entry in context["vocal_sentiment"])
    assert context["prosody"].keys() == {"arousal", "dominance", "valence"}
    json.dumps(context)


@pytest.mark.parametrize(
    ("label", "canonical"),
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
