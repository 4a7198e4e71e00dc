"""Reading the JSON answer of a model, as models really write it."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from cases import for_each

from emotionlayer_rasa.errors import LLMError
from emotionlayer_rasa.response.answer import Answer, answer_schema, read_answer, read_beginning, read_wording
from emotionlayer_rasa.taxonomy import STRATEGIES

REPLY = "I'm sorry. Order 1042 is on its way."


@for_each(
    "text",
    [
        '{"strategy": "s", "tone": "t", "reply": "I\'m sorry. Order 1042 is on its way."}',
        '```json\n{"strategy": "s", "tone": "t", "reply": "I\'m sorry. Order 1042 is on its way."}\n```',
        'Sure! Here: {"strategy": "s", "tone": "t", "reply": "I\'m sorry. Order 1042 is on its way."} Enjoy.',
        '{"strategy": "s", "tone": "t", "reply": "I\'m sorry. Order 1042 is on its way.",}',
        '{"strategy": "s", "tone": "t", "reply": "I\'m sorry. Order 1042 is on its way."',
        '{"strategy": "s", "tone": "t", "reply": "I\'m sorry.\nOrder 1042 is on its way."}',
        "{'strategy': 's', 'tone': 't', 'reply': 'I'm sorry. Order 1042 is on its way.'}",
        "{'strategy': 's', 'tone': 't', 'reply': 'I\\'m sorry. Order 1042 is on its way.'}",
        '{strategy: "s", tone: "t", reply: "I\'m sorry. Order 1042 is on its way."}',
        '{"answer": {"strategy": "s", "tone": "t", "reply": "I\'m sorry. Order 1042 is on its way."}}',
        '{"strategy": "s", "tone": "t", "reply": "I\\u0027m sorry. Order 1042 is on its way.", "why": 3,}',
    ],
)
def test_careless_json_is_read(text: str) -> None:
    assert read_answer(text) == Answer(REPLY, "s", "t")


def test_quotation_marks_inside_a_reply() -> None:
    assert read_answer('{"reply": "Say \\"stop\\".", "tone": "t"}').reply == 'Say "stop".'
    assert read_answer('{"tone": "t", "reply": "Say "stop" now.", "strategy": "s"}').reply == 'Say "stop" now.'


def test_strategy_and_tone_may_be_missing() -> None:
    assert read_answer('{"reply": "Hello."}') == Answer("Hello.")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello.",
        "[1, 2]",
        '{"answer": "Hello."}',
        '{"reply": ["Hello."]}',
        '{"reply": " "}',
        '{"reply": "I am sor',
    ],
)
def test_no_reply_is_an_error(text: str) -> None:
    with pytest.raises(LLMError) as caught:
        read_answer(text)
    assert caught.value.code == "llm.schema"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_schema_is_strict_and_fixes_the_strategy(strategy: str) -> None:
    schema = answer_schema(strategy)
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == set(schema["properties"]) == {"strategy", "tone", "reply"}
    assert schema["properties"]["strategy"]["enum"] == [strategy]


@pytest.mark.parametrize("ascii_only", [True, False])
def test_the_beginning_of_an_answer_is_read_at_every_character(ascii_only: bool) -> None:
    reply = 'Say "stop", però 😀 é.\nOrder \\ 1042 is on its way.'
    text = json.dumps({"strategy": "s", "tone": "t", "reply": reply}, ensure_ascii=ascii_only)
    whole = read_answer(text)
    beginnings = [read_beginning(text[:end]) for end in range(len(text) + 1)]
    for shorter, longer in pairwise(beginnings):
        assert longer.reply.startswith(shorter.reply)
        assert whole.reply.startswith(longer.reply)
        assert longer.strategy in ("", "s")
        assert longer.strategy or not longer.reply, "the strategy comes first"
    assert beginnings[-1] == whole


@pytest.mark.parametrize(
    "text",
    ["", "Hello.", "{'reply': 'Hello. And", '{"answer": "Hello. And', '{"reply": ["Hello. And', '{"reply": "\\q'],
)
def test_nothing_has_begun_where_the_json_is_not_strict(text: str) -> None:
    assert read_beginning(text) == Answer("")


def test_a_strategy_counts_once_it_is_complete() -> None:
    assert read_beginning('{"reply": "Hello.", "strategy": "direct') == Answer("Hello.")
    assert read_beginning('{"reply": "Hello.", "strategy": "direct"') == Answer("Hello.", "direct")


# A draft in other words.

DRAFT = "Your order 1042 is on its way."
WORDS = "I'm sorry. Order 1042 is on its way."


@for_each(
    "text",
    [
        WORDS,
        f"  {WORDS}\n",
        f'"{WORDS}"',
        f"'{WORDS}'",
        f"‘{WORDS}’",
        f"„{WORDS}“",
        f"« {WORDS} »",
        f"```\n{WORDS}\n```",
        f"**{WORDS}**",
        f"Sure! Here is another version:\n\n{WORDS}",
        f'Sure!\n\nHere is another version: "{WORDS}"',
        f'"{WORDS}"\n\nI kept the tone warm.',
        f"**Reworded message:** {WORDS}",
        f"Ecco il messaggio riformulato:\n“{WORDS}”",
    ],
)
def test_a_wording_is_read_without_what_stands_around_it(text: str) -> None:
    assert read_wording(text, DRAFT) == WORDS


def test_a_time_of_day_is_no_colon() -> None:
    assert read_wording('Here it is: "We open at 9:30."', "We open at 9:30.") == "We open at 9:30."


@for_each(
    "text, draft",
    [
        ('"Express" and "next day" are both free."', DRAFT),
        ('"Express" is free, not "next day"', DRAFT),
        ("Your order: On its way.", DRAFT),
        ("Opening hours: Monday to Friday.", "The hours: Monday to Friday."),
        ("It comes at 10:30. It is on its way.", DRAFT),
        ("'Tis on its way, the customers' order.", DRAFT),
        ("I am sorry: it is on its way.", DRAFT),
        ("Here it is:", DRAFT),
        ("", DRAFT),
    ],
)
def test_what_belongs_to_a_wording_is_left_in_it(text: str, draft: str) -> None:
    assert read_wording(text, draft) == text


@pytest.mark.parametrize("text", [WORDS, f'"{WORDS}"', f"Here it is:\n“{WORDS}”", f"Reworded: {WORDS}"])
def test_a_wording_grows_as_it_is_written(text: str) -> None:
    grown = [read_wording(text[:end], DRAFT, whole=False) for end in range(len(text) + 1)]
    begun = [words for words in grown if WORDS.startswith(words)]
    assert set(grown) - set(begun) <= {text[:end] for end in range(text.index(WORDS[0]) + 1)}
    assert len(begun) >= len(WORDS)
    assert grown[-1] == WORDS
