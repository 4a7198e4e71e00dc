"""What a language model is asked: to reword a draft for one caller.

The caller's words stand in JSON whose ``<``, ``>`` and ``&`` are written as Unicode escapes: they can neither
close the quotation nor forge the control tokens of a chat template (``<|im_end|>``).
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Mapping

import jinja2

from emotionlayer_rasa.affect.memory import AffectiveMemory
from emotionlayer_rasa.response.language_data import LANGUAGES_DIR, language_data
from emotionlayer_rasa.response.templates import guidance
from emotionlayer_rasa.utterance import Utterance

_MAX_WORDS = 60


def rephrase_messages(
    utterance: Utterance,
    draft: str,
    strategy: str,
    language: str = "en",
    memory: AffectiveMemory | None = None,
) -> list[dict[str, str]]:
    """The chat that asks for a draft in other words: rules, examples, then the caller and the draft.

    Rewording suits weak models: asked to compose freely, SmolLM2-135M invents facts. Rules and examples are the
    same for every caller, so a server that caches the prompt's beginning reads only the last message.
    """
    environment = _environment(language)
    question = environment.get_template("rephrase_user.j2")
    messages = [{"role": "system", "content": environment.get_template("rephrase_system.j2").render()}]
    for example in language_data(language, "prompts/rephrase_examples.yml"):
        asked = {
            "caller": example["caller"],
            "guidance": guidance(example["caller"]["response_strategy"], language),
            "draft": example["draft"],
        }
        messages += [
            {"role": "user", "content": question.render(asked)},
            {"role": "assistant", "content": example["reply"]},
        ]
    asked = {
        "caller": caller_context(utterance, strategy, memory),
        "guidance": guidance(strategy, language),
        "draft": re.sub("[<>|]", "", draft),  # a slot in it may hold what the caller said
    }
    messages.append({"role": "user", "content": question.render(asked)})
    return messages


def caller_context(
    utterance: Utterance, strategy: str, memory: AffectiveMemory | None = None
) -> Mapping[str, Any]:
    """What the prompt holds of an utterance: words (the first sixty), emotion, PAD, state and strategy.

    Trend and streak of the memory are added only where they say something: a small model reads few keys well.
    """
    context = utterance.to_context()
    return {
        "transcription": " ".join(context["transcription"].split()[:_MAX_WORDS]),
        "emotion": memory.emotion if memory else context["emotion"],
        **context["affect"],
        "affective_state": context["affective_state"],
        "response_strategy": strategy,
        **({"emotion_trend": memory.trend} if memory and memory.trend != "steady" else {}),
        **({"negative_streak": memory.negative_streak} if memory and memory.negative_streak > 1 else {}),
    }


@cache
def _environment(language: str) -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(LANGUAGES_DIR / language / "prompts")
    environment = jinja2.Environment(loader=loader, undefined=jinja2.StrictUndefined, autoescape=False)
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    return environment
