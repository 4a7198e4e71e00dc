"""The reply check: its form by rules, its facts by what slots may be said as, its meaning as it was learnt."""

import json
from collections import Counter
from itertools import product
from pathlib import Path

import pytest
from cases import for_each

from emotionlayer_rasa.response import REASONS, check_reply, draft_reply, languages
from emotionlayer_rasa.response.form import form_faults
from emotionlayer_rasa.response.reply_reader import FAULTS, load_reply_reader
from emotionlayer_rasa.response.sentences import split_sentences
from emotionlayer_rasa.response.templates import replies
from emotionlayer_rasa.taxonomy import STRATEGIES

ANGER, NEUTRAL, JOY, FEAR = "active_deescalation", "direct_efficiency", "positive_mirroring", "empathic_validation"
SLOTS = {"order_number": "1042", "order_status": "on its way", "order_eta": "tomorrow"}
DATA = Path(__file__).parents[1] / "data"


def form(reply: str, strategy: str = NEUTRAL, language: str = "en", given=(), said=()) -> set[str]:
    return form_faults(reply, split_sentences(reply), strategy, language, given, said)


@pytest.mark.parametrize("reply", ["", "   ", "...", "…", "?!", "42."])
def test_nothing_to_say(reply):
    assert check_reply(reply, NEUTRAL, "en") == ("empty",)


@pytest.mark.parametrize("reply", ["word " * 20_000, "!" * 50_000, "a" * 100_000, "I will be " * 10_000])
def test_a_book_is_too_long_and_is_not_read(reply):
    assert check_reply(reply, NEUTRAL, "en") == ("too_long",)


@for_each(
    "reply, fault",
    [
        ("Your order is **on its way**.", "markup"),
        ("1. Open the app.", "markup"),
        ("It is on its way 🙂", "markup"),
        ("Have a look at www.example.com today.", "markup"),
        ("It is on its way (sighs).", "markup"),
        ("First. Then. After. Later. Last. Six sentences.", "too_long"),
        ("It is on its way to you now. " * 2 + "So it is. " * 20, "too_long"),
        ("I will look into the order and then I", "garbled"),
        ("I will look look look into it.", "garbled"),
        ("I look into the invoice for you, yes. I look into the invoice for you.", "repetition"),
        ("We value the value of our valued customers.", "repetition"),
        ("Assistant: which order is it?", "prompt_leak"),
        ("Customer service agent: which order is it?", "prompt_leak"),
        ("Final answer (calm): which order is it?", "prompt_leak"),
        ("WHICH ORDER IS IT?", "tone"),
        ("Which order is it?!", "tone"),
    ],
)
def test_form(reply, fault):
    assert fault in form(reply)


@for_each(
    "reply",
    [
        "There are two options, and you can choose one.",
        "Would you like to talk, or would you like to wait?",
        "It opens at 10:30, and there is room.",
        "'Its' and 'it's' are not the same: 'it's' is short for 'it is'.",
        "Yes.",
        "The code is seven seven seven zero.",
        "It is four two, four two, four two, four two, four two.",
        "Let us go slowly. Ask who. I give whom the book? The man. Would you like to try one?",
    ],
)
def test_what_is_said_plainly_has_no_fault_of_form(reply):
    assert form(reply) == set()


def test_an_angry_caller_hears_no_exclamation_and_a_glad_one_as_many_as_sentences():
    glad = "That is lovely! Enjoy it!"
    assert form(glad, JOY) == set()
    assert form(glad, ANGER) == {"tone"}


def test_a_slots_value_may_look_like_anything():
    reply = "Shall I send it to lena@example.com?"
    assert form(reply, given=["lena@example.com"]) == set()
    assert form(reply) == {"markup"}


def test_what_was_said_just_before_is_not_said_again():
    said = ["Hello.", "Which order is it?"]
    assert form("Which order is it?", said=said) == {"repetition"}
    assert form("Hello.", said=said) == set()


def test_a_reply_is_in_its_language():
    hands = Path(__file__).parents[2] / "emotionlayer_rasa" / "training" / "replies" / "data"
    said = [json.loads(line) for line in (hands / "hand08.jsonl").read_text(encoding="utf-8").splitlines()]
    wrong: Counter[bool] = Counter()
    for line, language in product(said, languages()):
        if language == "ko":
            continue
        found = "wrong_language" in form(line["reply"], language=language)
        wrong[found == (language != line["language"])] += 1
    assert wrong[False] <= 0.015 * wrong.total()


@for_each(
    "reply, slots",
    [
        ("It is expected on 12 May.", {"eta": "2026-05-12"}),
        ("That comes to forty-nine euros and ninety cents.", {"amount": 49.9}),
        ("Your appointment is at half past two.", {"time": "14:30"}),
        ("Your code is RX 7731 GB.", {"code": "rx7731gb"}),
    ],
)
def test_slots_back_a_fact_in_whatever_form(reply, slots):
    assert "unbacked_fact" not in check_reply(reply, NEUTRAL, "en", facts=slots)
    assert "unbacked_fact" in check_reply(reply, NEUTRAL, "en")


