import re
from itertools import groupby, pairwise, product
from pathlib import Path
from typing import Iterator

import pytest
import yaml
from cases import for_each
from hypothesis import given, settings
from hypothesis import strategies as st

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.response import check_reply, draft_reply, languages, supported_language, with_opener
from emotionlayer_rasa.response.templates import Replies, guidance, replies
from emotionlayer_rasa.settings import read_settings
from emotionlayer_rasa.taxonomy import STRATEGIES

INTENTS = [
    "greet",
    "goodbye",
    "affirm",
    "deny",
    "order_status",
    "return_item",
    "refund",
    "complaint",
    "thanks",
    "ask_human",
    "inform",
    "stop_emotion_analysis",
    "start_emotion_analysis",
    "allow_emotion_memory",
    "erase_emotion_memory",
    "out_of_scope",
    "nlu_fallback",
]
VERBATIM = [
    "disclosure",
    "disclosure_typed",
    "crisis",
    "ask_human",
    *[intent for intent in INTENTS if "emotion" in intent],
]
ORDER = {"order_number": "1042", "order_status": "on its way", "order_eta": "tomorrow"}
HANDOVER = ["ask_human", "handoff_delivered", "handoff_queued", "handoff_failed"]
PROFILES = ["customer_support", "wellbeing", "tutoring"]
BOOK = yaml.safe_load((Path(__file__).parents[2] / "actions" / "order_book.yml").read_text(encoding="utf-8"))
SAMPLES = {
    language: {
        "order_number": "1042",
        "order_status": BOOK["statuses"]["shipped"][language],
        "order_eta": BOOK["etas"]["tomorrow"][language],
    }
    for language in languages()
}
CRISIS = {
    "de": ("112", "0800 111 0 111", "142", "143", "Mensch"),
    "en": ("112", "911", "988", "116 123", "person"),
    "es": ("112", "024", "persona"),
    "fr": ("112", "3114", "0800 32 123", "143", "personne"),
    "it": ("112", "02 2327 2327", "persona"),
    "pt": ("112", "192", "1411", "808 24 24 24", "188", "pessoa"),
}
"""What a caller in danger must be told: whom to call, and that a person listens."""
APOLOGIES = {
    "de": r"\bleid\b|entschuldig|verzeih",
    "en": "sorry|apolog",
    "es": "lo siento|disculp|lament|perdon",
    "fr": "désolé|excus|pardon",
    "it": "dispiac|scusa",
    "pt": "lament|desculp|sinto muito",
}
PROMISES = {
    "de": "kolleg|bestell|wird (?:sie )?anrufen|minut",
    "en": "colleag|order|will (?:call|contact)|minut",
    "es": "colega|pedido|llamará|minut",
    "fr": "collègue|commande|rappellera|minut",
    "it": "colleg|ordin|minut|chiamer",
    "pt": "colega|encomenda|ligará|minut",
}
"""What of the shop, or of a time, a profile's handover must not speak of."""
FACTS = [{}, *({name: ORDER[name] for name in list(ORDER)[: count + 1]} for count in range(3))]


@for_each("language, strategy", list(product(languages(), STRATEGIES)))
def test_every_situation_renders_with_and_without_facts_in_two_wordings(language: str, strategy: str) -> None:
    for situation, slots in product(replies(language).situations, FACTS):
        texts = {draft_reply(situation, strategy, slots, language, ["…"] * turn).text for turn in range(4)}
        assert len(texts) >= 2, (situation, strategy, slots)
        assert all(text and "{" not in text and "None" not in text for text in texts)
    assert guidance(strategy, language)


@pytest.mark.reply_sets
@pytest.mark.parametrize("language", languages())
@for_each("strategy", STRATEGIES)
def test_every_draft_passes_the_check(language: str, strategy: str) -> None:
    """What is said to the letter has one tone for all strategies, and no language model speaks there."""
    slots = SAMPLES[language]
    drafts: dict[str, tuple[str, bool]] = {}
    for profile in PROFILES:
        for situation, wording in replies(language, profile).situations.items():
            for count in range(len(slots) + 1) if any(case.needs for case in wording.cases) else [0]:
                facts = {name: slots[name] for name in list(slots)[:count]}
                said: list[str] = []
                while (text := draft_reply(situation, strategy, facts, language, said, profile).text) not in said:
                    said.append(text)
                    drafts[text] = (situation, wording.verbatim)
    assert len(drafts) > 60
    faults = []
    for text, (situation, verbatim) in drafts.items():
        found = {*check_reply(text, strategy, language, draft=text)} - ({"tone"} if verbatim else set())
        faults += [(situation, text, found)] if found else []
    assert not faults, "\n".join(f"{situation}, {sorted(found)}: {text}" for situation, text, found in faults)


