"""``emotionlayer judge``: what language models make the assistant say, by EmotionLayer's six metrics."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence

import click

from emotionlayer_rasa.errors import ConfigurationError, LLMError

if TYPE_CHECKING:
    from emotionlayer_rasa.evaluation.judge import Answer
    from emotionlayer_rasa.evaluation.scenarios import Scenario
    from emotionlayer_rasa.llm import LLMClient, LLMSettings
    from emotionlayer_rasa.response import ReplyComposer
    from emotionlayer_rasa.utterance import Utterance

TEMPLATES = "templates"
"""The model that is none: every reply is a template."""

ANSWERS_FILE = "answers.jsonl"
"""What is finished, an answer a line; a rerun goes on from it."""

TIMEOUT_S = 60.0
"""No caller waits for an evaluation: what NAME=URL gets in place of the settings' default."""

JUDGE_MAX_TOKENS = 256
"""Room to think aloud before the JSON."""

_CLEAR = 0.5

_NOT_THE_MODEL = {
    *("base_url", "api_key_env", "max_concurrent", "breaker_failures", "breaker_pause_s"),
    *("price_per_million_input", "price_per_million_output"),
}
"""Settings that do not change what a model says."""


@dataclass(frozen=True)
class Candidate:
    """A model to evaluate; ``settings`` None stands for the templates alone."""

    name: str
    settings: LLMSettings | None

    def client(self, **changes: Any) -> LLMClient | None:
        """A client that asks on after any number of failures: a paused model would be scored as templates."""
        from emotionlayer_rasa.llm import LLMClient

        if self.settings is None:
            return None
        return LLMClient(self.settings.copy(update={"breaker_failures": sys.maxsize, **changes}))


_TEMPLATES = Candidate(TEMPLATES, None)


@click.command()
@click.option(
    "--scenarios", required=True, type=click.Path(path_type=Path), help="JSON in EmotionLayer's scenario format."
)
@click.option(
    "--model",
    "named",
    multiple=True,
    metavar="NAME=URL",
    help="A model behind an OpenAI-compatible endpoint, or 'templates'. Can be repeated.",
)
@click.option(
    "--models",
    "file",
    type=click.Path(path_type=Path),
    help="YAML with 'models:' (each 'templates', or name and the keys of 'llm:' in endpoints.yml), and 'judge:'.",
)
@click.option("--judge", "judge_named", metavar="NAME=URL", help="The model that grades; else proxies stand in.")
@click.option(
    "--profile",
    type=click.Choice(("customer_support", "wellbeing", "tutoring")),
    default="customer_support",
    show_default=True,
    help="What the assistant is for, as under 'replies:' in endpoints.yml.",
)
@click.option("--language", help="Language of every scenario, such as it; else each one's is guessed.")
@click.option("--limit", type=click.IntRange(min=1), help="Stop after so many new answers; a rerun goes on.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for answers and report.")
def judge(
    scenarios: Path,
    named: tuple[str, ...],
    file: Path | None,
    judge_named: str | None,
    profile: str,
    language: str | None,
    limit: int | None,
    out: Path,
) -> None:
    """Let models answer scenarios through the assistant's composer, and score what is said.

    Without --model and --models the templates alone are scored. Each finished answer is kept in OUT; the same
    command goes on where it was stopped. A scenario may name the situation that is answered, and the facts, in its
    "input": "situation" (an intent) and "slots".

    Writes report.md, scores.csv and scores.png.
    """
    from emotionlayer_rasa.evaluation.judge_report import FILES, write_judge_report
    from emotionlayer_rasa.evaluation.scenarios import read_scenarios

    listed = read_scenarios(scenarios)
    candidates, grader = _models(named, file, judge_named)
    out.mkdir(parents=True, exist_ok=True)
    try:
        answers = asyncio.run(_evaluate(listed, candidates, grader, profile, language, limit, out / ANSWERS_FILE))
    except KeyboardInterrupt:
        click.echo(f"\nStopped. Finished answers are in {out / ANSWERS_FILE}; run the command again to go on.")
        raise SystemExit(130) from None
    expected = len(listed) * len(candidates)
    name = grader.name if grader else None
    write_judge_report(answers, name, expected, out)
    _print_table(answers, name)
    if len(answers) < expected:
        click.echo(f"{len(answers)} of {expected} answers; run the command again to go on.")
    click.echo(f"Written: {', '.join(str(out / written) for written in FILES)}")


