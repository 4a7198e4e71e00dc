"""A language model behind any OpenAI-compatible endpoint: ``llm:`` in ``endpoints.yml``."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from pathlib import Path
from typing import Any, Mapping, Sequence

import openai
import yaml
from pydantic import Field

from emotionlayer_rasa.errors import ConfigurationError, LLMError
from emotionlayer_rasa.settings import Settings, read_settings

ENDPOINTS_VARIABLE = "EMOTIONLAYER_ENDPOINTS"
"""Environment variable with the path of ``endpoints.yml``, where it is not in the working folder."""

# At DEBUG this logger writes whole requests, that is prompts with the caller's words.
logging.getLogger("openai").setLevel(logging.INFO)


class LLMSettings(Settings):
    """The section ``llm:`` of ``endpoints.yml``.

    Attributes:
        base_url: the endpoint, such as ``http://127.0.0.1:8090/v1``.
        model: name of the model there.
        api_key_env: environment variable that holds the API key; None, or a variable that is not set, for servers
            that want no key.
        timeout_s: seconds after which a template answers instead.
        temperature: 0 .. 2; 0 makes replies reproducible.
        max_tokens: longest reply; a reply that is cut off is discarded.
    """

    base_url: str = Field(regex=r"^https?://\S+$")
    model: str = Field(min_length=1)
    api_key_env: str | None = None
    timeout_s: float = Field(default=8.0, gt=0, le=60)
    temperature: float = Field(default=0.0, ge=0, le=2)
    max_tokens: int = Field(default=80, ge=16, le=1024)


def read_llm_settings(path: str | Path | None = None) -> LLMSettings | None:
    """Read the section ``llm:``; as in Rasa, ``${NAME}`` stands for an environment variable.

    Args:
        path: the file; None takes ``EMOTIONLAYER_ENDPOINTS``, else ``endpoints.yml`` in the working folder.

    Returns:
        None where the file or the section is missing: replies then come from templates.

    Raises:
        ConfigurationError: a named file is missing, is no YAML, or holds an unknown key or a bad value.
    """
    named = path or os.environ.get(ENDPOINTS_VARIABLE)
    file = Path(named or "endpoints.yml")
    if not file.is_file():
        if named:
            raise ConfigurationError(f"There is no file {file}. Correct the path in {ENDPOINTS_VARIABLE}.")
        return None
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        raise ConfigurationError(f"{file} is no valid YAML. Check its indentation and quotes.") from None
    section = content.get("llm") if isinstance(content, Mapping) else None
    if section is None:
        return None
    where = f"{file}, llm"
    if isinstance(section, Mapping):
        section = {key: _expanded(value, f"{where}.{key}") for key, value in section.items()}
    return read_settings(LLMSettings, section, where)


def _expanded(value: Any, where: str) -> Any:
    if not isinstance(value, str):
        return value
    missing = [name for name in re.findall(r"\$\{(\w+)\}", value) if name not in os.environ]
    if missing:
        raise ConfigurationError(f"{where}: set the environment variable {', '.join(missing)}, or remove it here.")
    return re.sub(r"\$\{(\w+)\}", lambda match: os.environ[match.group(1)], value)


class LLMClient:
    """Asks one model, never longer than ``timeout_s``, and never twice: a caller is waiting."""

    def __init__(self, settings: LLMSettings) -> None:
        self.settings = settings
        self._client = openai.AsyncOpenAI(
            base_url=settings.base_url,
            api_key=os.environ.get(settings.api_key_env or "", "") or "none",
            timeout=settings.timeout_s,
            max_retries=0,
        )
        self._completions = self._client.chat.completions  # imported on first use: not on a caller's time

    async def complete(self, messages: Sequence[Mapping[str, str]]) -> str:
        """The model's answer to a chat.

        Args:
            messages: ``role`` and ``content`` of each message, oldest first.

        Raises:
            LLMError: no usable answer in time. ``code`` says why: ``llm.late``, ``llm.unreachable``,
                ``llm.status_<HTTP status>``, ``llm.malformed``, ``llm.truncated`` or ``llm.empty``. The error
                holds nothing of the prompt or the answer.
        """
        try:
            return await asyncio.wait_for(self._request(messages), self.settings.timeout_s)
        except (asyncio.TimeoutError, openai.APITimeoutError):
            raise _error(
                "late",
                f"The language model did not answer within {self.settings.timeout_s:g} s. "
                "Raise llm.timeout_s in endpoints.yml, or choose a faster model.",
            ) from None
        except openai.APIStatusError as error:
            raise _error(
                f"status_{error.status_code}",
                f"The language model's server answered with HTTP status {error.status_code}. "
                "Check llm.base_url, llm.model and the key in endpoints.yml, and the server's own log.",
            ) from None
        except openai.APIConnectionError:
            raise _error(
                "unreachable",
                "The language model's server cannot be reached. Start it, or correct llm.base_url.",
            ) from None
        except LLMError:
            raise
        except Exception:  # the server decides what arrives here: broken JSON, other types, missing keys
            raise _error(
                "malformed",
                "The language model's server sent something that is no chat completion. Check llm.base_url.",
            ) from None

    async def _request(self, messages: Sequence[Mapping[str, str]]) -> str:
        completion = await self._completions.create(
            model=self.settings.model,
            messages=list(messages),  # type: ignore[arg-type]
            temperature=self.settings.temperature,
            max_tokens=self.settings.max_tokens,
        )
        choice = completion.choices[0]
        if choice.finish_reason == "length":
            raise _error(
                "truncated", "The language model's reply was cut off. Raise llm.max_tokens in endpoints.yml."
            )
        text = (choice.message.content or "").strip()
        if not text:
            raise _error("empty", "The model's reply was empty. Try another model in endpoints.yml.")
        return text


def _error(reason: str, message: str) -> LLMError:
    error = LLMError(message)
    error.code = f"{LLMError.code}.{reason}"
    return error
