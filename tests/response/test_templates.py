from itertools import product
from pathlib import Path
from typing import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.response import draft_reply, languages, supported_language
from emotionlayer_rasa.response.check import check_rules
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
ORDER = {"order_number": "1042", "order_status": "on its way", "order_eta": "tomorrow"}
FACTS = [{}, *({name: ORDER[name] for name in list(ORDER)[: count + 1]} for count in range(3))]


def test_english_and_italian_have_the_same_situations() -> None:
    assert languages() == ("en", "it")
    assert set(replies("en").situations) == set(replies("it").situations) >= {*INTENTS, "disclosure", "failure"}
    assert set(replies("en").strategies) == set(replies("it").strategies) == set(STRATEGIES)


@pytest.mark.parametrize(("language", "strategy"), list(product(languages(), STRATEGIES)))
def test_every_situation_renders_with_and_without_facts_in_two_wordings(language: str, strategy: str) -> None:
    for situation, slots in product(replies(language).situations, FACTS):
        texts = {draft_reply(situation, strategy, slots, language, ["…"] * turn).text for turn in range(4)}
        assert len(texts) >= 2, (situation, strategy, slots)
        assert all(text and "{" not in text and "None" not in text for text in texts)
    assert guidance(strategy, language)


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


def test_an_angry_caller_hears_one_apology_at_most() -> None:
    for language, situation, slots in product(languages(), INTENTS, FACTS):
        for turn in range(4):
            text = draft_reply(situation, "active_deescalation", slots, language, ["…"] * turn).text.lower()
            assert sum(text.count(word) for word in ("sorry", "apolog", "dispiac", "scusa")) <= 1, text


def test_consent_and_handoff_are_verbatim() -> None:
    for language in languages():
        verbatim = {name for name, situation in replies(language).situations.items() if situation.verbatim}
        assert verbatim >= {"disclosure", "ask_human", "stop_emotion_analysis", "start_emotion_analysis"}
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


def test_rules_of_every_language_load() -> None:
    for language in languages():
        assert check_rules(language).forbidden["promise"]


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
