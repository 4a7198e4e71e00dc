import pytest
from cases import for_each

from emotionlayer_rasa.language import languages
from emotionlayer_rasa.response import check_reply
from emotionlayer_rasa.response.rules import RULES_FILE, check_rules
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
    for language in languages(RULES_FILE):
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


@pytest.mark.parametrize(
    ("language", "caller", "cold", "warm"),
    [
        (
            "en",
            "My father died and I have to close his account.",
            "The form is in the app. Fill in all the fields.",
            "My condolences. The form is in the app.",
        ),
        (
            "it",
            "È morto mio padre e devo chiudere il suo conto.",
            "Il modulo si trova nell'app. Compili ogni campo.",
            "Le mie condoglianze. Il modulo si trova nell'app.",
        ),
    ],
)
def test_a_grieving_caller_is_met_with_a_word_of_comfort(language: str, caller: str, cold: str, warm: str) -> None:
    validation = "empathic_validation"
    assert check_reply(cold, validation, language, caller=caller) == ("tone",)
    assert check_reply(warm, validation, language, caller=caller) == ()
    assert check_reply(cold, validation, language, caller="Ciao" if language == "it" else "Hello") == ()


@for_each(
    "language, reply, fits",
    [
        ("en", "Don't get excited. One pass means nothing.", False),
        ("en", "Isn't that great? Enjoy the evening!", True),
        ("en", "Oh, how lovely, congratulations to you both!", True),
        ("en", "What a relief, I'm smiling too!", True),
        ("en", "Happy tears are the best!", True),
        ("it", "Non si esalti, era facile.", False),
        ("it", "Lo chef sarà felicissimo di saperlo!", True),
        ("it", "Lo riferisco ai ragazzi in cucina!", True),
    ],
)
def test_joy_is_shared_and_not_dampened(language: str, reply: str, fits: bool) -> None:
    found = check_reply(reply, "positive_mirroring", language)
    assert (found == ()) is fits
    assert fits or "tone" in found


@pytest.mark.parametrize(
    ("language", "strategy", "good", "bad"),
    [
        ("it", "rapid_resolution", "Chiudo tutte le sessioni adesso.", "Adesso chiudo la telefonata."),
        ("it", "positive_mirroring", "Un applauso anche a te!", "Merita una medaglia!"),
        (
            "it",
            "empathic_validation",
            "Mi si stringe il cuore, mi dispiace tanto.",
            "Mi si spezza il cuore, mi dispiace tanto.",
        ),
    ],
)
def test_words_are_unfit_only_where_they_mock_threaten_or_despair(
    language: str, strategy: str, good: str, bad: str
) -> None:
    assert check_reply(good, strategy, language) == ()
    assert "tone" in check_reply(bad, strategy, language)


@pytest.mark.parametrize(
    ("language", "reply"),
    [
        ("it", "Bocciatura registrata. Prossimo argomento."),
        ("it", "Lutto annotato. Altro."),
        ("en", "Loss noted. Next topic."),
        ("en", "Sadness recorded. Anything else?"),
    ],
)
def test_to_file_what_hurts_brushes_the_caller_off(language: str, reply: str) -> None:
    assert "tone" in check_reply(reply, "empathic_validation", language)
