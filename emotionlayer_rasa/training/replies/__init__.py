"""Training of the reply reader; ``data/`` holds replies with their faults, its README tells how it was made."""

from pathlib import Path

DATA = Path(__file__).parent / "data"
