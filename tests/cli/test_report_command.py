"""``emotionlayer report``: what it reads of the tracker's events, and the page in a browser."""

from __future__ import annotations

import json
import re
import shutil
import sys
from html import unescape
from pathlib import Path
from typing import Any, Sequence

import pytest
from click.testing import Result
from command_line import separate_runner
from conversations import LISTEN, REWIND, SESSION, bot, in_state, slot, typed, user

from emotionlayer_rasa.affect.escalation_rules import Decision
from emotionlayer_rasa.affect.memory import Reading
from emotionlayer_rasa.cli import main
from emotionlayer_rasa.cli.report.columns import by_time, by_turn
from emotionlayer_rasa.cli.report.course import ASKED, BY_THE_BOT, Course, read_course, together
from emotionlayer_rasa.utterance import EmotionReading, TextReading, Transcript, Utterance

ANGER = Decision(
    "anger that stays",
    "action_escalate_to_human",
    2,
    75,
    "falling",
    ("active_deescalation",),
    {2: Reading(20.0, "anger", 0.81, "anger", 0.9, {"complaint": 0.7})},
)
DAY = 86_400.0


def at(time: float, event: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**event, "timestamp": time, **more}


def heard(time: float, state: str, text: str = "my secret words", language: str = "en") -> dict[str, Any]:
    said = in_state(state)
    return at(time, user(text, Utterance(Transcript(text, language=language), said.emotion, affect=said.affect)))


def decided(time: float, decision: Decision = ANGER) -> dict[str, Any]:
    return at(time, {"event": "action", "name": decision.action, "metadata": decision.to_metadata()})


CALL: list[dict[str, Any]] = [
    at(0.0, SESSION),
    heard(10.0, "anger"),
    at(10.5, slot("response_strategy", "active_deescalation")),
    at(11.0, bot("a secret reply")),
    LISTEN,
    heard(20.0, "anger"),
    at(20.5, slot("response_strategy", "rapid_resolution")),
    decided(21.0),
    at(21.1, slot("escalated", True)),
    LISTEN,
    heard(30.0, "satisfaction"),
    at(40.0, user("/affirm")),
    at(50.0, user("nobody read this")),
]


# What is read


def test_turns_with_what_they_were_answered_with() -> None:
    course = read_course("me", CALL)
    assert [turn.time for turn in course.turns] == [10.0, 20.0, 30.0, 40.0, 50.0]
    assert [turn.kind for turn in course.turns] == ["voice", "voice", "voice", "button", "none"]
    assert [turn.label for turn in course.turns] == ["anger", "anger", "joy", "unknown", "unknown"]
    assert [turn.strategy for turn in course.turns[:2]] == ["active_deescalation", "rapid_resolution"]
    assert [(turn.channel, turn.language) for turn in course.turns[:1]] == [("voice", "en")]
    assert course.turns[0].wellbeing == pytest.approx((0.1 + 0.5 - 0.8 / 2) / 2)
    assert course.turns[3].wellbeing is None
    assert {turn.said + turn.answered for turn in course.turns} == {""}
    assert course.forgotten == 0


def test_words_only_where_they_are_asked_for() -> None:
    first = read_course("me", CALL, words=True).turns[0]
    assert (first.said, first.answered) == ("my secret words", "a secret reply")


def test_strategies_before_and_after() -> None:
    first, second = read_course("me", CALL).effects
    assert (first.strategy, first.before, first.after, first.helped) == (
        "active_deescalation",
        "anger",
        "anger",
        False,
    )
    assert (second.strategy, second.before, second.after, second.helped) == (
        "rapid_resolution",
        "anger",
        "satisfaction",
        True,
    )
    assert second.wellbeing_after > second.wellbeing_before == first.wellbeing_after


