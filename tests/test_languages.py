"""That every language is whole: English is the measure. What a folder lacks is named; see docs/languages.md."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Iterator

import jinja2
import pytest
import yaml
from jinja2 import meta

from emotionlayer_rasa import language as module
from emotionlayer_rasa.language import languages
from emotionlayer_rasa.response import REASONS, replies
from emotionlayer_rasa.response.prompt import check_prompts
from emotionlayer_rasa.taxonomy import STRATEGIES

ROOT = Path(__file__).parents[1]
PACKAGE = Path(module.__file__).parent / "languages"
SHOP = ROOT / "languages"

OPTIONAL = ("spacy/", "prompts/judge_")
"""What only some languages have: a spaCy pipeline, the prompts of a judge."""
PROFILES = ("customer_support", "wellbeing", "tutoring")
LINES_OF_THE_DEMO = 5
OTHERS = [language for language in languages() if language != "en"]


def lacks_of_package(folder: Path, measure: Path = PACKAGE / "en") -> list[str]:
    """What a language's folder of the package lacks."""
    wanted = [path.relative_to(measure).as_posix() for path in sorted(measure.rglob("*")) if path.is_file()]
    files = [file for file in wanted if not file.startswith(OPTIONAL)]
    missing = [file for file in files if not (folder / file).is_file()]
    found = [f"{file}: there is no such file" for file in missing]
    for file in sorted(set(files) - set(missing)):
        if file == "replies.yml" or file.startswith("profiles/"):
            found += [f"{file}: {what}" for what in _lacks_of_replies(_read(folder / file), _read(measure / file))]
        elif file == "prompts/corrections.yml":
            found += [f"{file}: no correction for '{key}'" for key in REASONS if key not in _read(folder / file)]
        elif file == "prompts/rephrase_examples.yml":
            fewer = len(_read(folder / file)) < len(_read(measure / file))
            found += [f"{file}: fewer examples than in English"] if fewer else []
        elif file.endswith(".j2"):
            lost = _variables(measure / file) - _variables(folder / file)
            found += [f"{file}: it does not say '{name}'" for name in sorted(lost)]
        else:
            found += [] if _read(folder / file) else [f"{file}: it is empty"]
    return found


def lacks_of_shop(folder: Path) -> list[str]:
    """What a language's folder of the example shop lacks."""
    wanted = ("replies.yml", "nlu.yml", "domain.yml", "demo.yml")
    missing = [file for file in wanted if not (folder / file).is_file()]
    if missing:
        return [f"{file}: there is no such file" for file in missing]
    lacks = _lacks_of_replies(_read(folder / "replies.yml"), _read(SHOP / "en" / "replies.yml"))
    found = [f"replies.yml: {what}" for what in lacks]
    intents = _intents(ROOT / "data" / "nlu.yml") - _intents(folder / "nlu.yml")
    found += [f"nlu.yml: no examples of the intent '{name}'" for name in sorted(intents)]
    said = _read(folder / "domain.yml")["responses"]
    ours = _read(ROOT / "domain.yml")["responses"]
    found += [f"domain.yml: no response '{name}'" for name in ours if name not in said]
    lines = len(_read(folder / "demo.yml"))
    return found + ([f"demo.yml: {lines} lines, not {LINES_OF_THE_DEMO}"] if lines != LINES_OF_THE_DEMO else [])


def _lacks_of_replies(own: dict[str, Any], measure: dict[str, Any]) -> Iterator[str]:
    for name, wording in measure.get("strategies", {}).items():
        told = own.get("strategies", {}).get(name)
        if told is None:
            yield f"no strategy '{name}'"
        elif len(told.get("openers", ())) < len(wording.get("openers", ())):
            yield f"fewer openers of '{name}' than in English"
    for name, situation in measure["situations"].items():
        said = own["situations"].get(name)
        if said is None:
            yield f"no situation '{name}'"
            continue
        for key in ("verbatim", "opener"):
            if said.get(key, False) != situation.get(key, False):
                yield f"the situation '{name}' has another '{key}' than in English"
        needs = [case.get("needs", []) for case in situation["cases"]]
        if [case.get("needs", []) for case in said["cases"]] != needs:
            yield f"the cases of '{name}' need other slots than in English"
            continue
        for case, ours in zip(said["cases"], situation["cases"], strict=True):
            for strategy, texts in {"say": ours["say"], **ours.get("by_strategy", {})}.items():
                wordings = case["say"] if strategy == "say" else case.get("by_strategy", {}).get(strategy, ())
                if len(wordings) < len(texts):
                    yield f"{len(wordings)} wordings of '{name}' ({strategy}), {len(texts)} in English"


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _variables(template: Path) -> set[str]:
    return set(meta.find_undeclared_variables(jinja2.Environment().parse(template.read_text(encoding="utf-8"))))


def _intents(path: Path) -> set[str]:
    return {part["intent"] for part in _read(path)["nlu"] if "intent" in part}


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_of_the_package_is_whole(language: str) -> None:
    lacks = lacks_of_package(PACKAGE / language)
    assert not lacks, f"\nemotionlayer_rasa/languages/{language}/ lacks:\n" + "\n".join(lacks)
    assert set(replies(language).strategies) == set(STRATEGIES)
    for profile in PROFILES:
        check_prompts(language, profile)


@pytest.mark.parametrize("language", OTHERS)
def test_the_shop_speaks_every_language(language: str) -> None:
    lacks = lacks_of_shop(SHOP / language)
    assert not lacks, f"\nlanguages/{language}/ lacks:\n" + "\n".join(lacks)


def test_what_a_folder_lacks_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "de"
    shutil.copytree(PACKAGE / "de", folder)
    (folder / "ghost_words.yml").unlink()
    (folder / "prompts" / "state.j2").write_text("")
    (folder / "prompts" / "corrections.yml").write_text("{empty: Antworte.}")
    texts = _read(folder / "replies.yml")
    del texts["situations"]["thanks"], texts["strategies"]["rapid_resolution"]
    texts["situations"]["greet"]["cases"][0]["say"].pop()
    del texts["situations"]["disclosure"]["verbatim"]
    (folder / "replies.yml").write_text(yaml.safe_dump(texts))
    lacks = lacks_of_package(folder)
    assert {
        "ghost_words.yml: there is no such file",
        "prompts/corrections.yml: no correction for 'promise'",
        "prompts/state.j2: it does not say 'state'",
        "replies.yml: no situation 'thanks'",
        "replies.yml: no strategy 'rapid_resolution'",
        "replies.yml: 2 wordings of 'greet' (say), 3 in English",
        "replies.yml: the situation 'disclosure' has another 'verbatim' than in English",
    } <= set(lacks)


def test_what_the_shop_lacks_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "de"
    shutil.copytree(SHOP / "de", folder)
    (folder / "demo.yml").write_text("[Guten Tag.]")
    (folder / "domain.yml").write_text("{responses: {}}")
    assert set(lacks_of_shop(folder)) >= {
        "demo.yml: 1 lines, not 5",
        "domain.yml: no response 'utter_offer_human'",
    }
    (folder / "nlu.yml").unlink()
    assert lacks_of_shop(folder) == ["nlu.yml: there is no such file"]
