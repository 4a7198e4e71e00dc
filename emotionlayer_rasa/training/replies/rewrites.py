"""Rewrites of good replies that say something nobody gave: ``tests/data/placeholder_rewrites.jsonl``.

``python -m emotionlayer_rasa.training.replies.rewrites`` prints the file. Each good reply of the two hands that
are kept for choices is a draft; its facts are placeholders. Sentences with a fact of their own, written by hand in
six languages (``data/rewrites.yml``), are put behind it, plain and in disguise; placeholders are dropped, doubled,
joined, swapped, spoilt, negated, and replaced by values.
"""

from __future__ import annotations

import json
import re
import sys
from itertools import cycle
from typing import Any, Iterator, Mapping

import yaml

from emotionlayer_rasa.response.placeholders import Placeholders
from emotionlayer_rasa.training.replies import DATA
from emotionlayer_rasa.training.replies.corpora import LabelledReply, hands

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_LOOKALIKES = str.maketrans("aeopcxyAEOCBM", "аеорсхуАЕОСВМ")
"""Letters of Cyrillic that look like ours."""
_OTHER_DIGITS = ("４", "٤", "४", "²", "Ⅳ", "½", "④", "𝟒", "㈣", "4")


def rewrites() -> Iterator[dict[str, Any]]:
    """Lines of the file: ``id``, ``language``, ``draft``, ``slots``, ``reply``, ``kind`` (empty for a good one).

    A good one has no draft, so that none of its words is excused: what refuses it is a false alarm.
    """
    written: Mapping[str, Any] = yaml.safe_load((DATA / "rewrites.yml").read_text(encoding="utf-8"))
    for language, of_language in written.items():
        good = [reply for reply in hands("dev") if reply.language == language and not reply.unfit]
        masked = [(reply, Placeholders.of(reply.reply, _texts(reply), language)) for reply in good]
        records: list[tuple[str, LabelledReply, str, str]] = [("", reply, "", one.text) for reply, one in masked]
        drafts = cycle([(reply, one) for reply, one in masked if _PLACEHOLDER.search(one.text)])
        for kind, sentences in of_language["sentences"].items():
            for sentence in sentences:
                for name, text in _disguised(kind, sentence):
                    reply, one = next(drafts)
                    records.append((name, reply, reply.reply, f"{one.text} {text}"))
        for negation in of_language["negation"] * 2:
            reply, one = next(drafts)
            records.append(("negation", reply, reply.reply, _negated(one.text, negation)))
        for _ in range(2):
            reply, one = next(drafts)
            records += [(kind, reply, reply.reply, text) for kind, text in _spoilt(one)]
        for number, (kind, reply, draft, text) in enumerate(records, start=1):
            record = {"id": f"{language}-{number:03}", "language": language, "kind": kind}
            yield {**record, "draft": draft, "slots": _texts(reply) if draft else {}, "reply": text}


def _texts(reply: LabelledReply) -> dict[str, str]:
    return {name: str(value) for name, value in reply.slots.items()}


def _disguised(kind: str, sentence: str) -> Iterator[tuple[str, str]]:
    """A sentence as it is; some also with letters of another script, with invisible ones, and in other digits."""
    yield kind, sentence
    if kind in ("number_word", "weekday"):
        yield "homoglyph", sentence.translate(_LOOKALIKES)
        half = len(sentence) // 2
        yield "invisible", f"{sentence[:half]}\u200b{sentence[half:]}"
    if kind == "number_word":
        digit = _OTHER_DIGITS[len(sentence) % len(_OTHER_DIGITS)]
        words = sentence.split()
        yield "digit", " ".join([*words[:-1], digit, words[-1]])


def _negated(text: str, negation: str) -> str:
    before, _, after = negation.partition(" … ")
    return _PLACEHOLDER.sub(lambda match: f"{before} {match.group()}{' ' if after else ''}{after}", text, count=1)


def _spoilt(masked: Placeholders) -> Iterator[tuple[str, str]]:
    text, (first, *others) = masked.text, _PLACEHOLDER.findall(masked.text)
    whole = f"{{{first}}}"

    def put(piece: str) -> str:
        return text.replace(whole, piece, 1)

    for piece in (
        f"1{whole}",
        f"{whole}0",
        f"-{whole}",
        f"{whole}.5",
        f"{whole}th",
        f"x{whole}",
        f"{whole}%",
        f"0,{whole}",
    ):
        yield "joined", put(piece)
    for piece in (
        f"{{{first}",
        f"{first}}}",
        f"{{ {first} }}",
        f"{{{{{first}}}}}",
        f"{{{first.upper()}}}",
        f"[{first}]",
        f"${first}",
    ):
        yield "malformed", put(piece)
    for piece in ("{refund_amount}", f"{{{first}_total}}", "{}", "{0}"):
        yield "unknown", put(piece)
    yield "dropped", put(first.replace("_", " "))
    yield "doubled", f"{text} {whole}."
    yield "value", put(masked.surfaces[first])
    if others and others[0] != first:
        yield (
            "swapped",
            text.replace(whole, "\0").replace(f"{{{others[0]}}}", whole).replace("\0", f"{{{others[0]}}}"),
        )


if __name__ == "__main__":
    for line in rewrites():
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