def test_escalations_with_their_reasons() -> None:
    (fired,) = read_course("me", CALL).escalations
    assert (fired.action, fired.reason, fired.priority) == ("action_escalate_to_human", "anger that stays", 75)
    assert (
        fired.because
        == "turn 2: anger 0.81, anger 0.90, complaint 0.70; trend falling; failed: active_deescalation"
    )
    asked = at(1.0, user("a person please", parse_data={"intent": {"name": "ask_human"}, "entities": []}))
    by_itself = at(3.0, user("hello", parse_data={"intent": {"name": "greet"}, "entities": []}))
    over = slot("escalated", True)
    course = read_course("me", [SESSION, asked, at(2.0, over), by_itself, at(4.0, over), at(5.0, over)])
    assert [(found.time, found.reason) for found in course.escalations] == [(2.0, ASKED), (4.0, BY_THE_BOT)]


def test_who_withdraws_the_consent_is_not_reported_from_before() -> None:
    withdrawn = [*CALL, at(60.0, slot("emotion_consent", False)), at(70.0, user("and now"))]
    course = read_course("me", withdrawn)
    assert [turn.time for turn in course.turns] == [70.0]
    assert (course.effects, course.escalations, course.forgotten) == ((), (), 5)
    again = read_course("me", [*withdrawn, at(80.0, SESSION), slot("emotion_consent", True), heard(90.0, "anger")])
    assert [turn.time for turn in again.turns] == [70.0, 90.0]


def test_sessions_are_apart_and_what_was_taken_back_was_said() -> None:
    first = [at(0.0, SESSION), heard(10.0, "anger"), REWIND, heard(12.0, "anger")]
    course = read_course("me", [*first, at(20.0, SESSION), heard(21.0, "satisfaction")])
    assert len(course.turns) == 3
    assert [(effect.before, effect.after) for effect in course.effects] == [("anger", "anger")]


def test_more_turns_than_the_memory_holds() -> None:
    course = read_course("me", [SESSION, *(heard(float(number), "anger") for number in range(150))])
    assert len(course.turns) == 150


def test_typed_turns_have_the_language_of_the_slot() -> None:
    words = TextReading(EmotionReading("joy", 0.9, {"joy": 0.9}, 0.8, 0.5, 0.5, "text", "test"), {})
    line = typed("words", Utterance(Transcript("words"), words=words))
    course = read_course("me", [SESSION, slot("language", "it"), line, line, slot("language", "de")])
    assert [turn.language for turn in course.turns] == ["it", "de"]
    assert [turn.kind for turn in course.turns] == ["words", "words"]


def test_a_period() -> None:
    course = together([read_course("me", CALL).within(20.0, 30.0), read_course("you", CALL).within(0.0, 11.0)])
    assert [(turn.conversation, turn.time) for turn in course.turns] == [("you", 10.0), ("me", 20.0)]
    assert [found.conversation for found in course.escalations] == ["me"]
    assert len(course.effects) == 2


# Columns


def test_a_column_a_turn() -> None:
    course = read_course("me", CALL)
    columns = by_turn(course.turns, course.escalations)
    assert [column.label for column in columns] == ["1", "2", "3", "4", "5"]
    assert columns[0].states == {"anger": 0.8}
    assert columns[0].reading.scores == {"anger": 0.9}
    assert columns[0].reading.valence == 0.1
    assert [len(column.escalations) for column in columns] == [0, 1, 0, 0, 0]
    assert [column.unknown for column in columns] == [0.0] * 5, "what was not analysed is not unknown"


@pytest.mark.parametrize(
    ("days", "labels"),
    [
        (1.0, ["1970-01-01", "1970-01-01 01:00", "1970-01-02"]),
        (10.0, ["1970-01-01", "1970-01-11"]),
        (200.0, ["1969-12-29", "1970-07-20"]),
    ],
)
def test_a_column_an_hour_a_day_or_a_week(days: float, labels: Sequence[str]) -> None:
    events = [SESSION, heard(10.0, "anger"), heard(3700.0, "satisfaction"), heard(days * DAY, "anger")]
    columns = by_time(read_course("me", events).turns, ())
    assert [column.label for column in columns] == labels
    assert sum(column.turns for column in columns) == 3


