from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from emotionlayer_rasa.audio import VoiceActivityDetector, create_detector, load_audio, voice_activity
from emotionlayer_rasa.audio.voice_activity import SileroDetector, WebRtcDetector
from emotionlayer_rasa.errors import MissingExtraError

DATA = Path(__file__).parents[1] / "data"
SPEECH = load_audio(DATA / "en_person.flac").samples
"""Speech from 0.2 to 3.3 s, silence around it."""


def judged(detector: VoiceActivityDetector, samples: np.ndarray) -> np.ndarray:
    count = len(samples) // detector.frame
    frames = samples[: count * detector.frame].reshape(count, detector.frame)
    return np.array([detector.probability(frame) for frame in frames])


@pytest.fixture(params=["silero", "webrtc"])
def detector(request: pytest.FixtureRequest) -> VoiceActivityDetector:
    return create_detector(request.param)


def test_speech_is_told_from_silence(detector: VoiceActivityDetector) -> None:
    heard = judged(detector, SPEECH)
    assert np.all((heard >= 0) & (heard <= 1))
    per_second = 16_000 / detector.frame
    assert np.mean(heard[int(0.3 * per_second) : int(3.1 * per_second)] > 0.5) > 0.8
    assert np.mean(judged(detector, np.zeros(32_000, np.float32)) > 0.5) < 0.2  # webrtc hangs over a little


def test_noise_is_no_speech_to_silero() -> None:
    noise = np.random.default_rng(1).normal(0, 0.05, 64_000).astype(np.float32)
    assert judged(create_detector("silero"), noise).max() < 0.5


def test_reset_forgets(detector: VoiceActivityDetector) -> None:
    first = judged(detector, SPEECH)
    detector.reset()
    np.testing.assert_array_equal(judged(detector, SPEECH), first)


def test_detectors_do_not_share_their_memory() -> None:
    one, other = create_detector("silero"), create_detector("silero")
    alone = judged(create_detector("silero"), SPEECH)
    judged(other, SPEECH[::-1].copy())
    np.testing.assert_array_equal(judged(one, SPEECH), alone)


def test_auto_takes_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(create_detector(), SileroDetector)
    monkeypatch.setattr(voice_activity, "find_spec", lambda name: None)
    assert isinstance(create_detector(), WebRtcDetector)
    with pytest.raises(MissingExtraError, match=r"\[whisper\]"):
        create_detector("silero")


def test_the_package_around_the_network_is_not_imported() -> None:
    script = (
        "import sys\n"
        "import numpy as np\n"
        "from emotionlayer_rasa.audio import create_detector\n"
        "create_detector('silero').probability(np.zeros(512, np.float32))\n"
        "assert 'faster_whisper' not in sys.modules and 'av' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, cwd=Path(__file__).parents[2])
