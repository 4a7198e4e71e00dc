"""``emotionlayer doctor``: what of this machine and of an assistant is in order, and what to do about the rest."""

from emotionlayer_rasa.cli.doctor.command import doctor

__all__ = ["doctor"]
