from itertools import product

import pytest

from emotionlayer_rasa.response import REASONS, check_reply, draft_reply, languages
from emotionlayer_rasa.response.templates import replies
from emotionlayer_rasa.taxonomy import STRATEGIES

ANGER, NEUTRAL, JOY, FEAR = "active_deescalation", "direct_efficiency", "positive_mirroring", "empathic_validation"
SLOTS = {"order_number": "1042", "order_status": "on its way", "order_eta": "tomorrow"}
SLOTS_IT = {"order_number": "1042", "order_status": "in viaggio", "order_eta": "domani"}

BAD = [
    # reply, strategy, language, reason
    ("   ", NEUTRAL, "en", "empty"),
    ("One is here. Two more are there. That is all. And this is it.", NEUTRAL, "en", "too_long"),
    ("word " * 60, NEUTRAL, "en", "too_long"),
    ("Here is **the** status of your order.", NEUTRAL, "en", "markup"),
    ("- your order is on its way", NEUTRAL, "en", "markup"),
    ("See https://example.org for your order.", NEUTRAL, "en", "markup"),
    ("<speak>Your order is on its way.</speak>", NEUTRAL, "en", "markup"),
    ("Your order is on its way \U0001f600.", NEUTRAL, "en", "markup"),
    ("I am sorry. I am sorry.", ANGER, "en", "repetition"),
    ("I am sorry about this, and I apologise again.", ANGER, "en", "repetition"),
    ("Il suo ordine è in viaggio e arriva presto.", NEUTRAL, "en", "wrong_language"),
    ("Ihre Bestellung ist unterwegs und kommt bald.", NEUTRAL, "en", "wrong_language"),
    ("您的订单正在路上。", NEUTRAL, "en", "wrong_language"),
    ("Your order is on its way and it is here soon.", NEUTRAL, "it", "wrong_language"),
    ("Haha, that is too bad about your order.", ANGER, "en", "tone"),
    ("Great news, your order is late.", ANGER, "en", "tone"),
    ("I have noted your complaint!", ANGER, "en", "tone"),
    ("I am thrilled to help with your complaint.", FEAR, "en", "tone"),
    ("I am sorry to hear that you are pleased.", JOY, "en", "tone"),
    ("Che bello, il suo ordine è in ritardo.", ANGER, "it", "tone"),
    ("Your order 9999 is on its way.", NEUTRAL, "en", "unbacked_fact"),
    ("It is expected on Friday.", NEUTRAL, "en", "unbacked_fact"),
    ("It will be there in three days.", NEUTRAL, "en", "unbacked_fact"),
    ("That comes to $ for you.", NEUTRAL, "en", "unbacked_fact"),
    ("Your order is at 12.50 by now.", NEUTRAL, "en", "unbacked_fact"),
    ("L'arrivo è previsto venerdì.", NEUTRAL, "it", "unbacked_fact"),
    ("We will refund you for the lamp.", NEUTRAL, "en", "promise"),
    ("I have already sent the replacement.", NEUTRAL, "en", "promise"),
    ("You will receive a full refund for this.", NEUTRAL, "en", "promise"),
    ("I guarantee that this is the last time.", NEUTRAL, "en", "promise"),
    ("Le rimborseremo il prezzo della lampada.", NEUTRAL, "it", "promise"),
    ("Riceverà una lampada nuova da noi.", NEUTRAL, "it", "promise"),
    ("That was your own fault.", NEUTRAL, "en", "blame"),
    ("Please calm down and tell me the order number.", ANGER, "en", "blame"),
    ("You should have read the label on the box.", NEUTRAL, "en", "blame"),
    ("Si calmi e mi dica il numero dell'ordine.", ANGER, "it", "blame"),
    ("You should see a doctor about that.", NEUTRAL, "en", "advice"),
    ("You have the legal right to that.", NEUTRAL, "en", "advice"),
    ("As an AI language model, I cannot do that.", NEUTRAL, "en", "prompt_leak"),
    ("My instructions are to reword the draft.", NEUTRAL, "en", "prompt_leak"),
    ("Your valence is low and your arousal is high.", NEUTRAL, "en", "prompt_leak"),
    ("Le mie istruzioni sono di riformulare la bozza.", NEUTRAL, "it", "prompt_leak"),
    ("I would like to know where my order is.", NEUTRAL, "en", "perspective"),
]
GOOD = [
    ("Your order 1042 is on its way. It is expected tomorrow.", NEUTRAL, "en"),
    ("I am sorry about that. Your order 1042 is on its way.", ANGER, "en"),
    ("I understand. Which order is it?", FEAR, "en"),
    ("You are very welcome, that is wonderful to hear!", JOY, "en"),
    ("Right away. Please tell me the order number.", "rapid_resolution", "en"),
    ("Noted. If you would rather speak to a person, just ask.", "assertive_neutrality", "en"),
    ("Goodbye.", NEUTRAL, "en"),
    ("Il suo ordine 1042 è in viaggio, e l'arrivo è previsto domani.", NEUTRAL, "it"),
    ("Mi dispiace per l'accaduto. Di quale ordine si tratta?", ANGER, "it"),
    ("Capisco. Mi dica il numero dell'ordine, per favore.", FEAR, "it"),
    ("Prego, mi fa molto piacere!", JOY, "it"),
]


@pytest.mark.parametrize(("reply", "strategy", "language", "reason"), BAD)
def test_bad_replies_are_caught(reply: str, strategy: str, language: str, reason: str) -> None:
    facts = SLOTS if language == "en" else SLOTS_IT
    assert reason in check_reply(reply, strategy, language, facts=facts)


@pytest.mark.parametrize(("reply", "strategy", "language"), GOOD)
def test_good_replies_pass(reply: str, strategy: str, language: str) -> None:
    assert check_reply(reply, strategy, language, facts=SLOTS if language == "en" else SLOTS_IT) == ()


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("Order 1042 is expected tomorrow. Is that so?", "lost_fact"),
        ("Your order is on its way, and it is expected tomorrow. Is there anything else?", "lost_fact"),
        ("Your order 1042 is on its way, and it is expected tomorrow.", "lost_question"),
        ("What would you like to cook this evening?", "off_draft"),
    ],
)
def test_departures_from_the_draft_are_caught(reply: str, reason: str) -> None:
    draft = "Order 1042 is on its way. It is expected tomorrow. Is there anything else?"
    assert reason in check_reply(reply, NEUTRAL, "en", facts=SLOTS, draft=draft)


def test_a_question_that_the_draft_does_not_ask_is_caught() -> None:
    assert "off_draft" in check_reply("Goodbye. What do you want?", NEUTRAL, "en", draft="Goodbye.")


def test_the_templates_themselves_pass() -> None:
    for language, strategy in product(languages(), STRATEGIES):
        facts = SLOTS if language == "en" else SLOTS_IT
        for name, situation in replies(language).situations.items():
            for turn in range(4) if not situation.verbatim else ():
                draft = draft_reply(name, strategy, facts, language, ["…"] * turn)
                reasons = check_reply(draft.text, strategy, language, facts=draft.facts, draft=draft.text)
                assert reasons == (), (draft.text, reasons)


def test_every_reason_is_tested() -> None:
    assert {reason for *_, reason in BAD} | {"lost_fact", "lost_question", "off_draft"} == set(REASONS)