@for_each("profile, language, strategy", list(product(PROFILES, languages(), STRATEGIES)))
def test_ten_turns_about_one_thing_do_not_repeat_themselves(profile: str, language: str, strategy: str) -> None:
    for situation, facts in product(replies(language, profile).situations, FACTS):
        said: list[str] = []
        for _ in range(10):
            said.append(draft_reply(situation, strategy, facts, language, said, profile).text)
        assert all(text != following for text, following in pairwise(said)), (situation, said)
        wordings = len(set(said))
        assert wordings >= 2 if situation in VERBATIM else wordings >= 3, (situation, said)
        rounds = {tuple(sorted(said[start : start + wordings])) for start in range(0, 10 - wordings + 1, wordings)}
        assert len(rounds) == 1, "a wording came back before all others had their turn"


@for_each("language, strategy", list(product(languages(), STRATEGIES)))
def test_ten_turns_of_a_call_do_not_repeat_themselves(language: str, strategy: str) -> None:
    """A caller who asks, gives a number, complains, is not understood, and complains again."""
    turns = ["greet", "order_status", "inform", "complaint", "nlu_fallback", "order_status", "complaint"]
    turns += ["nlu_fallback", "thanks", "goodbye"]
    said: list[str] = []
    for place, situation in enumerate(turns):
        said.append(draft_reply(situation, strategy, SAMPLES[language] if place > 1 else {}, language, said).text)
    assert len(set(said)) == len(turns), said
    openers = replies(language).strategies[strategy].openers
    heard = [next((opener for opener in openers if text.startswith(opener)), text) for text in said]
    assert all(opener != following for opener, following in pairwise(heard)), said
    assert all(text.count("!") <= 1 or strategy == "positive_mirroring" for text in said)


def test_openers_and_wordings_change_together() -> None:
    for language in languages():
        openers = replies(language).strategies["active_deescalation"].openers
        said: list[str] = []
        for _ in range(9):
            said.append(draft_reply("order_status", "active_deescalation", {}, language, said).text)
        heard = [next(opener for opener in openers if text.startswith(opener)) for text in said]
        assert all(len(list(run)) == 1 for _, run in groupby(heard)), said
        rest = [text.removeprefix(opener) for text, opener in zip(said, heard, strict=True)]
        assert all(len(list(run)) == 1 for _, run in groupby(rest)), said


def test_a_crisis_is_answered_to_the_letter_with_numbers_to_call() -> None:
    for language, strategy, profile in product(languages(), STRATEGIES, PROFILES):
        for turn in range(2):
            draft = draft_reply("crisis", strategy, {}, language, ["…"] * turn, profile)
            assert draft.verbatim
            assert all(told in draft.text for told in CRISIS[language])
            assert "!" not in draft.text


def test_a_profile_replaces_what_does_not_fit_it_and_nothing_else(bot: Path) -> None:
    for language in languages():
        support = replies(language)
        for profile in ("wellbeing", "tutoring"):
            other = replies(language, profile)
            changed = {name for name in other.situations if other.situations[name] != support.situations.get(name)}
            assert changed == {"greet", "complaint", "out_of_scope", *HANDOVER}
            assert other.strategies["positive_mirroring"] == support.strategies["positive_mirroring"]
        assert replies(language, "no such profile") == support


def test_a_bots_own_profile_wins_over_its_own_replies(bot: Path) -> None:
    own = bot / "languages" / "en"
    (own / "profiles").mkdir(parents=True)
    (own / "replies.yml").write_text(
        "situations: {greet: {cases: [{say: [Hi.]}]}, thanks: {cases: [{say: [Yes.]}]}}"
    )
    (own / "profiles" / "wellbeing.yml").write_text("situations: {greet: {cases: [{say: [Welcome.]}]}}")
    said = [draft_reply(name, "", {}, profile="wellbeing").text for name in ("greet", "thanks")]
    assert said == ["Welcome.", "Yes."]
    assert draft_reply("greet", "", {}).text == "Hi."


