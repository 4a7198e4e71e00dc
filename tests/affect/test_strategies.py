from cases import for_each

from emotionlayer_rasa.affect import SPEECH_SETTINGS, speech_settings
from emotionlayer_rasa.affect.strategies import STATE_STRATEGY, asks_for_a_fact
from emotionlayer_rasa.taxonomy import STATES, STRATEGIES
from emotionlayer_rasa.utterance import EmotionReading, TextReading

CALM = EmotionReading("neutral", 0.8, {"neutral": 0.8, "surprise": 0.2}, valence=0.5)
TROUBLED = EmotionReading("surprise", 0.8, {"surprise": 0.8, "sadness": 0.2}, valence=0.3)
ASKING = TextReading(cues={"question": 0.8, "doubt": 0.2})
WAVERING = TextReading(cues={"question": 0.8, "doubt": 0.7})


@for_each(
    "state, heard, said, expected",
    [
        ("uncertainty", CALM, ASKING, True),
        ("uncertainty", CALM, WAVERING, False),
        ("uncertainty", TROUBLED, ASKING, False),
        ("uncertainty", None, ASKING, False),
        ("insecurity", CALM, ASKING, False),
    ],
)
def test_only_a_calm_question_ends_a_doubt(state, heard, said, expected):
    assert asks_for_a_fact(state, heard, said) == expected


def test_emotionlayers_table_answers_every_state():
    assert set(STATE_STRATEGY) == set(STATES)
    assert set(STATE_STRATEGY.values()) == set(STRATEGIES)


def test_speech_settings_cover_the_strategies_inside_the_range():
    assert set(SPEECH_SETTINGS) == set(STRATEGIES)
    assert all(0.8 <= settings.speed <= 1.25 for settings in SPEECH_SETTINGS.values())
    assert all(settings.tone and settings.pitch for settings in SPEECH_SETTINGS.values())
    assert speech_settings("no such strategy") == SPEECH_SETTINGS["direct_efficiency"]