def test_shares_and_means_of_a_column() -> None:
    unsure = Utterance(Transcript("x"), EmotionReading(source="voice", model="test"))
    events = [
        SESSION,
        heard(1.0, "anger"),
        heard(2.0, "satisfaction"),
        at(3.0, user("x", unsure)),
        at(4.0, user("/x")),
    ]
    (column,) = by_time(read_course("me", events).turns, ())
    assert column.reading.scores["anger"] == column.reading.scores["joy"] == column.unknown == pytest.approx(1 / 3)
    assert column.states == {"anger": 0.5, "satisfaction": 0.5}
    assert column.reading.valence == pytest.approx((0.1 + 0.8) / 2)
    assert column.turns == 4


# The command


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    """Two conversations, whose events came by turns, as a broker writes them."""
    other = [at(0.0, SESSION), heard(15.0, "urgency", language="it"), heard(DAY * 3, "anger", language="it")]
    lines = [{"sender_id": "</script><b>me", **event} for event in CALL]
    lines += [{"sender_id": "you", **event} for event in other]
    lines.sort(key=lambda event: event.get("timestamp", 21.5))
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n\n", encoding="utf-8")
    return path


def run(*arguments: object) -> Result:
    return separate_runner().invoke(main, ["report", *map(str, arguments)])


def visible(page: str) -> str:
    """The text of a page without scripts, styles and tags."""
    text = re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", text)).split())


def test_a_period_in_one_page(dump: Path, tmp_path: Path) -> None:
    out, png = tmp_path / "out.html", tmp_path / "out.png"
    done = run("--events", dump, "--out", out, "--png", png)
    assert done.exit_code == 0, done.stderr
    assert f"Written: {out} (7 turns)" in done.stdout
    assert png.read_bytes().startswith(b"\x89PNG")
    assert out.stat().st_mode & 0o077 == 0
    page = out.read_text(encoding="utf-8")
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=", page)
    assert "secret" not in page
    text = visible(page)
    for told in (
        "2 conversations",
        "7 turns",
        "5 analysed",
        "1 escalations",
        "anger that stays",
        "</script><b>me",
    ):
        assert told in text, told
    assert "turn 2: anger 0.81" in text
    assert "active_deescalation 1 0.10 0.10 0 of 1 anger → anger (1)" in text
    assert "rapid_resolution 2 0.15 0.48 1 of 2 anger → satisfaction (1), urgency → anger (1)" in text


