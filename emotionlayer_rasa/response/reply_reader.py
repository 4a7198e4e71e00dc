"""What is wrong with what a reply says: a small Transformer that sees caller, facts, strategy and reply."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Mapping

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from emotionlayer_rasa.words.encoder import END, START, plain

FAULTS: tuple[str, ...] = (
    *("unbacked_fact", "promise", "claim", "advice", "blame", "dismissal", "tone", "abuse", "echo", "prompt_leak"),
    "unfit",
)
"""The faults of ``training/replies/data/README.md``, and ``unfit``: any of them, or another one."""

MAX_PIECES = 192
_REPLY_PIECES = 96
_CALLER_PIECES = 48

PRESENT = 0.5
"""Probability from which a fault beside the likeliest one is named."""

WEIGHTS_DIR = Path(__file__).parent / "weights"
"""Graph, tokenizer and description that come with the package; ``README.md`` is the model card."""

GRAPH, TOKENIZER, DESCRIPTION = "replies.onnx", "tokenizer.json", "replies.json"


def reply_pieces(
    tokenizer: Tokenizer, reply: str, strategy: str, caller: str, facts: Mapping[str, Any]
) -> tuple[list[int], int]:
    """Ids of what the model sees, at most :data:`MAX_PIECES`, and where among them the reply begins.

    Strategy, the caller's words, the facts (``name: value; …``) and the reply, an end mark after each.
    """

    def ids(text: str) -> list[int]:
        found: list[int] = tokenizer.encode(plain(text), add_special_tokens=False).ids
        return found

    start, end = tokenizer.token_to_id(START), tokenizer.token_to_id(END)
    said = ids(reply)[:_REPLY_PIECES]
    known = "; ".join(f"{name.replace('_', ' ')}: {value}" for name, value in facts.items() if value is not None)
    before = [start, *ids(strategy.replace("_", " ")), end, *ids(caller)[:_CALLER_PIECES], end]
    before += [*ids(known)[: max(0, MAX_PIECES - len(before) - len(said) - 2)], end]
    return [*before, *said, end], len(before)


class ReplyReader:
    """Probabilities of faults in a reply.

    The graph takes ``pieces`` (1, n) int64 and ``reply`` (1, n) float32, 1 where the reply stands, and gives
    ``outputs`` (1, 11), logits of :data:`FAULTS`.

    Args:
        folder: holds the graph, the tokenizer, and the description: ``name``; ``slopes`` and ``offsets`` of the
            logits; ``thresholds``, by strategy, the probability of ``unfit`` from which a reply is not said;
            ``figures``.
    """

    def __init__(self, folder: Path = WEIGHTS_DIR) -> None:
        self.description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._session = onnxruntime.InferenceSession(
            str(folder / GRAPH), options, providers=["CPUExecutionProvider"]
        )

    def logits(self, reply: str, strategy: str, caller: str, facts: Mapping[str, Any]) -> np.ndarray:
        """The model's own numbers; float32 (11,)."""
        ids, start = reply_pieces(self._tokenizer, reply, strategy, caller, facts)
        shown = np.zeros((1, len(ids)), dtype=np.float32)
        shown[0, start:] = 1
        fed = {"pieces": np.asarray([ids], dtype=np.int64), "reply": shown}
        return np.asarray(self._session.run(["outputs"], fed)[0][0], dtype=np.float32)

    def read(self, reply: str, strategy: str, caller: str, facts: Mapping[str, Any]) -> Mapping[str, float]:
        """Probability of each of :data:`FAULTS`, 0..1.

        Args:
            reply: one to three sentences.
            strategy: one of the six response strategies.
            caller: the caller's words.
            facts: what the assistant knows, by name.
        """
        logits = self.logits(reply, strategy, caller, facts).astype(np.float64)
        values = logits * self.description["slopes"] + self.description["offsets"]
        return dict(zip(FAULTS, map(float, 1 / (1 + np.exp(-values))), strict=True))

    def faults(self, reading: Mapping[str, float], strategy: str) -> tuple[str, ...]:
        """The faults for which a reply is not said, the likeliest first; empty where it is fit.

        Args:
            reading: what :meth:`read` has found.
            strategy: the response strategy.
        """
        thresholds = self.description["thresholds"]
        if reading["unfit"] < thresholds.get(strategy, min(thresholds.values())):
            return ()
        likely = sorted(FAULTS[:-1], key=lambda fault: -reading[fault])
        return (likely[0], *(fault for fault in likely[1:] if reading[fault] >= PRESENT))


@cache
def load_reply_reader() -> ReplyReader:
    """The reader that comes with the package, loaded once per process."""
    return ReplyReader()
