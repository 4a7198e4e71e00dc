import json
import re

import pytest
from command_line import separate_runner

from emotionlayer_rasa.cli import main

FINE = {"id": "fine", "reply": "Which order is it?", "strategy": "direct_efficiency", "language": "en"}
BACKED = {
    "id": 2,
    "reply": "L'ordine 1042 arriva domani.",
    "strategy": "direct_efficiency",
    "language": "it",
    "caller": "Dov'è il mio ordine?",
    "slots": {"order_number": "1042", "order_eta": "domani"},
}
UNFIT = {**FINE, "id": "unfit", "reply": "Haha, calm down!", "strategy": "active_deescalation"}


def run(lines, path="-"):
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return separate_runner().invoke(main, ["check", str(path)], input=text)


def answers(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_reply_is_judged_by_itself():
    done = run([FINE, "", BACKED, UNFIT, {**BACKED, "slots": None}])
    assert done.exit_code == 0, done.stderr
    first, second, third, fourth = answers(done)
    assert first == {"id": "fine", "ok": True, "reasons": []}
    assert second == {"id": 2, "ok": True, "reasons": []}
    assert third["id"] == "unfit"
    assert not third["ok"]
    assert {"tone", "blame"} & set(third["reasons"])
    assert (fourth["id"], fourth["ok"]) == (2, False)
    assert "unbacked_fact" in fourth["reasons"]


def test_a_file_is_read(tmp_path):
    path = tmp_path / "replies.jsonl"
    path.write_text(json.dumps(FINE) + "\n", encoding="utf-8")
    done = run([], path)
    assert done.exit_code == 0, done.stderr
    assert [answer["ok"] for answer in answers(done)] == [True]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "JSON"),
        ("[1]", "object"),
        ({"id": 1, "reply": "Hello.", "language": "en"}, "strategy"),
        ({**FINE, "reply": 7}, "'reply' must be text"),
        ({**FINE, "caller": ["no"]}, "'caller' must be text"),
        ({**FINE, "slots": ["no"]}, "'slots' must be an object"),
        ({**FINE, "strategy": "shout"}, "'strategy' must be one of direct_efficiency"),
        ({**FINE, "strategy": ["shout"]}, "'strategy' must be one of direct_efficiency"),
        ({**FINE, "language": "xx"}, "'language' must be one of de, en, es, fr, it, pt"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_checked(line, problem):
    done = run([FINE, line, UNFIT])
    assert done.exit_code == 1
    assert [answer["id"] for answer in answers(done)] == ["fine", "unfit"]
    assert done.stderr.startswith("reply_line: Line 2: ")
    assert problem in done.stderr


def test_bytes_that_are_no_text_are_a_bad_line():
    done = separate_runner().invoke(main, ["check", "-"], input=b"\xff\xfe{}\n")
    assert done.exit_code == 1
    assert "Line 1" in done.stderr


def test_a_missing_file_is_an_error(tmp_path):
    done = run([], tmp_path / "none.jsonl")
    assert done.exit_code == 2
    assert "none.jsonl" in done.stderr


def test_rewrites_with_placeholders_are_counted_and_those_that_get_through_named() -> None:
    line = {"language": "en", "draft": "It is 77.", "slots": {"n": "77"}}
    lines = [
        {**line, "id": "a", "kind": "number", "reply": "It is {n} and 5."},
        {**line, "id": "b", "kind": "missed", "reply": "So it is {n}."},
        {**line, "id": "c", "kind": "", "draft": "", "reply": "It is {n}."},
        {"id": "d", "language": "en", "reply": "x"},
    ]
    result = separate_runner().invoke(
        main, ["check", "-", "--placeholders"], input="\n".join(map(json.dumps, lines))
    )
    assert result.exit_code == 1
    assert "draft, kind" in result.stderr
    assert re.search(r"faulty\s+2\s+1\n", result.output)
    assert "b (missed): So it is {n}." in result.output
