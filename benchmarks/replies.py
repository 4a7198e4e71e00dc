"""How often the language model's replies may be said, why not, and how long replies take.

Callers come from the scenarios in ``tests/data``, intents and slots are those of the demo shop. Without ``--url``
the embedded SmolLM2 is served and asked, in this process: its work is in the CPU seconds, which other programs
change less than they change milliseconds. Run it in the repository's folder, whose ``languages/`` holds the shop's
replies::

    PYTHONPATH=. python benchmarks/replies.py --count 200
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice
from tempfile import NamedTemporaryFile
from typing import Any, Iterator, Sequence

import click
import yaml
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from emotionlayer_rasa.actions import ActionEmpatheticReply
from emotionlayer_rasa.actions.conversation import ActionConversation
from emotionlayer_rasa.affect import fuse
from emotionlayer_rasa.conversation import default_language
from emotionlayer_rasa.endpoints import ENDPOINTS_VARIABLE
from emotionlayer_rasa.evaluation.scenarios import read_scenarios
from emotionlayer_rasa.response import Reply, ReplyComposer, check_reply
from emotionlayer_rasa.response.llm import LLMClient, LLMSettings
from emotionlayer_rasa.response.llm.server import llm_server
from emotionlayer_rasa.response.warm_up import warm_up
from emotionlayer_rasa.settings import read_settings
from emotionlayer_rasa.training.states import DATA
from emotionlayer_rasa.utterance import METADATA_KEY, Transcript, Utterance
from emotionlayer_rasa.words import create_text_reader

ORDERS = {
    "en": {"order_number": "1042", "order_status": "on its way", "order_eta": "tomorrow"},
    "it": {"order_number": "1042", "order_status": "in viaggio", "order_eta": "domani"},
}
SITUATIONS = [
    ("complaint", ()),
    ("order_status", ("order_number", "order_status", "order_eta")),
    ("refund", ("order_number",)),
    ("nlu_fallback", ()),
    ("order_status", ()),
    ("greet", ()),
    ("return_item", ("order_number",)),
]
"""Intents, and the slots that are known then."""


@click.command()
@click.option("--count", type=click.IntRange(2), default=200, show_default=True, help="Replies.")
@click.option("--mode", type=click.Choice(["rephrase", "compose"]), default="rephrase", show_default=True)
@click.option("--url", help="Base URL of another OpenAI-compatible endpoint.")
@click.option("--model", default="SmolLM2-135M-Instruct", show_default=True, help="The model's name there.")
@click.option("--cold", is_flag=True, help="Without the warm-up that `emotionlayer llm` does.")
@click.option("--timeout", "timeout_s", type=float, default=8.0, show_default=True, help="Deadline in seconds.")
def main(count: int, mode: str, url: str | None, model: str, cold: bool, timeout_s: float) -> None:
    """Print where replies are from, why answers were refused, and milliseconds."""
    action = action_without_llm()
    callers = list(islice(cycle(trackers()), count))
    with ExitStack() as stack:
        base_url = url or stack.enter_context(llm_server(port=0))
        values = {"base_url": base_url, "model": model, "mode": mode, "timeout_s": timeout_s}
        settings = read_settings(LLMSettings, {**values, "api_key_env": "OPENAI_API_KEY"}, "options")
        client = LLMClient(settings)
        composer = ReplyComposer(client)
        if not cold:
            with endpoints(llm=values):
                warm_up(base_url, default_language())
        replies, own_ms, cpu_s = asyncio.run(answer_all(composer, action, callers))

    sources = Counter(reply.source for reply in replies)
    click.echo(f"{count} replies, {mode}, {model}")
    for source in ("llm", "retry", "template"):
        click.echo(f"  {source:<20} {sources[source] / count:6.1%}")
    click.echo("answers refused, by reason")
    for reason, times in composer.rejections.most_common():
        click.echo(f"  {reason:<20} {times:4d}")
    passed = sum(passes(reply, tracker) for reply, tracker in zip(replies, callers, strict=True))
    click.echo(f"what is said and passes the check: {passed / count:.1%}")
    usage = client.usage
    click.echo(f"requests {usage.requests}, tokens {usage.prompt_tokens} in, {usage.completion_tokens} out")
    with_llm = [reply.timings_ms["total"] for reply in replies]
    beside_llm = [reply.timings_ms["total"] - reply.timings_ms.get("llm", 0.0) for reply in replies]
    line("ms with the language model", with_llm, with_llm)
    line("  of these, not the model's", beside_llm, with_llm)
    line("ms of the action without it", own_ms, with_llm)
    first, others = cpu_s[0], statistics.median(cpu_s[1:])
    click.echo(
        f"CPU s of the first reply {first:.2f}, {first / others:.1f} times the others' median of {others:.2f}"
    )


def action_without_llm() -> ActionEmpatheticReply:
    """The action as the action server makes it where ``endpoints.yml`` names no language model."""
    with endpoints():
        return ActionEmpatheticReply()


@contextmanager
def endpoints(**sections: Any) -> Iterator[None]:
    """Let a file with these sections be the ``endpoints.yml``."""
    with NamedTemporaryFile("w", suffix=".yml") as file:
        yaml.safe_dump(sections, file)
        file.flush()
        os.environ[ENDPOINTS_VARIABLE] = file.name
        yield


def line(name: str, times: Sequence[float], whole: Sequence[float]) -> None:
    """Median and 95th percentile, and as shares of the same figures of ``whole``."""
    (p50, p95), (all50, all95) = percentiles(times), percentiles(whole)
    click.echo(f"{name:<28} p50 {p50:7.1f} ({p50 / all50:6.1%})   p95 {p95:7.1f} ({p95 / all95:6.1%})")


def percentiles(times: Sequence[float]) -> tuple[float, float]:
    """Median and 95th percentile."""
    return statistics.median(times), statistics.quantiles(times, n=20)[-1]


def trackers() -> Iterator[Tracker]:
    """A call of one turn each, as Rasa sends it to the action server."""
    scenarios = [scenario for name in ("01", "02") for scenario in read_scenarios(DATA / f"older{name}.json")]
    readers = {language: create_text_reader(language) for language in ORDERS}
    for scenario, (intent, known) in zip(scenarios, cycle(SITUATIONS)):
        language = scenario.language
        words = readers[language].read(scenario.text)
        utterance = Utterance(
            Transcript(scenario.text, language=language),
            scenario.voice,
            words,
            affect=fuse(scenario.voice, words),
        )
        slots: dict[str, Any] = {name: ORDERS[language][name] if name in known else None for name in ORDERS["en"]}
        turn = {
            "event": "user",
            "timestamp": 1.0,
            "text": scenario.text,
            "metadata": {METADATA_KEY: utterance.to_metadata()},
            "parse_data": {"intent": {"name": intent}, "entities": []},
        }
        yield Tracker("benchmark", slots, {"intent": {"name": intent}}, [turn], False, None, {}, "action_listen")


async def answer_all(
    composer: ReplyComposer, action: ActionEmpatheticReply, callers: Sequence[Tracker]
) -> tuple[list[Reply], list[float], list[float]]:
    """Every caller's reply, the milliseconds of the action without a language model, and CPU seconds with it."""
    replies, own_ms, cpu_s = [], [], []
    for tracker in callers:
        conversation = ActionConversation(tracker)
        began = time.process_time()
        replies.append(
            await composer.reply(
                conversation.utterance,
                conversation.intent,
                conversation.slots,
                conversation.said,
                conversation.language,
                conversation.memory,
            )
        )
        cpu_s.append(time.process_time() - began)
        began = time.perf_counter()
        await action.run(CollectingDispatcher(), tracker, {})
        own_ms.append((time.perf_counter() - began) * 1000)
    return replies, own_ms, cpu_s


def passes(reply: Reply, tracker: Tracker) -> bool:
    """Whether a reply passes the check with nothing but the slots behind it."""
    conversation = ActionConversation(tracker)
    caller = conversation.utterance.transcript.text
    return not check_reply(
        reply.text, reply.strategy, conversation.language, facts=conversation.slots, caller=caller
    )


if __name__ == "__main__":
    main()
