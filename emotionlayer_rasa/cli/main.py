"""The command group. A command imports what it needs when it runs, so that ``--help`` is quick."""

from __future__ import annotations

import click

from emotionlayer_rasa import __version__
from emotionlayer_rasa.cli.adapt import adapt
from emotionlayer_rasa.cli.analyze import analyze
from emotionlayer_rasa.cli.benchmark import benchmark
from emotionlayer_rasa.cli.check import check
from emotionlayer_rasa.cli.decisions import decisions
from emotionlayer_rasa.cli.demo import demo
from emotionlayer_rasa.cli.doctor import doctor
from emotionlayer_rasa.cli.evaluate import evaluate
from emotionlayer_rasa.cli.init import init
from emotionlayer_rasa.cli.judge import judge
from emotionlayer_rasa.cli.llm import llm
from emotionlayer_rasa.cli.models import models
from emotionlayer_rasa.cli.nlg import nlg
from emotionlayer_rasa.cli.privacy import privacy
from emotionlayer_rasa.cli.report import report
from emotionlayer_rasa.cli.train import train
from emotionlayer_rasa.cli.train_replies import train_replies
from emotionlayer_rasa.cli.train_text import train_text
from emotionlayer_rasa.errors import EmotionLayerError


class _Group(click.Group):
    """Turns our errors into one line on stderr and exit code 1."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except EmotionLayerError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group)
@click.version_option(__version__, prog_name="emotionlayer")
def main() -> None:
    """Hear how something is said."""


_COMMANDS = (
    *(adapt, analyze, benchmark, check, decisions, demo, doctor, evaluate),
    *(init, judge, llm, models, nlg, privacy, report, train, train_replies, train_text),
)
for _command in _COMMANDS:
    main.add_command(_command)
