"""What a model says, out of what it writes: without its thoughts and without the marks of its chat template."""

from __future__ import annotations

import json
import re
from typing import Any, Iterator, Mapping

_THOUGHT = r"(?:\w+:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|scratchpad)"
_OPEN = (
    rf"[<\[◁]\|?(?:(?:begin|start)_(?:of_)?)?{_THOUGHT}\|?[>\]▷]|<\|channel\|>(?!final)\w+\s*(?:<\|message\|>)"
    rf"|<\|channel>{_THOUGHT}|<\|inner_prefix\|>"
)
_CLOSE = (
    rf"[<\[◁]\|?(?:/|end_(?:of_)?){_THOUGHT}\|?[>\]▷]|<\|channel\|>final[^<]*<\|message\|>"
    r"|<channel\|>|<\|inner_suffix\|>"
)
"""Around thoughts: DeepSeek, Qwen and most (``<think>``), Mistral, Kimi, Seed, Cohere, Apertus, and the channels
of gpt-oss and Gemma."""
_CONTROL = (
    r"<[|｜][^<>|｜]{1,40}[|｜]>|</?s>|<(?:eos|bos|pad|unk|eot|eod)>|<(?:start|end|begin)_of_\w+>"
    r"|\[/?(?:INST|EOS|BOS)\]|\[end of text\]|\[e~\[|</?(?:answer|response)>"
)
"""Control tokens of the common chat templates, and the tags that models which think put around their answer."""

_TAG = re.compile(rf"(?P<open>{_OPEN})|{_CLOSE}", re.IGNORECASE)
_HEAD = re.compile(rf"(?:\s*(?:{_CONTROL})(?:(?:assistant|model)\s*?(?=\n|<|\[|\Z))?)+", re.IGNORECASE)
_TOKEN = re.compile(_CONTROL, re.IGNORECASE)
_BEGUN = re.compile(r"[<\[◁][^>\]▷]{0,40}\Z")
_BROKEN_OFF = re.compile(r"<[|｜/][^<>]{0,40}\Z")


def said(written: str, whole: bool = True, begins_with_thoughts: bool = False) -> str:
    """What is meant for the caller.

    Thoughts stand between tags; the first tag may be missing, since many chat templates write it into the prompt.
    Thoughts without an end have no answer behind them. What follows on a control token is no longer this answer.

    Args:
        written: what the model wrote so far.
        whole: whether it has stopped; until then what may become a tag is held back.
        begins_with_thoughts: hold everything back until thoughts end: see :func:`ends_thoughts_it_never_began`.

    Example:
        >>> said("<think>The caller says thanks.</think>You are welcome.<|im_end|>")
        'You are welcome.'
    """
    text, closed, _ = _without_thoughts(written)
    if begins_with_thoughts and not whole and not closed:
        return ""
    if head := _HEAD.match(text):
        text = text[head.end() :]
    if token := _TOKEN.search(text):
        text = text[: token.start()]
    return (_BROKEN_OFF if whole else _BEGUN).sub("", text).strip()


def json_objects(text: str) -> Iterator[Mapping[str, Any]]:
    """The JSON objects in a text, whatever stands around them, in order; behind each one, the objects in it.

    Line breaks within a string are forgiven.

    Example:
        >>> list(json_objects('Sure: {"a": {"b": 1}} and {c}'))
        [{'a': {'b': 1}}, {'b': 1}]
    """
    decoder, start = json.JSONDecoder(strict=False), 0
    while (start := text.find("{", start)) >= 0:
        try:
            record, start = decoder.raw_decode(text, start)
            yield record
            yield from (value for value in record.values() if isinstance(value, Mapping))
        except (ValueError, RecursionError):
            start += 1


def ends_thoughts_it_never_began(written: str) -> bool:
    """Whether a model's thoughts have an end and no beginning."""
    return _without_thoughts(written)[2]


def _without_thoughts(written: str) -> tuple[str, bool, bool]:
    """The text outside of thoughts, whether any thoughts ended, and whether some did that never began."""
    text, outside = "", 0
    inside = closed = never_began = False
    for tag in _TAG.finditer(written):
        if tag["open"]:
            text += "" if inside else written[outside : tag.start()]
            inside = True
            continue
        if not inside:
            text, never_began = "", True
        inside, closed, outside = False, True, tag.end()
    return text + ("" if inside else written[outside:]), closed, never_began