@for_each(
    "text, strategy, language, opened",
    [
        ("Which order is it?", "active_deescalation", "en", "I am sorry about this. Which order is it?"),
        (
            "Di quale ordine si tratta?",
            "active_deescalation",
            "it",
            "Mi dispiace per l'accaduto. Di quale ordine…",
        ),
        ("We open at nine.", "positive_mirroring", "en", "Happy to help! We open at nine."),
        ("Which order is it?", "direct_efficiency", "en", None),
        ("Which order is it?", "no strategy", "en", None),
        ("I am so sorry. Which order is it?", "active_deescalation", "en", None),
        ("Mi scuso. Di quale ordine si tratta?", "active_deescalation", "it", None),
        ("Hello. Which order is it?", "active_deescalation", "en", None),
        ("Sì, certo. Di quale ordine si tratta?", "rapid_resolution", "it", None),
        ("Sure. What is your order number?", "active_deescalation", "en", None),
        ("History is my subject.", "rapid_resolution", "en", "Let us be quick. History is my subject."),
    ],
)
def test_an_opener_stands_before_a_text_it_fits(
    text: str, strategy: str, language: str, opened: str | None
) -> None:
    said = with_opener(text, strategy, language)
    assert said.startswith(opened.removesuffix("…")) if opened else said == text
    assert said.endswith(text)


def test_an_opener_is_not_repeated_turn_after_turn() -> None:
    text, strategy = "Which order is it?", "active_deescalation"
    said: list[str] = []
    for turn in range(6):
        said.append(with_opener(text, strategy, said=said, recent=said[-1:]))
        assert (said[-1] == text) == (turn % 2 == 1)
    assert len(set(said)) == 4
    assert with_opener(text, strategy, recent=["We regret that."]) == text


@settings(deadline=None)
@given(
    situation=st.sampled_from(INTENTS),
    strategy=st.sampled_from([*STRATEGIES, "unknown", ""]),
    language=st.sampled_from(languages()),
    slots=st.dictionaries(
        st.sampled_from([*ORDER, "emotion"]),
        st.one_of(st.none(), st.text(max_size=120), st.booleans(), st.integers(), st.lists(st.text())),
    ),
    said=st.lists(st.text(max_size=30), max_size=6),
)
def test_any_slots_give_a_reply(
    situation: str, strategy: str, language: str, slots: dict[str, object], said: list[str]
) -> None:
    draft = draft_reply(situation, strategy, slots, language, said)
    assert draft.text.strip()
    assert set(draft.facts) <= set(slots)
    assert "None" not in draft.text or "None" in str(slots)
    assert "\n" not in draft.text


def test_every_fact_stands_in_the_reply() -> None:
    for language, strategy in product(languages(), STRATEGIES):
        text = draft_reply("order_status", strategy, ORDER, language).text
        assert all(value in text for value in ORDER.values())


def test_a_slot_with_template_syntax_is_said_and_not_run() -> None:
    text = draft_reply("order_status", "direct_efficiency", {"order_number": "{{ 7 * 7 }}"}).text
    assert "{{ 7 * 7 }}" in text
    assert "49" not in text


def test_wording_is_reproducible_and_changes_from_turn_to_turn() -> None:
    said: list[str] = []
    for _ in range(6):
        text = draft_reply("nlu_fallback", "direct_efficiency", {}, "en", said).text
        assert text == draft_reply("nlu_fallback", "direct_efficiency", {}, "en", said).text
        assert not said or text != said[-1]
        # Two messages a turn, as after action_look_up_order: counting messages alone would repeat one wording.
        said += [text, "…"][: 1 + len(said) % 2]


def test_an_unknown_intent_gets_the_fallback() -> None:
    assert draft_reply("book_flight", "direct_efficiency", {}) == draft_reply(
        "out_of_scope", "direct_efficiency", {}
    )


