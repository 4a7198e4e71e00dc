"""``emotionlayer nlg``: the responses of an assistant, in the tone of the moment, as a server for Rasa."""

from __future__ import annotations

import os
from pathlib import Path

import click

from emotionlayer_rasa.rasa_versions import require_rasa


@click.command()
@click.option(
    "--domain",
    type=click.Path(path_type=Path),
    default=Path("domain.yml"),
    show_default=True,
    help="The assistant's domain, a file or a folder.",
)
@click.option("--endpoints", type=click.Path(path_type=Path), help="The endpoints.yml with `llm:` and `replies:`.")
@click.option(
    "--llm/--no-llm", default=True, show_default=True, help="Let the model under `llm:` reword responses."
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=5056, show_default=True)
@click.option("--token-env", metavar="NAME", help="Environment variable with the token that requests must carry.")
def nlg(domain: Path, endpoints: Path | None, llm: bool, host: str, port: int, token_env: str | None) -> None:
    """Word Rasa's responses until Ctrl-C.

    In endpoints.yml of the assistant:

    \b
        nlg:
          url: http://localhost:5056/nlg
    """
    require_rasa()

    from emotionlayer_rasa.endpoints import read_section
    from emotionlayer_rasa.errors import ConfigurationError
    from emotionlayer_rasa.nlg import ResponseGenerator, create_app, serve
    from emotionlayer_rasa.nlg.server import configure_logs, read_responses
    from emotionlayer_rasa.response import ReplySettings
    from emotionlayer_rasa.response.composer import load_languages
    from emotionlayer_rasa.response.llm import LLMClient, read_llm_settings

    configure_logs()
    token = os.environ.get(token_env) if token_env else None
    if token_env and not token:
        raise ConfigurationError(
            f"The environment variable {token_env} is not set, or empty. Put the token there."
        )
    settings = read_llm_settings(endpoints) if llm else None
    profile = (read_section(ReplySettings, "replies", endpoints) or ReplySettings()).profile
    load_languages(profile)
    generator = ResponseGenerator(read_responses(domain), LLMClient(settings) if settings else None, profile)
    model = settings.model if settings else "none"
    message = f"NLG server ready at http://{host}:{port}/nlg, language model: {model} (Ctrl-C stops it)."
    serve(create_app(generator, token), host, port, lambda *_: click.echo(message))
