"""``emotionlayer report``: conversations looked back on, in one page that needs nothing else."""

from emotionlayer_rasa.cli.report.command import report

__all__ = ["report"]
