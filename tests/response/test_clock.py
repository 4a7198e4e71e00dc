import pytest

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.response import check_reply
from emotionlayer_rasa.response.clock import ClockWords, times_in_digits
from emotionlayer_rasa.response.facts import stated_times
from emotionlayer_rasa.response.rules import check_rules


@pytest.mark.parametrize(
    ("language", "said", "time"),
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
