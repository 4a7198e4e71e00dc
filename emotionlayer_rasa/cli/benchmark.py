"""``emotionlayer benchmark``: how often state and strategy are those that people expect of a scenario."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator, Mapping

import click

if TYPE_CHECKING:
    from emotionlayer_rasa.evaluation.scenarios import Scenario
    from emotionlayer_rasa.response.llm import LLMSettings
    from emotionlayer_rasa.utterance import AffectiveState

INSTRUCTIONS = """You judge how a caller of a support line feels, from the tone of voice and the words together.
You get JSON: "vocal_sentiment" (the two most probable emotions of the voice), "prosody" (arousal, dominance and
valence of the voice, 0 to 1, 0.5 is neutral) and "transcription" (the words, English or Italian).

"state" is one of:
neutral; enthusiasm (valence and arousal high); satisfaction (valence high, arousal low); uncertainty (doubt about
a fact or a choice); anger (arousal and dominance high); frustration (anger and sadness, tired, repeated problems);
sarcasm (the words contradict the voice); urgency (deadline, danger); insecurity (doubt about oneself, fear).

"strategy" is one of:
direct_efficiency (neutral); active_deescalation (anger, frustration); empathic_validation (insecurity,
uncertainty, sad or hopeless callers); positive_mirroring (enthusiasm, satisfaction); assertive_neutrality
(sarcasm); rapid_resolution (urgency).

Answer with JSON alone, such as {"state": "neutral", "strategy": "direct_efficiency"}."""
"""What a language model is told: EmotionLayer's states and strategies."""

EXAMPLES = (
    (
        {
            "vocal_sentiment": [{"Emotion": "anger", "Score": "55%"}, {"Emotion": "sadness", "Score": "33%"}],
            "prosody": {"arousal": 0.62, "dominance": 0.42, "valence": 0.25},
            "transcription": "I have to call you again about the same broken kettle.",
        },
        {"state": "frustration", "strategy": "active_deescalation"},
    ),
    (
        {
            "vocal_sentiment": [{"Emotion": "gioia", "Score": "58%"}, {"Emotion": "neutralità", "Score": "30%"}],
            "prosody": {"arousal": 0.4, "dominance": 0.5, "valence": 0.72},
            "transcription": "La caldaia va benissimo, volevo ringraziarvi.",
        },
        {"state": "satisfaction", "strategy": "positive_mirroring"},
    ),
)
"""Contexts and right answers: small models learn the form from them."""

LLM_TIMEOUT_S = 60.0
"""No caller waits for a benchmark."""

LLM_MAX_TOKENS = 256
"""Room to think aloud before the JSON."""

NO_ANSWER = ("late", "truncated", "empty", "filtered")
"""Kinds of errors of one answer, not of the server: a miss."""


