from __future__ import annotations

import numpy as np
import pytest

from emotionlayer_rasa.audio import SAMPLE_RATE, Waveform
from emotionlayer_rasa.emotion import measure_prosody
from emotionlayer_rasa.transcription.babble import babble


@pytest.mark.parametrize("duration_s", [0.0, 0.01, 3.0])
def test_it_is_sound_of_the_wanted_length_and_always_the_same(duration_s: float) -> None:
    sound = babble(duration_s)
    assert sound.shape == (int(duration_s * SAMPLE_RATE),)
    assert sound.dtype == np.float32
    assert np.abs(sound).max(initial=0.0) <= 1.0
    assert np.array_equal(sound, babble(duration_s))


def test_it_is_voiced_like_speech() -> None:
    prosody = measure_prosody(Waveform(babble(5.0)))
    assert prosody.pitch_hz is not None
    assert 80 < prosody.pitch_hz < 260
