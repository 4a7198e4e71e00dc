"""What logs tell: where an error arose and where settings are looked for, and nothing of what a caller said."""

import ast
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

from emotionlayer_rasa import errors, logs
from emotionlayer_rasa.actions import ActionEmpatheticReply
from emotionlayer_rasa.endpoints import ENDPOINTS_VARIABLE, read_section
from emotionlayer_rasa.handoff import Handoff
from emotionlayer_rasa.handoff.delivery import HandoffSettings
from emotionlayer_rasa.imports import replaced
from emotionlayer_rasa.language import fold
from emotionlayer_rasa.logs import describe
from emotionlayer_rasa.response.llm import LLMClient, LLMSettings
from emotionlayer_rasa.settings import Settings, pydantic, read_settings

PACKAGE = Path(logs.__file__).parent
MODULES = [*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "actions").rglob("*.py")]
SECRET = "my card is 4111"


class Picky(Settings):
    value: str

    @pydantic.validator("value")
    def fail(cls, value: str) -> str:
        raise RuntimeError(value)


def test_an_error_is_told_by_its_kind_and_the_innermost_line_of_ours() -> None:
    with pytest.raises(AttributeError) as caught:
        fold({SECRET})  # type: ignore[arg-type]
    told = describe(caught.value)
    assert told.startswith(f"error={type(caught.value).__name__} where=emotionlayer_rasa/language.py:")
    assert "raised=" not in told
    assert SECRET not in told


def test_an_error_that_ours_passes_on_is_told_with_the_line_that_raised_it() -> None:
    with pytest.raises(RuntimeError, match=SECRET) as caught:
        read_settings(Picky, {"value": SECRET}, "a test")
    kind, where, raised = describe(caught.value).split(" ")
    assert kind == "error=RuntimeError"
    assert where.startswith("where=emotionlayer_rasa/settings.py:")
    assert raised.startswith(f"raised={__file__}:")


def test_of_an_error_of_the_operating_system_its_explanation_is_told_and_no_file() -> None:
    with pytest.raises(OSError, match=SECRET) as caught:
        Path(SECRET).read_bytes()
    told = describe(caught.value)
    assert told.startswith("error=FileNotFoundError (No such file or directory) ")
    assert SECRET not in told
    assert describe(OSError(SECRET)) == "error=OSError"


def test_every_module_logs_in_one_way_and_no_error_by_its_kind_alone_or_by_its_words() -> None:
    offences = [
        f"{module.relative_to(PACKAGE.parent)}: {call}" for module in MODULES for call in _offences(module)
    ]
    assert offences == []


def _offences(module: Path) -> Iterator[str]:
    tree = ast.parse(module.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        # The NLG server keeps tracebacks out of what Rasa itself logs.
        if isinstance(node, ast.Import) and node.names[0].name == "structlog" and module.parent.name != "nlg":
            yield ast.unparse(node)
        if isinstance(node, ast.ExceptHandler) and node.name and not _is_ours(node.type):
            for call in _log_calls(node):
                told = ast.parse(ast.unparse(call).replace(f"describe({node.name})", "None"))
                if any(isinstance(name, ast.Name) and name.id == node.name for name in ast.walk(told)):
                    yield ast.unparse(call)
    for call in _log_calls(tree):
        text = ast.unparse(call)
        if "__name__" in text or "exc_info" in text or ".exception(" in text:
            yield text


def _log_calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and re.match(r"(log|logger|logging)\.(?!getLogger)", ast.unparse(node.func)):
            yield node


def _is_ours(caught: ast.expr | None) -> bool:
    """Whether a handler takes errors of this package only: their messages hold nothing private."""
    classes = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return all(hasattr(errors, ast.unparse(one).split(".")[-1]) for one in classes if one is not None)


def test_importing_leaves_the_loggers_and_modules_of_others_alone() -> None:
    script = (
        "import logging, sys\n"
        "import emotionlayer_rasa.handoff, emotionlayer_rasa.response.llm, emotionlayer_rasa.words\n"
        "import emotionlayer_rasa.transcription.whisper\n"
        "print(logging.getLogger('httpx').level, 'tensorflow' in sys.modules, 'av' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "False", "False"]


def test_a_stand_in_is_there_for_the_block_only_and_never_for_what_is_loaded() -> None:
    with replaced("no_such_module", None), pytest.raises(ImportError):
        import no_such_module  # noqa: F401
    assert "no_such_module" not in sys.modules
    with replaced("logging", None):
        import logging as same
    assert same is logging


def test_who_asks_an_address_that_may_hold_a_token_keeps_it_out_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ENDPOINTS_VARIABLE, raising=False)
    monkeypatch.setenv("EMOTIONLAYER_HANDOFF_SECRET", "s")
    httpx_logger = logging.getLogger("httpx")
    starts = [
        ActionEmpatheticReply,
        lambda: LLMClient(LLMSettings(base_url="http://localhost:9/v1", model="tiny")),
        lambda: Handoff(HandoffSettings(url="http://localhost:9/")).close(),
    ]
    for start in starts:
        monkeypatch.setattr(httpx_logger, "level", logging.NOTSET)
        start()
        assert httpx_logger.level == logging.WARNING


def test_the_log_tells_once_where_the_endpoints_and_the_outbox_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(ENDPOINTS_VARIABLE, raising=False)
    monkeypatch.setenv("EMOTIONLAYER_HANDOFF_SECRET", "s")
    here, there = tmp_path / "here", tmp_path / "there"
    with caplog.at_level(logging.INFO, logger=logs.__name__):
        for folder in (here, there):
            folder.mkdir()
            monkeypatch.chdir(folder)
            if folder == there:
                Path("endpoints.yml").write_text("handoff:\n  url: http://localhost:9/\n", encoding="utf-8")
            for _ in range(2):
                read_section(HandoffSettings, "handoff")
        handoff = Handoff.from_endpoints()
        assert handoff
        handoff.close()
    missing, found, outbox = (record.getMessage() for record in caplog.records)
    assert missing.startswith(f"endpoints.not_found path={here / 'endpoints.yml'}: ")
    assert found == f"endpoints.found path={there / 'endpoints.yml'}"
    assert outbox == f"handoff.outbox.found path={there / 'handoff-outbox'}"