@click.command()
@click.option(
    "--scenarios",
    required=True,
    type=click.Path(path_type=Path),
    help="JSON in EmotionLayer's scenario format.",
)
@click.option("--language", hidden=True, help="Not needed any more: one reader knows all languages.")
@click.option("--llm", "with_llm", is_flag=True, help="Let the language model of endpoints.yml decide instead.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
def benchmark(scenarios: Path, language: str | None, with_llm: bool, form: str) -> None:
    """Compare states and strategies with those that people expect.

    Prints the share of matches, a confusion table and every miss with its reasons.
    """
    from emotionlayer_rasa.evaluation.scenarios import (
        fuse_scenario,
        measure_scenarios,
        read_scenarios,
        run_scenarios,
    )

    listed = read_scenarios(scenarios)
    if with_llm:
        with _configured_llm() as settings:
            cases = run_scenarios(listed, llm_decider(settings))
    else:
        cases = run_scenarios(listed, fuse_scenario)
    result = measure_scenarios(cases)
    if form == "json":
        click.echo(json.dumps(result, ensure_ascii=False, indent=1))
    else:
        _print_tables(result)


@contextmanager
def _configured_llm() -> Iterator[LLMSettings]:
    """The model of ``endpoints.yml``; the one of this machine is started where that is what it names."""
    import httpx

    from emotionlayer_rasa.errors import ConfigurationError
    from emotionlayer_rasa.response.llm import read_llm_settings
    from emotionlayer_rasa.response.llm.server import LOOPBACK, llm_server, local_llm_available

    settings = read_llm_settings()
    if settings is None:
        raise ConfigurationError("No language model is configured. Add the section 'llm:' to endpoints.yml.")
    settings = settings.copy(update={"timeout_s": LLM_TIMEOUT_S, "max_tokens": LLM_MAX_TOKENS, "temperature": 0.0})
    here = httpx.URL(settings.base_url).host in (LOOPBACK, "localhost")
    if not here or _answers(settings.base_url) or not local_llm_available():
        yield settings
        return
    with llm_server(port=0) as base_url:
        yield settings.copy(update={"base_url": base_url})


def _answers(url: str) -> bool:
    import httpx

    try:
        httpx.get(url, timeout=2, trust_env=False)
    except httpx.HTTPError:
        return False
    return True


def llm_decider(settings: LLMSettings) -> Callable[[Scenario], AffectiveState]:
    """Decide by asking a language model; what an answer does not name is ``unknown``, and so a miss.

    The decider raises LLMError where the model's server cannot be used.
    """
    from emotionlayer_rasa.errors import LLMError
    from emotionlayer_rasa.response.llm import LLMClient

    client = LLMClient(settings)
    opening = [{"role": "system", "content": INSTRUCTIONS}]
    for asked, answered in EXAMPLES:
        opening += [_message("user", asked), _message("assistant", answered)]
    loop = asyncio.new_event_loop()  # one for all scenarios: the client's connections belong to it

    def decide(scenario: Scenario) -> AffectiveState:
        try:
            return read_answer(
                loop.run_until_complete(client.complete([*opening, _message("user", scenario.context)]))
            )
        except LLMError as error:
            if error.kind not in NO_ANSWER:
                raise
            return replace(read_answer(""), reasons=(error.code,))

    return decide


def _message(role: str, content: Mapping[str, Any]) -> dict[str, str]:
    return {"role": role, "content": json.dumps(content, ensure_ascii=False)}


def read_answer(answer: str) -> AffectiveState:
    """State and strategy of a language model's answer; what it does not name is ``unknown``."""
    from emotionlayer_rasa.evaluation.scenarios import canonical_state, canonical_strategy
    from emotionlayer_rasa.response.llm.text import json_objects
    from emotionlayer_rasa.taxonomy import UNKNOWN
    from emotionlayer_rasa.utterance import AffectiveState

    record = next((record for record in json_objects(answer) if {"state", "strategy"} & set(record)), {})

    def named(key: str, canonical: Callable[[str], str]) -> str:
        try:
            return canonical(str(record.get(key, "")))
        except KeyError:
            return UNKNOWN

    return AffectiveState(
        state=named("state", canonical_state),
        strategy=named("strategy", canonical_strategy),
        reasons=("llm",),
    )


def _print_tables(result: Mapping[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    cases = result["cases"]
    console.print(
        f"{result['scenarios']} scenarios: emotion match {result['emotion_match']:.3f}, "
        f"strategy match {result['strategy_match']:.3f}, "
        f"{result['ms']['mean']:.2f} ms each (at most {result['ms']['max']:.2f})",
        soft_wrap=True,
    )
    if len(result["by_language"]) > 1:
        for language, figures in result["by_language"].items():
            console.print(
                f"  {language}: {figures['scenarios']} scenarios, emotion match {figures['emotion_match']:.3f}, "
                f"strategy match {figures['strategy_match']:.3f}"
            )
    confusion = result["confusion"]
    decided = sorted({state for row in confusion.values() for state in row})
    console.print("\nExpected state (rows), decided state (columns):")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("", no_wrap=True)
    for state in decided:
        table.add_column(state[:5], justify="right", no_wrap=True)
    for state, row in confusion.items():
        table.add_row(state, *(str(row.get(name, ".")) for name in decided))
    console.print(table)

    misses = [
        case
        for case in cases
        if case["state"] != case["expected_state"] or case["strategy"] != case["expected_strategy"]
    ]
    if not misses:
        return
    console.print(f"{len(misses)} misses:")
    plain: dict[str, Any] = {"highlight": False, "markup": False, "soft_wrap": True}
    for case in misses:
        console.print(
            f"  {case['id']}: expected {case['expected_state']} ({case['expected_strategy']}), "
            f"decided {case['state']} ({case['strategy']}), confidence {case['confidence']:.2f}",
            **plain,
        )
        console.print(f"    {', '.join(case['reasons'])}", **plain)