@pytest.mark.parametrize(("profile", "language"), list(product(["wellbeing", "tutoring"], languages())))
def test_a_profile_speaks_of_handing_over_in_words_of_its_own(profile: str, language: str) -> None:
    promised = re.compile(PROMISES[language])
    for situation in HANDOVER:
        own = replies(language, profile).situations[situation]
        assert own.verbatim
        assert own != replies(language).situations[situation]
        for case in own.cases:
            texts = [*case.say, *case.by_strategy["active_deescalation"]]
            assert len(set(texts)) == len(texts) == 6
            assert not [text for text in texts if promised.search(text.lower())]


@pytest.mark.parametrize(("profile", "language"), list(product(["wellbeing", "tutoring"], languages())))
def test_a_profile_sounds_as_it_should_in_every_strategy(profile: str, language: str) -> None:
    wordings = replies(language, profile).strategies
    assert set(wordings) == set(STRATEGIES)
    assert wordings["active_deescalation"] != replies(language).strategies["active_deescalation"]
    for strategy, wording in wordings.items():
        assert bool(wording.openers) == (strategy != "direct_efficiency")
        for opener in wording.openers:
            if wording.unless:  # an opener makes the next one superfluous
                assert any(pattern.search(opener.lower()) for pattern in wording.unless), opener


def test_an_angry_caller_hears_one_apology_at_most() -> None:
    for language, situation, slots in product(languages(), INTENTS, FACTS):
        for turn in range(4):
            text = draft_reply(situation, "active_deescalation", slots, language, ["…"] * turn).text.lower()
            assert len(re.findall(APOLOGIES[language], text)) <= 1, text


def test_consent_and_handoff_are_verbatim() -> None:
    for language in languages():
        verbatim = {name for name, situation in replies(language).situations.items() if situation.verbatim}
        assert verbatim >= {
            "disclosure",
            "disclosure_typed",
            "ask_human",
            "stop_emotion_analysis",
            "start_emotion_analysis",
        }
        assert verbatim >= {"allow_emotion_memory", "erase_emotion_memory"}


def test_a_misspelt_key_is_named() -> None:
    with pytest.raises(ConfigurationError, match="situations"):
        read_settings(Replies, {"strategies": {}, "situations": {"greet": {"cases": [{"sayy": ["Hi"]}]}}}, "x.yml")


@pytest.mark.parametrize(
    ("wishes", "language"),
    [(("it-IT",), "it"), (("ko", "it"), "it"), ((None, ""), "en"), (("xx",), "en"), (("EN_us", "it"), "en")],
)
def test_supported_language(wishes: tuple[str, ...], language: str) -> None:
    assert supported_language(*wishes) == language


@pytest.fixture
def bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of another bot, with nothing in it."""
    monkeypatch.chdir(tmp_path)
    replies.cache_clear()
    yield tmp_path
    replies.cache_clear()


def test_another_bot_hears_nothing_of_the_shop(bot: Path) -> None:
    texts = [draft_reply(intent, strategy, ORDER).text for intent in INTENTS for strategy in STRATEGIES]
    assert not [text for text in texts if "order" in text or "shop" in text or "refund" in text]


def test_a_bots_own_wordings_win(bot: Path) -> None:
    own = bot / "languages" / "en" / "replies.yml"
    own.parent.mkdir(parents=True)
    own.write_text("situations: {thanks: {cases: [{needs: [name], say: ['Any time, {{ name }}.']}]}}")
    assert draft_reply("thanks", "direct_efficiency", {"name": "Ada"}).text == "Any time, Ada."
    assert draft_reply("thanks", "direct_efficiency", {}).text
    assert draft_reply("goodbye", "direct_efficiency", {}).text.startswith("Goodbye")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("situation: {}", "languages/en/replies.yml: 'situation' is no known key"),
        ("situations: {thanks: {case: []}}", "languages/en/replies.yml: .*'situations.thanks.case"),
        ("situations: [", "languages/en/replies.yml is no valid YAML"),
    ],
)
def test_a_wrong_file_of_a_bot_is_named(bot: Path, text: str, said: str) -> None:
    own = bot / "languages" / "en" / "replies.yml"
    own.parent.mkdir(parents=True)
    own.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        replies("en")
