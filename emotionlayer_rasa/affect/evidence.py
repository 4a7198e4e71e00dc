"""What speaks for each affective state, and how strongly: the tables that :func:`fuse` adds up.

Weights are in logits: a state whose sum is one higher than another's is e (2.7) times as likely. They were set by
hand from EmotionLayer's table of composition and mended on our scenarios (``tests/data/scenarios_dev.json``).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Mapping


@dataclass(frozen=True)
class PadProfile:
    """Where a state lies in valence, arousal and dominance (0..1); None where any value will do."""

    valence: float | None
    arousal: float | None
    dominance: float | None = None


PAD_PROFILES: Mapping[str, PadProfile] = MappingProxyType(
    {
        "neutral": PadProfile(0.5, 0.47, 0.5),
        "enthusiasm": PadProfile(0.8, 0.8),
        "satisfaction": PadProfile(0.75, 0.4),
        "uncertainty": PadProfile(0.4, 0.5, 0.33),
        "anger": PadProfile(0.2, 0.85, 0.8),
        "frustration": PadProfile(0.3, 0.6, 0.45),
        "sarcasm": PadProfile(0.45, 0.52, 0.62),
        "urgency": PadProfile(0.3, 0.85, 0.4),
        "insecurity": PadProfile(0.3, 0.32, 0.24),
    }
)
"""Points inside EmotionLayer's threshold ranges. Sarcasm has none there: it is spoken in a controlled voice."""

PAD_WEIGHT = 6.0
"""Logits that a state loses for a mean distance of 1 between the voice's PAD and its profile."""

# The voice's probabilities: EmotionLayer's composition of each state, the leading emotion highest.
# The words' probabilities count about half of that, and their cues most of all.
_TABLE = """
                         neutral enthusiasm satisfaction uncertainty anger frustration sarcasm urgency insecurity
voice:anger                  .         .          .           .       3.0      2.5       1.2     1.6        .
voice:disgust                .         .          .           .       1.9      2.3       2.8      .         .
voice:fear                   .         .          .          1.9       .3       .8        .      2.8       2.6
voice:joy                    .        3.0        3.0          .        .        .        .8      .         .
voice:neutral               3.0        .3        1.0         1.2       .        .8       .8      .3        .6
voice:sadness                .2        .          .           .5       .       2.3        .      .8       2.5
voice:surprise               .3       2.0         .3         2.4       .2       .5       .4     1.0        .3
words:anger                  .         .          .           .       1.5      1.5       .4      .4        .
words:disgust                .         .          .           .        .9       .9       .9      .         .
words:fear                   .         .          .           .7       .        .3        .     1.3       1.3
words:joy                    .        1.7        1.5          .        .        .        .5      .         .
words:neutral               1.5        .          .3          .6       .        .3        .      .3        .
words:sadness                .         .          .           .3       .       1.2        .      .3       1.2
words:surprise               .3        .9         .          1.0       .        .3       .4      .3        .
words:urgency                .         .          .           .        .        .         .     3.2        .
words:danger                 .         .          .           .        .        .         .     3.2        .
words:sarcasm                .         .          .           .        .        .        4.0     .         .
words:doubt                  .         .          .          2.2       .        .         .      .        2.2
words:resignation            .         .          .           .        .       2.2        .      .         .7
words:complaint              .         .          .           .       1.2      2.6       .5      .4        .
words:praise                 .         .8        3.6          .        .        .        .5      .         .
words:question              1.3        .          .           .8       .        .         .      .         .
words:hostility              .         .          .           .       2.4       .6       .3      .         .
rule:bitter_praise           .       -1.0       -2.0          .        .        .        3.5     .         .
rule:cheerful_complaint      .         .          .           .        .        .        3.5     .         .
rule:cold_complaint          .         .          .           .        .        .        2.8     .         .
rule:timid_complaint         .         .          .           .      -1.0     -2.5        .      .         .
rule:tired_complaint         .         .          .           .        .       2.0        .      .         .
rule:heated_complaint        .         .          .           .       1.5       .         .      .         .
rule:alarm                   .         .          .           .        .        .         .     2.0        .
rule:quiet_alarm             .         .          .           .        .        .         .     2.0        .
rule:self_doubt              .         .          .           .        .        .         .      .        2.0
rule:open_doubt              .         .          .          1.0       .        .         .      .         .
rule:lively_news             .        1.5         .           .        .        .         .      .         .
rule:eager_praise            .        2.0         .           .        .        .         .      .         .
rule:exuberance              .        1.5         .           .        .        .         .      .         .
rule:plain_words             .8        .          .           .        .        .         .      .         .
"""


def _weights(table: str) -> Mapping[str, Mapping[str, float]]:
    """Rows by name, without their dots."""
    head, *rows = (line.split() for line in table.strip().splitlines())
    return MappingProxyType(
        {
            name: MappingProxyType(
                {state: float(cell) for state, cell in zip(head, cells, strict=True) if cell != "."}
            )
            for name, *cells in rows
        }
    )


WEIGHTS: Mapping[str, Mapping[str, float]] = _weights(_TABLE)
"""Logits that one unit of each piece of evidence (0..1) adds to each state."""

BIAS: Mapping[str, float] = MappingProxyType({"sarcasm": -1.0})
"""Sarcasm is rare, and the loosest of the profiles."""
