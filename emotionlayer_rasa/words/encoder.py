"""A small multilingual Transformer over pieces of words: one ONNX file and its tokenizer."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from emotionlayer_rasa.taxonomy import DIMENSIONS, EMOTIONS
from emotionlayer_rasa.utterance import CUES

MAX_PIECES = 128
"""Of longer texts the beginning and the end are read, half of it each: a turn in a call is shorter."""

OUTPUTS: tuple[str, ...] = (*EMOTIONS, *DIMENSIONS, *CUES, "own", "foreign")
"""The numbers that the model gives: logits of the emotions (softmax); valence, arousal and dominance in standard
deviations of ratings; logits of the cues, of "the feeling is the speaker's own and of now", and of "the text is in
no language that the model knows" (sigmoid each)."""

START, END = "<s>", "</s>"

_JOINED = re.compile("[\N{ZERO WIDTH JOINER}\N{VARIATION SELECTOR-16}\U0001f3fb-\U0001f3ff]")
_PICTURES = r"\u2190-\u2bff\U0001f000-\U0001faff"
_PICTURE = re.compile(f"[{_PICTURES}]")
_WORD_OR_FACE = re.compile(rf"\w|[{_PICTURES}]|[:;=]['-]?[()]")


def plain(text: str) -> str:
    """A text as the model reads it: in lower case, pictures by their Unicode names (``pouting face``)."""
    if text.isascii():
        return text.lower()
    text = text.encode("utf-8", "ignore").decode("utf-8")  # half a character may come through a JSON escape
    text = _JOINED.sub("", text.replace("’", "'"))
    return _PICTURE.sub(lambda mark: f" {_name(mark[0])} ", text).lower()


def says_something(text: str) -> bool:
    """Whether there is a word, a picture or an emoticon in a text."""
    return _WORD_OR_FACE.search(text) is not None


@cache
def _name(picture: str) -> str:
    return unicodedata.name(picture, "")


def pieces(tokenizer: Tokenizer, text: str) -> list[int]:
    """Ids of a text's pieces between the start and the end mark, at most :data:`MAX_PIECES`."""
    ids: list[int] = tokenizer.encode(plain(text), add_special_tokens=False).ids
    room = MAX_PIECES - 2
    if len(ids) > room:
        ids = ids[: room // 2] + ids[-(room // 2) :]
    return [tokenizer.token_to_id(START), *ids, tokenizer.token_to_id(END)]


class WordEncoder:
    """The numbers of :data:`OUTPUTS` of a text.

    The graph takes ``pieces`` (1, n) int64 and gives ``outputs`` (1, 22).

    Args:
        folder: holds ``encoder.onnx`` and ``tokenizer.json``.
    """

    GRAPH = "encoder.onnx"
    TOKENIZER = "tokenizer.json"

    def __init__(self, folder: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.tokenizer = Tokenizer.from_file(str(folder / self.TOKENIZER))
        self._session = onnxruntime.InferenceSession(
            str(folder / self.GRAPH), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, text: str) -> np.ndarray:
        """float32, shape (22,), in the order of :data:`OUTPUTS`."""
        ids = np.asarray([pieces(self.tokenizer, text)], dtype=np.int64)
        return np.asarray(self._session.run(["outputs"], {"pieces": ids})[0][0], dtype=np.float32)
