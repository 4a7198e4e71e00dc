from cases import for_each

from emotionlayer_rasa.affect import SPEECH_SETTINGS, speech_settings, strategy
from emotionlayer_rasa.taxonomy import STATES, STRATEGIES, UNKNOWN
from emotionlayer_rasa.utterance import AffectiveState, EmotionReading, TextReading

SAD = EmotionReading("sadness", 0.7, {"sadness": 0.7, "anger": 0.1, "neutral": 0.2})
CROSS = EmotionReading("anger", 0.7, {"anger": 0.7, "sadness": 0.2, "disgust": 0.1})
CALM = EmotionReading("neutral", 0.8, {"neutral": 0.8, "surprise": 0.2}, valence=0.5)
TROUBLED = EmotionReading("surprise", 0.8, {"surprise": 0.8, "sadness": 0.2}, valence=0.3)
AFRAID = EmotionReading("fear", 0.6, {"fear": 0.6, "surprise": 0.4})
ASKING = TextReading(cues={"question": 0.8, "doubt": 0.6})


def state(name: str, arousal: float = 0.6, dominance: float = 0.45) -> AffectiveState:
    return AffectiveState(name, valence=0.3, arousal=arousal, dominance=dominance)


@for_each(
    "name, expected",
    [
        ("neutral", "direct_efficiency"),
        ("enthusiasm", "positive_mirroring"),
        ("satisfaction", "positive_mirroring"),
        ("uncertainty", "empathic_validation"),
        ("anger", "active_deescalation"),
        ("frustration", "active_deescalation"),
        ("sarcasm", "assertive_neutrality"),
        ("urgency", "rapid_resolution"),
        ("insecurity", "empathic_validation"),
        (UNKNOWN, "direct_efficiency"),
    ],
)
def test_emotionlayers_table(name, expected):
    assert strategy(state(name)) == strategy(AffectiveState(name)) == expected


@for_each(
    "what, heard, said, expected",
    [
        (state("frustration", 0.28, 0.25), SAD, None, "empathic_validation"),
        (state("frustration", 0.65, 0.45), SAD, None, "active_deescalation"),
        (state("frustration", 0.28, 0.25), CROSS, None, "active_deescalation"),
        (state("urgency", 0.25, 0.2), SAD, None, "empathic_validation"),
        (state("urgency", 0.62, 0.35), SAD, None, "rapid_resolution"),
        (state("urgency", 0.25, 0.2), SAD, TextReading(cues={"danger": 0.8}), "rapid_resolution"),
        (state("urgency", 0.25, 0.2), AFRAID, None, "rapid_resolution"),
        (state("uncertainty", 0.5, 0.4), CALM, ASKING, "direct_efficiency"),
        (state("uncertainty", 0.5, 0.4), TROUBLED, ASKING, "empathic_validation"),
        (state("uncertainty", 0.5, 0.4), AFRAID, ASKING, "empathic_validation"),
        (state("uncertainty", 0.5, 0.4), CALM, TextReading(cues={"doubt": 0.6}), "empathic_validation"),
        (state("anger", 0.3, 0.2), SAD, ASKING, "active_deescalation"),
    ],
)
def test_the_same_state_may_need_another_strategy(what, heard, said, expected):
    assert strategy(what, heard, said) == expected


def test_every_state_is_answered_by_a_known_strategy():
    assert {strategy(state(name)) for name in STATES} == set(STRATEGIES)


def test_speech_settings_cover_the_strategies_inside_the_range():
    assert set(SPEECH_SETTINGS) == set(STRATEGIES)
    assert all(0.8 <= settings.speed <= 1.25 for settings in SPEECH_SETTINGS.values())
    assert all(settings.tone and settings.pitch for settings in SPEECH_SETTINGS.values())
    assert speech_settings("no such strategy") == SPEECH_SETTINGS["direct_efficiency"]