def _models(
    named: Sequence[str], path: Path | None, judge_named: str | None
) -> tuple[list[Candidate], Candidate | None]:
    content = _read_models_file(path) if path else {}
    where = str(path)
    candidates = [_named(name, "--model") for name in named]
    entries = content.get("models") or []
    if not isinstance(entries, list):
        raise ConfigurationError(f"{where}: 'models' is no list. Give each model an entry of its own.")
    candidates += [_entry(entry, f"{where}, models, number {place}") for place, entry in enumerate(entries, 1)]
    candidates = candidates or [_TEMPLATES]
    names = [candidate.name for candidate in candidates]
    if double := {name for name in names if names.count(name) > 1}:
        raise ConfigurationError(f"Two models are called {', '.join(sorted(double))}. Give each its own name.")
    grader = _named(judge_named, "--judge") if judge_named else None
    if grader is None and "judge" in content:
        grader = _entry(content["judge"], f"{where}, judge")
    if grader is not None and grader.settings is None:
        raise ConfigurationError("The templates cannot be the judge. Name a language model, or leave it out.")
    return candidates, grader


def _read_models_file(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}. Correct the path.") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ConfigurationError(f"{path} is no valid YAML. Check its indentation and quotes.") from None
    if not isinstance(content, Mapping) or set(content) - {"models", "judge"}:
        raise ConfigurationError(f"{path}: expected the keys 'models' and 'judge' and no others.")
    return content


def _named(option: str, where: str) -> Candidate:
    if option == TEMPLATES:
        return _TEMPLATES
    name, _, url = option.partition("=")
    if not name or not url:
        raise ConfigurationError(f"{where}: '{option}' is neither NAME=URL nor '{TEMPLATES}'.")
    return _entry({"name": name, "base_url": url, "timeout_s": TIMEOUT_S}, f"{where} {name}")


def _entry(entry: Any, where: str) -> Candidate:
    """A model of the file: ``templates``, or ``name`` and the keys of ``llm:``; ``model`` may be missing."""
    from emotionlayer_rasa.llm import LLMSettings
    from emotionlayer_rasa.settings import read_settings

    if entry == TEMPLATES:
        return _TEMPLATES
    if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str) or not entry["name"]:
        raise ConfigurationError(f"{where}: expected '{TEMPLATES}', or a model with 'name' and 'base_url'.")
    values = {"model": entry["name"], **{key: value for key, value in entry.items() if key != "name"}}
    return Candidate(entry["name"], read_settings(LLMSettings, values, where))


async def _evaluate(
    scenarios: Sequence[Scenario],
    candidates: Sequence[Candidate],
    grader: Candidate | None,
    profile: str,
    language: str | None,
    limit: int | None,
    path: Path,
) -> list[Answer]:
    """Answer, grade and keep what ``path`` does not hold yet; returns all finished answers of this evaluation."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from emotionlayer_rasa.response import ReplyComposer

    finished = _read_answers(path)
    turn = _turns(language)
    judge_client = grader.client(temperature=0.0, max_tokens=JUDGE_MAX_TOKENS) if grader else None
    answers: list[Answer] = []
    added = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress, path.open("a", encoding="utf-8") as file:
        task = progress.add_task("answering", total=len(scenarios) * len(candidates))
        for candidate in candidates:
            progress.update(task, description=candidate.name)
            composer = ReplyComposer(candidate.client(), profile)
            for scenario in scenarios:
                key = _key(scenario, candidate, grader, profile, language)
                answer = finished.get(key)
                if answer is None:
                    if added == limit:
                        continue
                    answer = await _answer(scenario, turn(scenario), candidate, composer, profile)
                    if grader is not None and judge_client is not None:
                        answer = await _grade(answer, grader.name, judge_client)
                    record = {"key": key, **asdict(answer)}
                    file.write(json.dumps(record, ensure_ascii=False) + "\n")
                    file.flush()
                    added += 1
                answers.append(answer)
                progress.advance(task)
    return answers


def _read_answers(path: Path) -> dict[str, Answer]:
    """Finished answers by key; a last line that was cut off, and answers the judge failed on, are done again."""
    from emotionlayer_rasa.evaluation.judge import Answer

    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8")
    if text and not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
        path.write_text(text, encoding="utf-8")
    answers = {}
    for number, line in enumerate(text.splitlines(), 1):
        try:
            record = json.loads(line)
            key = record.pop("key")
            answer = Answer(**record)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ConfigurationError(
                f"{path}, line {number} is no answer of this command. Use another --out."
            ) from None
        if not answer.judge_error:
            answers[key] = answer
    return answers


def _key(
    scenario: Scenario, candidate: Candidate, grader: Candidate | None, profile: str, language: str | None
) -> str:
    """Names an answer: the same scenario, model, settings, profile and judge give the same key, on any server."""
    settings = candidate.settings and candidate.settings.dict(exclude=_NOT_THE_MODEL)
    parts = [
        [scenario.id, scenario.state, scenario.strategy, scenario.context, profile, language],
        [candidate.name, settings],
        grader and [grader.name, grader.settings and grader.settings.model],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class _Turn:
    utterance: Utterance
    situation: str
    slots: Mapping[str, Any]
    language: str


def _turns(language: str | None) -> Callable[[Scenario], _Turn]:
    """A scenario as a turn of a call: voice and words fused, and the situation that is answered."""
    from emotionlayer_rasa.affect import fuse
    from emotionlayer_rasa.evaluation.scenarios import guess_language
    from emotionlayer_rasa.utterance import Transcript, Utterance
    from emotionlayer_rasa.words import create_text_reader

    def turn(scenario: Scenario) -> _Turn:
        spoken = language or guess_language(scenario.text)
        words = create_text_reader(spoken).read(scenario.text)
        utterance = Utterance(
            Transcript(scenario.text, language=spoken),
            scenario.voice,
            words=words,
            affect=fuse(scenario.voice, words),
        )
        slots = scenario.context.get("slots") or {}
        if not isinstance(slots, Mapping):
            raise ConfigurationError(f"Scenario {scenario.id}: 'slots' are no keys and values. Correct them.")
        return _Turn(utterance, str(scenario.context.get("situation") or _situation(utterance)), slots, spoken)

    return turn


def _situation(utterance: Utterance) -> str:
    """What a shop's assistant would take the words for where the scenario does not say."""
    cues = utterance.words.cues if utterance.words else {}
    if cues.get("complaint", 0.0) >= _CLEAR or utterance.affect.state in ("anger", "frustration", "sarcasm"):
        return "complaint"
    if cues.get("praise", 0.0) >= _CLEAR or utterance.affect.state in ("enthusiasm", "satisfaction"):
        return "thanks"
    return "out_of_scope"


