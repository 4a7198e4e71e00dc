"""What the next reply check will learn from: ``data/``, whose README tells how it was made."""

from pathlib import Path

DATA = Path(__file__).parent / "data"
