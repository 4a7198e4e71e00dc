"""What is said out of what a model writes."""

from __future__ import annotations

import pytest
from cases import for_each

from emotionlayer_rasa.response.llm.text import ends_thoughts_it_never_began, json_objects, said


@for_each(
    "written, meant",
    [
        ("You are welcome.", "You are welcome."),
        ("<think>a</think>b", "b"),
        ("<THINK>a</THINK>b", "b"),
        ("<think>a <think>b</think>c", "c"),
        ("b<think>a</think>c", "bc"),
        ("a</think>b", "b"),
        ("a</think>b</think>c", "c"),
        ("<think>a", ""),
        ("b <think>a", "b"),
        ("<think></think>", ""),
        ("<|begin_of_thought|>a<|end_of_thought|>b", "b"),
        ("◁think▷a◁/think▷b", "b"),
        ("a<|im_end|>b", "a"),
        ("<s>a</s>", "a"),
        ("<|assistant|>\na<|end|>", "a"),
        ("<start_of_turn>model\na<end_of_turn>", "a"),
        ("[INST] a [/INST]", "a"),
        ("Model railways are fun.", "Model railways are fun."),
        ("It takes < 3 days, or > 2.", "It takes < 3 days, or > 2."),
        ("Press [1] or [2].", "Press [1] or [2]."),
        ("I think so. [think twice]", "I think so. [think twice]"),
        ('{"reply": "a < b", "list": [1]}', '{"reply": "a < b", "list": [1]}'),
    ],
)
def test_thoughts_and_control_tokens_are_not_said(written: str, meant: str) -> None:
    assert said(written) == meant


@pytest.mark.parametrize("written", ["<think>a</think>You are welcome.<|im_end|>", "<s>You are < 3 [2].</s>"])
def test_nothing_of_a_tag_is_said_while_it_is_written(written: str) -> None:
    whole = said(written)
    for end in range(len(written) + 1):
        assert whole.startswith(said(written[:end], whole=False))


def test_a_model_that_does_not_begin_its_thoughts_is_known_by_their_end() -> None:
    assert ends_thoughts_it_never_began("a</think>b")
    assert not ends_thoughts_it_never_began("<think>a</think>b")
    assert not ends_thoughts_it_never_began("b")
    assert said("a", whole=False, begins_with_thoughts=True) == ""
    assert said("a</think>b", whole=False, begins_with_thoughts=True) == "b"
    assert said("a", begins_with_thoughts=True) == "a"


def test_json_objects_are_found_whatever_stands_around_them() -> None:
    text = 'Well {so}: {"a": {"b": 1}, "c": "two\nlines"}, or [{"a": 2}] or {"a": {"d": 3}'
    assert list(json_objects(text)) == [{"a": {"b": 1}, "c": "two\nlines"}, {"b": 1}, {"a": 2}, {"d": 3}]
    assert not list(json_objects("{" * 5000))