def test_a_conversation_with_and_without_words(dump: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    assert run("--events", dump, "--sender", "you", "--out", out).exit_code == 0
    text = visible(out.read_text(encoding="utf-8"))
    assert "Conversation you" in text
    assert "urgency 0.80" in text
    assert "secret" not in out.read_text(encoding="utf-8")
    assert run("--events", dump, "--sender", "you", "--out", out, "--with-words").exit_code == 0
    assert "my secret words" in visible(out.read_text(encoding="utf-8"))
    assert "This page holds what was said" in visible(out.read_text(encoding="utf-8"))
    assert run("--events", dump, "--with-words").exit_code == 2


def test_a_name_is_no_formula_of_the_picture(tmp_path: Path) -> None:
    path, png = tmp_path / "events.jsonl", tmp_path / "out.png"
    path.write_text(json.dumps({"sender_id": r"$\frac$", "events": CALL}), encoding="utf-8")
    done = run("--events", path, "--sender", r"$\frac$", "--out", tmp_path / "out.html", "--png", png)
    assert done.exit_code == 0, done.stderr
    assert png.is_file()


def test_from_one_date_to_another(dump: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    done = run("--events", dump, "--since", "1970-01-02", "--until", "1970-01-05T12:00:00", "--out", out)
    assert f"Written: {out} (1 turns)" in done.stdout
    nothing = run("--events", dump, "--since", "2020-01-01", "--out", out)
    assert nothing.exit_code == 1
    assert "No turn of a caller in 2 conversation(s). Check --sender, --since and --until." in nothing.stderr


def test_a_dump_of_whole_conversations_and_what_is_none(tmp_path: Path) -> None:
    path = tmp_path / "trackers.jsonl"
    path.write_text(json.dumps({"sender_id": "me", "events": CALL, "slots": {}}), encoding="utf-8")
    assert run("--events", path, "--out", tmp_path / "out.html").exit_code == 0
    for line in ("{", "[]", '{"sender_id": "me"}', '{"event": "user"}', '{"sender_id": "me", "events": [1]}'):
        path.write_text(f"\n{line}\n", encoding="utf-8")
        broken = run("--events", path)
        assert broken.exit_code == 1
        assert f"{path}, line 2 is neither" in broken.stderr
    missing = run("--events", tmp_path / "absent.jsonl")
    assert "absent.jsonl cannot be read (FileNotFoundError)" in missing.stderr


def test_a_tracker_store(tmp_path: Path) -> None:
    import asyncio

    import yaml
    from rasa.core.tracker_store import SQLTrackerStore
    from rasa.shared.core.domain import Domain
    from rasa.shared.core.trackers import DialogueStateTracker

    tracker = DialogueStateTracker.from_dict("me", [*CALL], [])
    asyncio.run(SQLTrackerStore(Domain.empty(), dialect="sqlite", db=str(tmp_path / "rasa.db")).save(tracker))
    section = {"type": "SQL", "dialect": "sqlite", "db": str(tmp_path / "rasa.db")}
    (tmp_path / "endpoints.yml").write_text(yaml.safe_dump({"tracker_store": section}))
    out = tmp_path / "out.html"
    done = run("--endpoints", tmp_path / "endpoints.yml", "--sender", "me", "--out", out)
    assert done.exit_code == 0, done.stderr
    assert f"Written: {out} (5 turns)" in done.stdout
    text = visible(out.read_text(encoding="utf-8"))
    assert "anger that stays" in text
    assert "satisfaction 0.80" in text


def test_a_real_conversation_asked_of_its_server(assistant: Any, data: Path, tmp_path: Path) -> None:
    sender, out = "report-real", tmp_path / "out.html"
    assistant.hear(data / "en_complaint.flac", sender).raise_for_status()
    assistant.say("This is outrageous, I am furious about it!", sender)
    assistant.say("/ask_human", sender)
    done = run("--url", str(assistant.http.base_url), "--sender", sender, "--out", out)
    assert done.exit_code == 0, done.stderr
    text = visible(out.read_text(encoding="utf-8"))
    assert "3 turns 2 analysed" in text
    assert re.search(r"1 \S+ \S+ voice en voice ", text), text
    assert re.search(r"2 \S+ \S+ voice \S*\s*words anger ", text), text
    assert re.search(r"3 \S+ \S+ voice \S*\s*button ", text), text
    assert f"handed over {ASKED}" in text
    assert "outrageous" not in text


def test_plotly_is_an_extra(dump: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "plotly"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "plotly", None)
    missing = run("--events", dump, "--out", tmp_path / "out.html")
    assert missing.exit_code == 1
    assert re.search(r"pip install .*\[report\]'", missing.stderr)


def test_nothing_analysed_is_a_page_too(tmp_path: Path) -> None:
    from emotionlayer_rasa.cli.report.page import render

    course: Course = read_course("me", [SESSION, at(1.0, user("/greet"))])
    page = render("Conversation me", course, by_turn(course.turns, ()), of_turns=True, words=False)
    assert "Share of unknown" not in visible(page)
    assert "0 analysed" in visible(page)


@pytest.mark.browser
@pytest.mark.parametrize("sender", [None, "you"])
def test_the_page_in_a_browser(dump: Path, tmp_path: Path, sender: str | None) -> None:
    from playwright.sync_api import sync_playwright

    out = tmp_path / "out.html"
    assert run("--events", dump, *(("--sender", sender) if sender else ()), "--out", out).exit_code == 0
    problems: list[str] = []
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(out.as_uri())
        page.wait_for_selector(".js-plotly-plot .main-svg")
        charts = page.locator(".js-plotly-plot").count()
        bars = page.locator(".js-plotly-plot .point").count()
        page.screenshot(path=str(tmp_path / "page.png"), full_page=True)
        browser.close()
    assert problems == []
    assert [url for url in asked if url.startswith("http")] == []
    assert charts == 3
    assert bars > 5
