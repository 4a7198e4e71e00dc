import pytest

from emotionlayer_rasa.response.language_data import languages
from emotionlayer_rasa.response.rules import check_rules
from emotionlayer_rasa.response.tone import TONE_TARGETS, UNFIT_CUES, UNFIT_TONES, WORD_GROUPS, reading_fits
from emotionlayer_rasa.taxonomy import EMOTIONS, STRATEGIES
from emotionlayer_rasa.utterance import CUES


def test_every_strategy_has_words_and_a_target():
    assert set(UNFIT_TONES) == set(TONE_TARGETS) == set(STRATEGIES)
    assert set(UNFIT_CUES) <= set(CUES)
    for target in TONE_TARGETS.values():
        assert set(target.unfit) <= set(EMOTIONS)
        for low, high in (target.valence, target.arousal):
            assert 0 <= low < high <= 1


def test_every_language_has_every_group_of_words():
    for language in languages():
        assert set(check_rules(language).tone) == set(WORD_GROUPS)


@pytest.mark.parametrize(
    ("reply", "language", "fits", "not_fits"),
    [
        (
            "I am so happy for you, this is the best thing ever!",
            "en",
            "positive_mirroring",
            ("active_deescalation", "empathic_validation", "assertive_neutrality", "rapid_resolution"),
        ),
        ("I hate this, it is disgusting and it makes me furious.", "en", None, tuple(STRATEGIES)[:1]),
        ("I miss him terribly and I cannot stop crying.", "en", None, ("positive_mirroring",)),
        ("Please tell me the order number.", "en", "direct_efficiency", ()),
        ("Sono felicissima, che gioia!", "it", "positive_mirroring", ()),
        ("Sono stufo delle sue lamentele.", "it", None, ("positive_mirroring",)),
        ("Mi dica il numero dell'ordine, per favore.", "it", "direct_efficiency", ()),
    ],
)
def test_the_reading_must_fit_the_strategy(reply, language, fits, not_fits):
    assert fits is None or reading_fits(reply, fits, language)
    assert [strategy for strategy in not_fits if reading_fits(reply, strategy, language)] == []


def test_an_apology_fits_an_angry_caller_and_not_a_happy_one():
    for reply, language in (
        ("I am so sorry about this.", "en"),
        ("Mi dispiace moltissimo, è una tristezza.", "it"),
    ):
        assert reading_fits(reply, "active_deescalation", language)
        assert not reading_fits(reply, "positive_mirroring", language)


def test_an_unknown_strategy_has_no_target():
    assert reading_fits("This is terrible.", "no such strategy", "en")
