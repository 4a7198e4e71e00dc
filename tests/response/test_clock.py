import pytest
from cases import for_each

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.response import check_reply
from emotionlayer_rasa.response.clock import ClockWords, times_in_digits
from emotionlayer_rasa.response.facts import stated_times
from emotionlayer_rasa.response.rules import check_rules


@for_each(
    "language, said, time",
    [
        ("en", "half past two", "14:30"),
        ("en", "half past two in the afternoon", "14:30"),
        ("en", "a quarter to six", "17:45"),
        ("en", "ten to nine in the evening", "20:50"),
        ("en", "twenty past four", "16:20"),
        ("en", "seven oh five", "7:05"),
        ("en", "nine fifteen", "9:15"),
        ("en", "six o'clock", "18:00"),
        ("en", "2.30 p.m.", "14:30"),
        ("en", "noon", "12:00"),
        ("en", "midnight", "0:00"),
        ("it", "due e mezza", "14:30"),
        ("it", "nove e un quarto", "9:15"),
        ("it", "sei meno un quarto", "17:45"),
        ("it", "sette meno dieci di sera", "18:50"),
        ("it", "venti e trenta", "20:30"),
        ("it", "otto e tre quarti", "20:45"),
        ("it", "diciotto e dieci", "18:10"),
        ("it", "mezzogiorno", "12:00"),
    ],
)
def test_a_said_time_is_the_time_of_a_slot_and_no_other(language: str, said: str, time: str) -> None:
    reply = f"It starts at {said}." if language == "en" else f"Comincia alle {said}."
    assert f"time {time}" in stated_times(reply, check_rules(language).rules.fact_words)
    assert check_reply(reply, "direct_efficiency", language, facts={"start": time}) == ()
    other = check_reply(reply, "direct_efficiency", language, facts={"start": "3:47"})
    assert other == ("unbacked_fact",)


@pytest.mark.parametrize(
    ("language", "reply"),
    [("en", "It starts at six in the morning."), ("it", "Comincia alle sei di mattina.")],
)
def test_the_part_of_the_day_must_fit(language: str, reply: str) -> None:
    assert check_reply(reply, "direct_efficiency", language, facts={"start": "06:00"}) == ()
    assert check_reply(reply, "direct_efficiency", language, facts={"start": "18:00"}) == ("unbacked_fact",)


def test_an_hour_up_to_twelve_means_both_halves_of_the_day() -> None:
    assert times_in_digits("from 9.15 to 18:00, not 25:00") == {"9:15", "21:15", "18:00"}


def test_numbers_that_are_no_time_are_left_alone() -> None:
    words = check_rules("en").rules.fact_words
    assert stated_times("Order ten forty-two holds two lamps.", words) == set()


@pytest.mark.parametrize(
    ("clock", "day_parts", "named"),
    [({"(<h>": "0"}, {"am": "am"}, "regular expression"), ({"<h>": "0"}, {"at dawn": "early"}, "early")],
)
def test_wrong_words_name_the_key(clock: dict[str, str], day_parts: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        ClockWords(clock, ["at"], {}, day_parts)


@pytest.mark.parametrize(
    ("language", "said", "hours"),
    [
        ("en", "from nine in the morning to six in the evening", "9 to 18"),
        ("en", "from nine to six", "9-18"),
        ("en", "one to five in the afternoon", "1 pm to 5 pm"),
        ("en", "between eight and noon", "8 am to noon"),
        ("it", "dalle nove alle sei di sera", "9-18"),
        ("it", "dalle due alle quattro", "14-16"),
    ],
)
def test_a_stretch_of_time_is_that_of_a_slot_and_no_other(language: str, said: str, hours: str) -> None:
    reply = f"We are open {said}." if language == "en" else f"Siamo aperti {said}."
    assert check_reply(reply, "direct_efficiency", language, facts={"opening_hours": hours}) == ()
    other = check_reply(reply, "direct_efficiency", language, facts={"opening_hours": "7-19"})
    assert "unbacked_fact" in other


@for_each(
    "language, said, eta",
    [
        ("en", "half an hour", "30 minutes"),
        ("en", "a quarter of an hour", "15 minutes"),
        ("en", "an hour and a half", "90 minutes"),
        ("en", "two hours", "120 minutes"),
        ("en", "sixty minutes", "1 hour"),
        ("it", "mezz'ora", "30 minuti"),
        ("it", "un quarto d'ora", "15 minuti"),
        ("it", "un'ora e mezza", "90 minuti"),
        ("it", "due ore", "120 minuti"),
    ],
)
def test_a_length_of_time_is_that_of_a_slot_and_no_other(language: str, said: str, eta: str) -> None:
    reply = f"It arrives in about {said}." if language == "en" else f"Arriva fra circa {said}."
    assert check_reply(reply, "rapid_resolution", language, facts={"eta": eta}) == ()
    other = check_reply(reply, "rapid_resolution", language, facts={"eta": "20 minutes 20 minuti"})
    assert "unbacked_fact" in other


def test_a_length_of_time_that_is_no_expression_names_the_key() -> None:
    words = check_rules("en").rules.fact_words
    with pytest.raises(ConfigurationError, match="durations"):
        type(words)(**{**words.dict(), "durations": {"(<n>": 1}})


@pytest.mark.parametrize(
    ("language", "reply", "hours"),
    [
        ("it", "Apre dal martedì alla domenica, dalle 10 alle 18.", "mar-dom 10-18"),
        ("en", "It is open Monday to Saturday, nine to six.", "Mon–Sat 9–18"),
        ("en", "It is open eight to six, and closed on Tuesday.", "8 to 18, closed Tuesdays"),
    ],
)
def test_a_slot_may_abbreviate_a_weekday(language: str, reply: str, hours: str) -> None:
    assert check_reply(reply, "direct_efficiency", language, facts={"opening_hours": hours}) == ()
    other = reply.replace("martedì", "lunedì").replace("Monday", "Friday").replace("Tuesday", "Thursday")
    assert "unbacked_fact" in check_reply(other, "direct_efficiency", language, facts={"opening_hours": hours})


def test_minutes_follow_noon_and_are_abbreviated() -> None:
    noon = {"appointment": "martedì 3 alle 12:40"}
    reply = "L'appuntamento è martedì 3 a mezzogiorno e quaranta."
    assert check_reply(reply, "direct_efficiency", "it", facts=noon) == ()
    late = reply.replace("quaranta", "cinquanta")
    assert check_reply(late, "direct_efficiency", "it", facts=noon) == ("unbacked_fact",)
    wait = "The crew expects to be there in about thirty-five minutes."
    assert check_reply(wait, "direct_efficiency", "en", facts={"eta": "35 min"}) == ()
    assert "unbacked_fact" in check_reply(wait, "direct_efficiency", "en", facts={"eta": "25 min"})
