"""Scenes of calls, with the state that a listener hears: what fuses voice and words will learn from them."""

from pathlib import Path

DATA = Path(__file__).parent / "data"
