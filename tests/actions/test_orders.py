import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml
from cases import for_each
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions import orders
from actions.orders import ActionLookUpOrder, order_number
from emotionlayer_rasa.language import languages


@for_each(
    "text, language, number",
    [
        ("my order is 1042", "en", "1042"),
        ("one zero four two", "en", "1042"),
        ("it is one oh four two please", "en", "1042"),
        ("ten forty two", "en", "1042"),
        ("one thousand and forty two", "en", "1042"),
        ("eleven hundred eighty seven", "en", "1187"),
        ("I have two problems with order twenty two ninety", "en", "2290"),
        ("thirty three twelve", "en", "3312"),
        ("1 0 4 2", "en", "1042"),
        ("2290 and 1042", "en", "2290"),
        ("order 10421", "en", None),
        ("forty two", "en", None),
        ("where is my parcel", "en", None),
        ("", "en", None),
        ("uno zero quattro due", "it", "1042"),
        ("dieci quarantadue", "it", "1042"),
        ("millequarantadue", "it", "1042"),
        ("è il millecentottantasette", "it", "1187"),
        ("duemiladuecentonovanta", "it", "2290"),
        ("trentatré dodici", "it", "3312"),
        ("quarantacinque zero uno", "it", "4501"),
        ("un ordine o un reso", "it", None),
        ("eins null vier zwei", "de", "1042"),
        ("die zehn zweiundvierzig bitte", "de", "1042"),
        ("tausendzweiundvierzig", "de", "1042"),
        ("ein tausend zwei und vierzig", "de", "1042"),
        ("elfhundertsiebenundachtzig", "de", "1187"),
        ("zweitausendzweihundertneunzig", "de", "2290"),
        ("dreiunddreißig zwölf", "de", "3312"),
        ("fünfundvierzig null eins", "de", "4501"),
        ("neuntausendneunhundertneunundneunzig", "de", "9999"),
        ("ein" * 20_000, "de", None),
        ("ich habe ein problem und zwei fragen", "de", None),
        ("uno cero cuatro dos", "es", "1042"),
        ("diez cuarenta y dos", "es", "1042"),
        ("mil cuarenta y dos", "es", "1042"),
        ("dos mil doscientos noventa", "es", "2290"),
        ("veintidós noventa", "es", "2290"),
        ("treinta y tres doce", "es", "3312"),
        ("un zéro quatre deux", "fr", "1042"),
        ("dix quarante-deux", "fr", "1042"),
        ("mille quarante deux", "fr", "1042"),
        ("onze quatre-vingt-sept", "fr", "1187"),
        ("vingt-deux quatre-vingt-dix", "fr", "2290"),
        ("deux mille deux cent quatre-vingt-dix", "fr", "2290"),
        ("soixante dix-sept cinquante-cinq", "fr", "7755"),
        ("um zero quatro dois", "pt", "1042"),
        ("dez quarenta e dois", "pt", "1042"),
        ("mil e quarenta e dois", "pt", "1042"),
        ("dois mil duzentos e noventa", "pt", "2290"),
        ("meia zero nove três", "pt", "6093"),
    ],
)
def test_order_numbers_are_understood_written_and_spoken(text: str, language: str, number: str | None) -> None:
    assert order_number(text, language) == number


def look_up(text: str, slot: str | None = None, language: str = "en") -> tuple[dict[str, Any], list[str]]:
    slots = {"order_number": slot, "order_status": None, "order_eta": None, "language": language}
    tracker = Tracker("caller", slots, {}, [{"event": "user", "text": text}], False, None, {}, None)
    dispatcher = CollectingDispatcher()
    events = asyncio.run(ActionLookUpOrder().run(dispatcher, tracker, {}))
    return {event["name"]: event["value"] for event in events}, [
        message["text"] for message in dispatcher.messages
    ]


def test_a_known_order_fills_the_slots_silently() -> None:
    expected = {"order_number": "1042", "order_status": "on its way", "order_eta": "tomorrow"}
    assert look_up("it is one zero four two") == (expected, [])
    assert look_up("where is it", slot="1042") == (expected, [])


def test_the_number_just_said_counts_more_than_an_older_one() -> None:
    slots, _ = look_up("and thirty three twelve", slot="1042")
    assert slots == {"order_number": "3312", "order_status": "delivered", "order_eta": None}


@for_each(
    "language, status, eta",
    [
        ("it", "in viaggio", "domani"),
        ("de", "unterwegs", "morgen"),
        ("es", "en camino", "mañana"),
        ("fr", "en route", "demain"),
        ("pt", "a caminho", "amanhã"),
    ],
)
def test_status_is_in_the_caller_s_language(language: str, status: str, eta: str) -> None:
    slots, _ = look_up("1042", language=language)
    assert slots == {"order_number": "1042", "order_status": status, "order_eta": eta}


@pytest.mark.parametrize("language", languages())
def test_the_order_book_speaks_every_language(language: str) -> None:
    book = yaml.safe_load((Path(orders.__file__).parent / "order_book.yml").read_text(encoding="utf-8"))
    assert language in book["spoken_numbers"]
    assert all(language in said for key in ("statuses", "etas") for said in book[key].values())
    for number in book["orders"]:
        slots, messages = look_up(number, language=language)
        assert slots["order_number"] == number
        assert messages == []


def test_an_unknown_number_is_said_and_cleared() -> None:
    slots, messages = look_up("nine nine nine nine", slot="1042")
    assert slots == {"order_number": None, "order_status": None, "order_eta": None}
    assert len(messages) == 1
    assert "9999" in messages[0]


def test_without_a_number_nothing_happens() -> None:
    assert look_up("where is my parcel") == ({}, [])
