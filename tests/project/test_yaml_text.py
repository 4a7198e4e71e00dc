"""Adding to YAML as it is written by hand: the rest of the text stays to the letter."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.project.yaml_text import add, parse


@pytest.mark.parametrize(
    ("text", "path", "block", "expected"),
    [
        ("", ["a", "b"], "- 1", "a:\n  b:\n    - 1\n"),
        ("# only a comment\n", ["a"], "b: 1", "# only a comment\n\na:\n  b: 1\n"),
        ("a:\n", ["a"], "- 1", "a:\n  - 1\n"),
        ("a:\n# why it is empty\nb: 2\n", ["a"], "- 1", "a:\n  - 1\n# why it is empty\nb: 2\n"),
        ("a: null  # none\nb: 2\n", ["a"], "- 1", "a:  # none\n  - 1\nb: 2\n"),
        ("a: {}\nb: 2\n", ["a"], "c: 1", "a:\n  c: 1\nb: 2\n"),
        ("a: []", ["a"], "- 1", "a:\n  - 1\n"),
        ("a:\n- 1   # one\n\n# b\nb: 2\n", ["a"], "- 3", "a:\n- 1   # one\n- 3\n\n# b\nb: 2\n"),
        ("a:\n    - 1\nb: 2", ["a"], "- c: 3\n  d: 4", "a:\n    - 1\n    - c: 3\n      d: 4\nb: 2"),
        ("a:\n- |\n  x\n  y\n\nb: 2\n", ["a"], "- 3", "a:\n- |\n  x\n  y\n- 3\n\nb: 2\n"),
        ("a:\n  b:\n\n# c\nc: 1", ["a"], "d: 2", "a:\n  b:\n  d: 2\n\n# c\nc: 1"),
        ("a: [x, 'y']  # both\n", ["a"], "- z: {u: false}", "a: [x, 'y', {z: {u: false}}]  # both\n"),
        ("a: [\n  x,\n]\n", ["a"], "- 'b: c'", 'a: [\n  x, "b: c"\n]\n'),
        ("a: {x: 1}\n", ["a"], "y: 'no'", 'a: {x: 1, y: "no"}\n'),
        ("a: 1\n\n\n", [], "b: 2", "a: 1\n\nb: 2\n"),
        ("a:\r\n- 1\r\nb: 2\r\n", ["a"], "- 3", "a:\r\n- 1\r\n- 3\r\nb: 2\r\n"),
        ("a:\n- 1", ["a"], "- 3", "a:\n- 1\n- 3\n"),
        ("a:\n  b: [1]\n", ["a", "c", "d"], "- 2", "a:\n  b: [1]\n  c:\n    d:\n      - 2\n"),
        ("a:\n- x: 'ü – 漢'\n", ["a"], "- ö", "a:\n- x: 'ü – 漢'\n- ö\n"),
    ],
)
def test_add(text: str, path: list[str], block: str, expected: str) -> None:
    assert add(text, path, block, "f.yml") == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x [1]\nb: *x\n", r"nothing can be added to 'b'.*:\nb:\n  - 9"),
        ("b: [1  # one\n]\n", "nothing can be added to 'b'"),
        ("b: words\n", "'b' must hold a list"),
        ("b: {c: 1}\n", "'b' must hold a list"),
        ("- 1\n", "'the file' must hold keys and values"),
        ("a: 1\n...\n", "nothing can be added to 'b'"),
        ("b: [1\n", r"f\.yml, line \d+: no valid YAML"),
        ("b: 1\nb: 2\n", "no valid YAML"),
    ],
)
def test_what_cannot_be_added_to_is_told(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        add(text, ["b"], "- 9", "f.yml")


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.text("ab:#-?[]{}'\"\n 1é", max_size=8))
DOCUMENTS = st.dictionaries(
    st.sampled_from("abcde"),
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@settings(deadline=None)
@given(DOCUMENTS, st.booleans(), st.booleans())
def test_whatever_is_there_stays(document: dict[str, object], flow: bool, indented: bool) -> None:
    """It is added, or refused; nothing else is changed."""
    text = yaml.safe_dump(document, default_flow_style=flow or None, indent=4 if indented else 2)
    there = parse(text, "f.yml")
    for path, block in ((["f"], "- new"), (["a"], "- new"), (["b"], "n: new"), (["c", "x"], "- {n: 'a: b'}")):
        try:
            after = parse(add(text, path, block, "f.yml"), "f.yml")
        except ConfigurationError:
            continue
        assert {**after, path[0]: None} == {**there, path[0]: None}
        assert "new" in str(after[path[0]]) or "a: b" in str(after[path[0]])
