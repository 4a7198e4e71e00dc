import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotionlayer_rasa.affect import SPEECH_SETTINGS, interpret, speech_settings
from emotionlayer_rasa.taxonomy import EMOTIONS, STATES, STRATEGIES, UNKNOWN
from emotionlayer_rasa.utterance import EmotionReading


def reading(label: str, valence: float, arousal: float, dominance: float, share: float = 0.8) -> EmotionReading:
    rest = (1 - share) / (len(EMOTIONS) - 1)
    scores = {name: share if name == label else rest for name in EMOTIONS}
    return EmotionReading(label, share, scores, valence, arousal, dominance, "voice", "test")


@pytest.mark.parametrize(
    ("heard", "state", "strategy"),
    [
        (reading("anger", 0.1, 0.95, 0.9), "anger", "active_deescalation"),
        (reading("anger", 0.33, 0.85, 0.6), "anger", "active_deescalation"),
        (reading("anger", 0.3, 0.6, 0.35), "frustration", "active_deescalation"),
        (reading("disgust", 0.25, 0.5, 0.5), "frustration", "active_deescalation"),
        (reading("sadness", 0.3, 0.65, 0.45), "frustration", "active_deescalation"),
        (reading("sadness", 0.3, 0.3, 0.2), "insecurity", "empathic_validation"),
        (reading("joy", 0.9, 0.9, 0.7), "enthusiasm", "positive_mirroring"),
        (reading("joy", 0.75, 0.3, 0.5), "satisfaction", "positive_mirroring"),
        (reading("fear", 0.25, 0.95, 0.4), "urgency", "rapid_resolution"),
        (reading("surprise", 0.4, 0.5, 0.3), "uncertainty", "empathic_validation"),
        (reading("neutral", 0.5, 0.5, 0.5), "neutral", "direct_efficiency"),
    ],
)
def test_emotionlayers_table(heard, state, strategy):
    assert interpret(heard) == (state, strategy)


def test_unknown_asks_for_nothing():
    assert interpret(EmotionReading()) == (UNKNOWN, "direct_efficiency")


@given(st.sampled_from(EMOTIONS), *[st.floats(0, 1)] * 4)
def test_every_reading_has_a_state_and_a_strategy(label, valence, arousal, dominance, share):
    state, strategy = interpret(reading(label, valence, arousal, dominance, share))
    assert state in STATES
    assert strategy in STRATEGIES


def test_speech_settings_cover_the_strategies_inside_the_range():
    assert set(SPEECH_SETTINGS) == set(STRATEGIES)
    assert all(0.8 <= settings.speed <= 1.25 for settings in SPEECH_SETTINGS.values())
    assert speech_settings("no such strategy") == SPEECH_SETTINGS["direct_efficiency"]
