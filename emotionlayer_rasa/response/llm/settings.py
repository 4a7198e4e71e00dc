"""The section ``llm:`` of ``endpoints.yml``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Mapping

from emotionlayer_rasa.endpoints import read_section
from emotionlayer_rasa.settings import Settings, pydantic

MAX_TOKENS: Mapping[str, int] = {"rephrase": 80, "compose": 200}
"""Default of ``max_tokens`` by mode: three spoken sentences, and for ``compose`` the JSON around them."""


class LLMSettings(Settings):
    """The section ``llm:`` of ``endpoints.yml``.

    Attributes:
        base_url: the endpoint, such as ``http://127.0.0.1:8090/v1``.
        model: name of the model there.
        api_key_env: environment variable that holds the API key; None, or a variable that is not set, for servers
            that want no key.
        mode: ``rephrase`` rewords a template, which weak models manage; ``compose`` lets a capable model answer in
            its own words.
        placeholders: facts are out of the model's hands: it gets and writes ``{order_eta}``, and the value is
            filled in afterwards, as the language says it.
        structured: how an answer is held to its JSON schema: ``schema`` (``response_format``), ``grammar``
            (llama.cpp's own ``json_schema``, from which it makes a grammar), ``none``, or ``auto``: ``schema``,
            until the endpoint refuses it.
        timeout_s: seconds for all attempts at a reply together; then a template answers.
        temperature: 0 .. 2; 0 makes replies reproducible. Not sent to an endpoint that refuses it.
        max_tokens: longest reply; a reply that is cut off is discarded. None takes :data:`MAX_TOKENS`. A model
            that thinks before it answers gets room for its thoughts beside.
        max_concurrent: requests at a time; others wait, no longer than their deadline.
        breaker_failures: failures in a row after which the endpoint is left alone.
        breaker_pause_s: for how many seconds; then one request tries again.
        price_per_million_input, price_per_million_output: cost of a million tokens, in any currency.
    """

    base_url: str = pydantic.Field(regex=r"^https?://\S+$")
    model: str = pydantic.Field(min_length=1)
    api_key_env: str | None = None
    mode: Literal["rephrase", "compose"] = "rephrase"
    placeholders: bool = False
    structured: Literal["auto", "schema", "grammar", "none"] = "auto"
    timeout_s: float = pydantic.Field(default=8.0, gt=0, le=60)
    temperature: float = pydantic.Field(default=0.0, ge=0, le=2)
    max_tokens: int = pydantic.Field(default=None, ge=16, le=4096)
    max_concurrent: int = pydantic.Field(default=4, ge=1, le=256)
    breaker_failures: int = pydantic.Field(default=5, ge=1)
    breaker_pause_s: float = pydantic.Field(default=30.0, gt=0)
    price_per_million_input: float = pydantic.Field(default=0.0, ge=0)
    price_per_million_output: float = pydantic.Field(default=0.0, ge=0)

    @pydantic.validator("max_tokens", pre=True, always=True)
    def _tokens_of_the_mode(cls, value: int | None, values: dict[str, Any]) -> int | None:
        return MAX_TOKENS.get(values.get("mode", ""), 80) if value is None else value


def read_llm_settings(path: str | Path | None = None) -> LLMSettings | None:
    """Read the section ``llm:``; see :func:`emotionlayer_rasa.endpoints.read_section`.

    Returns:
        None where there is none: replies then come from templates.
    """
    return read_section(LLMSettings, "llm", path)
