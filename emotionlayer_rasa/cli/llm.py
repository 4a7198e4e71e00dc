"""``emotionlayer llm``: a small language model on this machine, behind an OpenAI-compatible endpoint."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--model", type=click.Path(path_type=Path), help="A GGUF file; else SmolLM2 from its package.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8090, show_default=True)
@click.option(
    "--language",
    default="en",
    show_default=True,
    envvar="EMOTIONLAYER_LANGUAGE",
    show_envvar=True,
    help="Of the prompts that are read at the start, so that the first reply need not wait for it.",
)
def llm(model: Path | None, host: str, port: int, language: str) -> None:
    """Serve the language model until Ctrl-C.

    Start it in the assistant's folder: the prompts are those of its endpoints.yml and its languages/.
    """
    from emotionlayer_rasa.language import supported_language
    from emotionlayer_rasa.response.llm.server import serve
    from emotionlayer_rasa.response.warm_up import warm_up

    prompts = supported_language(language)

    def read_prompts(base_url: str) -> None:
        if warm_up(base_url, prompts):
            click.echo(f"Warmed up for replies in the language {prompts}.")

    serve(model, host=host, port=port, once_ready=read_prompts)
