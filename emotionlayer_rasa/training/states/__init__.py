"""Training of the table that makes states and strategies of voice and words (``affect/weights.json``).

``data/`` holds scenes of calls and typed messages with the state and strategy that a listener gives; its README
tells how they were made.
"""

from pathlib import Path

DATA = Path(__file__).parent / "data"