async def _answer(
    scenario: Scenario, turn: _Turn, candidate: Candidate, composer: ReplyComposer, profile: str
) -> Answer:
    from emotionlayer_rasa.evaluation.judge import Answer
    from emotionlayer_rasa.response import check_reply
    from emotionlayer_rasa.words import create_text_reader

    began = time.perf_counter()
    reply = await composer.reply(turn.utterance, turn.situation, turn.slots, language=turn.language)
    ms = round(1000 * (time.perf_counter() - began), 1)
    for reason in reply.reasons:
        _stop_if_unusable(candidate.name, reason)
    tone = create_text_reader(turn.language).read(reply.text).emotion
    faults: tuple[str, ...] = ()
    if reply.facts is not None:
        faults = check_reply(reply.text, reply.strategy, turn.language, facts=reply.facts, caller=scenario.text)
    return Answer(
        model=candidate.name,
        scenario=scenario.id,
        language=turn.language,
        caller=scenario.text,
        expected_state=scenario.state,
        expected_strategy=scenario.strategy,
        state=turn.utterance.affect.state,
        strategy=reply.strategy,
        facts=dict(turn.slots),
        draft=reply.draft,
        text=reply.text,
        source=reply.source,
        rejections=reply.reasons,
        faults=faults,
        speech=dict(reply.speech),
        valence=tone.valence,
        arousal=tone.arousal,
        ms=ms,
        profile=profile,
    )


async def _grade(answer: Answer, judge: str, client: LLMClient) -> Answer:
    """Ask the judge; an answer that is late, cut off or no marks is a failure that is counted, not a mark."""
    from emotionlayer_rasa.evaluation.judge import MARKS_SCHEMA, judge_messages, read_marks

    try:
        marks = read_marks(await client.complete(judge_messages(answer), schema=dict(MARKS_SCHEMA)))
    except LLMError as error:
        _stop_if_unusable(judge, error.code)
        return replace(answer, judge_error=error.code)
    return replace(answer, judged=marks, judge_error="" if marks else "unreadable")


def _stop_if_unusable(name: str, code: str) -> None:
    """Stop where asking again is in vain: nobody there, or the request itself is refused."""
    if code == "llm.unreachable" or (code.startswith("llm.status_4") and code != "llm.status_429"):
        raise LLMError(
            f"The server of {name} cannot be used ({code}). Check its address, its model and the key, and run the "
            "command again: finished answers are kept.",
            "unreachable",
        )


def _print_table(answers: Sequence[Answer], judge: str | None) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from emotionlayer_rasa.evaluation.judge import WEIGHTS, summarise
    from emotionlayer_rasa.evaluation.judge_report import metric_names

    table = Table(box=box.SIMPLE_HEAD, padding=0)
    table.add_column("", overflow="fold", min_width=9)
    # "voice_suitability (proxy)" is too wide for a terminal; "voice proxy" is not.
    for metric in (
        "total",
        *(re.sub(r"(_\w+)? \((\w+)\)", r"\n\2", name) for name in metric_names(judge).values()),
    ):
        table.add_column(metric, justify="right", no_wrap=True)
    table.add_column("own\nwords", justify="right", no_wrap=True)
    table.add_column("of", justify="right", no_wrap=True)
    for model in summarise(answers, judge is not None):
        table.add_row(
            model.name,
            "-" if model.total is None else f"{model.total:.1f}",
            *(f"{model.metrics[metric]:.2f}" if metric in model.metrics else "-" for metric in WEIGHTS),
            f"{model.own_words:.0%}",
            f"{model.complete}/{model.answers}",
        )
    console = Console()
    console.print(f"Judge: {judge or 'none (proxies stand in)'}", highlight=False)
    console.print(table)