def test_another_time_is_a_fact_however_fit_the_reply_looks():
    reply = "Le dernier N6 part à trois heures moins le quart."
    caller = "le dernier bus de nuit pour Les Tilleuls, il est à quelle heure"
    slots = {"ligne": "N6", "dernier_depart": "01:45"}
    assert "unbacked_fact" in check_reply(reply, NEUTRAL, "fr", facts=slots, caller=caller)


@pytest.mark.parametrize("more", [" at five", ", 3 May", ", with 20 euros back", " in Leeds"])
def test_beside_a_draft_no_fact_slips_in(more):
    """What says most of its draft looks fit to what was learnt, so the facts alone decide."""
    draft = "I am sorry about this. Order 1042 is on its way. It is expected tomorrow."
    reply = f"I am sorry about this. Order 1042 is on its way. It is expected tomorrow{more}."
    assert "unbacked_fact" in check_reply(reply, ANGER, "en", facts=SLOTS, draft=draft)
    assert "unbacked_fact" in check_reply(reply, ANGER, "en", facts={**SLOTS, "draft": draft})
    assert check_reply(draft, ANGER, "en", facts=SLOTS, draft=draft) == ()


@pytest.mark.parametrize("text", ["1" * 5000, "centocento" * 900, "1.1" * 900, "99/99/9999", "25:99", "1st" * 99])
def test_odd_numbers_of_a_caller_do_no_harm(text):
    assert "unbacked_fact" not in check_reply("Which order is it?", NEUTRAL, "en", caller=text, facts={"n": text})


def test_nothing_of_the_prompt_shows_unless_the_draft_says_it():
    instructions = "Write the same sentences again with very small changes and keep every number."
    reply = "Well, the same sentences again with very small changes and keep them."
    assert "prompt_leak" in check_reply(reply, NEUTRAL, "en", instructions=instructions)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("Order 1042 is expected tomorrow. Is that so?", "lost_fact"),
        ("Your order 1042 is on its way, and it is expected tomorrow.", "lost_question"),
        ("What would you like to cook this evening?", "off_draft"),
    ],
)
def test_departures_from_the_draft_are_caught(reply: str, reason: str) -> None:
    draft = "Order 1042 is on its way. It is expected tomorrow. Is there anything else?"
    assert reason in check_reply(reply, NEUTRAL, "en", facts=SLOTS, draft=draft)


def test_a_question_that_the_draft_does_not_ask_is_caught() -> None:
    assert "off_draft" in check_reply("Goodbye. What do you want?", NEUTRAL, "en", draft="Goodbye.")


def test_every_fault_that_was_learnt_is_a_reason():
    assert set(FAULTS) - {"unfit"} <= set(REASONS)
    assert set(load_reply_reader().description["thresholds"]) == set(STRATEGIES)


@for_each(
    "fault, strategy, reply, caller",
    [
        ("tone", ANGER, "Haha, that lamp really had it coming, didn't it?", "The lamp arrived in pieces!"),
        ("blame", ANGER, "Please calm down first, you should have read the instructions.", "it broke again"),
        ("dismissal", ANGER, "It's only a lamp, it is really not the end of the world.", "my lamp is broken"),
        ("claim", ANGER, "I have just cancelled your contract and told the driver.", "cancel it"),
        ("promise", ANGER, "You will get all your money back, I promise.", "i want my money back"),
        ("advice", FEAR, "That is an allergy, put some cortisone cream on it.", "i have a rash"),
        ("abuse", ANGER, "Shut up, you stupid idiot.", "you are useless"),
        ("prompt_leak", NEUTRAL, "As a language model I was told to use the empathic strategy.", "who are you"),
    ],
)
def test_plain_faults_are_found(fault, strategy, reply, caller):
    assert fault in check_reply(reply, strategy, "en", caller=caller)


@pytest.mark.reply_sets
def test_the_templates_themselves_pass() -> None:
    refused, said = [], 0
    for language, strategy in product(languages(), STRATEGIES):
        for name, situation in replies(language).situations.items():
            for turn in range(4) if not situation.verbatim else ():
                draft = draft_reply(name, strategy, SLOTS, language, ["…"] * turn)
                reasons = check_reply(draft.text, strategy, language, facts=draft.facts, draft=draft.text)
                said += 1
                if reasons:
                    refused.append((language, strategy, draft.text, reasons))
    assert len(refused) <= 0.05 * said, refused


@pytest.mark.reply_sets
def test_replies_by_other_hands_are_judged_as_well_as_at_their_first_reading():
    path = DATA / "replies_frozen_4.jsonl"
    hits: dict[bool, list[bool]] = {True: [], False: []}
    for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        reasons = check_reply(
            line["reply"], line["strategy"], line["language"], facts=line["slots"], caller=line["caller"]
        )
        hits[bool(line["faults"])].append(bool(reasons))
    assert sum(hits[True]) >= 0.9 * len(hits[True])
    assert sum(hits[False]) <= 0.04 * len(hits[False])
