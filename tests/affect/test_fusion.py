import pytest
from cases import for_each
from hypothesis import given
from hypothesis import strategies as st

from emotionlayer_rasa.affect import fuse
from emotionlayer_rasa.affect.evidence import NAMES, PAD_PROFILES, evidence
from emotionlayer_rasa.affect.fusion import read_weights
from emotionlayer_rasa.taxonomy import EMOTIONS, STATES, STRATEGIES, UNKNOWN
from emotionlayer_rasa.utterance import CUES, AffectiveState, EmotionReading, Prosody, TextReading

MIDDLE = (0.5, 0.5, 0.5)


def voice(label, valence, arousal, dominance, share=0.8, second=None):
    """A voice with one clear emotion, or with a second one that takes most of what is left."""
    rest = 1 - share
    others = [name for name in EMOTIONS if name not in (label, second)]
    left = 0.2 * rest if second else rest
    scores = {label: share, **{name: left / len(others) for name in others}}
    if second:
        scores[second] = 0.8 * rest
    return EmotionReading(label, share, scores, valence, arousal, dominance, "voice")


def words(label=UNKNOWN, pad=MIDDLE, share=0.5, **cues):
    rest = (1 - share) / (len(EMOTIONS) - 1)
    scores = {name: share if name == label else rest for name in EMOTIONS} if label != UNKNOWN else {}
    return TextReading(
        EmotionReading(label, share, scores, *pad, "text"), {cue: cues.get(cue, 0.0) for cue in CUES}
    )


@for_each(
    "heard, state, strategy",
    [
        (voice("anger", 0.1, 0.95, 0.9), "anger", "active_deescalation"),
        (voice("anger", 0.25, 0.88, 0.75), "anger", "active_deescalation"),
        (voice("anger", 0.3, 0.6, 0.35), "frustration", "active_deescalation"),
        (voice("disgust", 0.25, 0.5, 0.5), "frustration", "active_deescalation"),
        (voice("sadness", 0.3, 0.65, 0.45), "frustration", "active_deescalation"),
        (voice("sadness", 0.3, 0.3, 0.2), "insecurity", "empathic_validation"),
        (voice("joy", 0.9, 0.9, 0.7), "enthusiasm", "positive_mirroring"),
        (voice("joy", 0.75, 0.3, 0.5), "satisfaction", "positive_mirroring"),
        (voice("fear", 0.25, 0.95, 0.4), "urgency", "rapid_resolution"),
        (voice("surprise", 0.4, 0.5, 0.3), "uncertainty", "empathic_validation"),
        (voice("neutral", 0.5, 0.5, 0.5), "neutral", "direct_efficiency"),
    ],
)
def test_a_voice_alone_follows_emotionlayers_table(heard, state, strategy):
    for text in (None, TextReading()):
        fused = fuse(heard, text)
        assert (fused.state, fused.strategy) == (state, strategy)
        assert (fused.valence, fused.arousal, fused.dominance) == (heard.valence, heard.arousal, heard.dominance)
        assert fused.incongruence == 0


@pytest.mark.parametrize(
    ("heard", "read", "state", "strategy"),
    [
        pytest.param(
            voice("neutral", 0.4, 0.45, 0.45, 0.55, "sadness"),
            words("anger", (0.2, 0.55, 0.4), 0.8, complaint=0.8),
            "frustration",
            "active_deescalation",
            id="passive frustration is calm",
        ),
        pytest.param(
            voice("sadness", 0.25, 0.28, 0.25),
            words("sadness", complaint=0.5, resignation=0.8),
            "frustration",
            "empathic_validation",
            id="sad frustration wants validation",
        ),
        pytest.param(
            voice("sadness", 0.22, 0.6, 0.35, 0.55, "fear"),
            words(danger=0.8, urgency=0.6),
            "urgency",
            "rapid_resolution",
            id="urgency can be sad",
        ),
        pytest.param(
            voice("sadness", 0.15, 0.25, 0.18),
            words(urgency=0.8, resignation=0.5),
            "urgency",
            "empathic_validation",
            id="quiet despair over a deadline wants validation",
        ),
        pytest.param(
            voice("joy", 0.6, 0.55, 0.62, 0.6, "disgust"),
            words(complaint=0.8),
            "sarcasm",
            "assertive_neutrality",
            id="sarcasm can sound happy over a complaint",
        ),
        pytest.param(
            voice("disgust", 0.3, 0.52, 0.66, 0.6, "anger"),
            words("joy", praise=0.8),
            "sarcasm",
            "assertive_neutrality",
            id="bitter praise is sarcasm",
        ),
        pytest.param(
            voice("joy", 0.85, 0.72, 0.6),
            words("joy", praise=0.9),
            "satisfaction",
            "positive_mirroring",
            id="satisfaction can be lively",
        ),
        pytest.param(
            voice("joy", 0.85, 0.75, 0.6, 0.7, "surprise"),
            words("joy"),
            "enthusiasm",
            "positive_mirroring",
            id="lively news is enthusiasm",
        ),
        pytest.param(
            voice("fear", 0.4, 0.52, 0.32, 0.5, "surprise"),
            words(doubt=0.8),
            "uncertainty",
            "empathic_validation",
            id="doubt about a choice",
        ),
        pytest.param(
            voice("surprise", 0.48, 0.5, 0.42, 0.5, "neutral"),
            words(doubt=0.7, question=0.8),
            "uncertainty",
            "empathic_validation",
            id="who wavers wants validation, question or not",
        ),
        pytest.param(
            voice("fear", 0.3, 0.3, 0.2, 0.55, "sadness"),
            words(self_doubt=0.8),
            "insecurity",
            "empathic_validation",
            id="doubt about oneself",
        ),
        pytest.param(
            voice("anger", 0.2, 0.85, 0.78),
            words("anger", complaint=0.7, hostility=0.8),
            "anger",
            "active_deescalation",
            id="threats in an angry voice",
        ),
        pytest.param(
            voice("anger", 0.48, 0.56, 0.58, 0.45, "neutral"),
            words("neutral", question=0.8),
            "neutral",
            "direct_efficiency",
            id="a firm voice asking for a fact is no anger",
        ),
    ],
)
def test_voice_and_words_together(heard, read, state, strategy):
    fused = fuse(heard, read)
    assert (fused.state, fused.strategy) == (state, strategy)


@pytest.mark.parametrize(
    ("read", "state"),
    [
        (words("neutral", question=0.8), "neutral"),
        (words("joy", praise=0.8), "satisfaction"),
        (words(urgency=0.9), "urgency"),
        (words(sarcasm=0.8), "sarcasm"),
        (words("anger", (0.1, 0.85, 0.7), 0.8, hostility=0.8, complaint=0.5), "anger"),
        (words("anger", (0.2, 0.55, 0.4), complaint=0.8), "frustration"),
    ],
)
def test_words_alone(read, state):
    for heard in (None, EmotionReading(confidence=0.3, scores={"anger": 0.3}, arousal=0.9)):
        fused = fuse(heard, read)
        assert fused.state == state
        assert fused.valence == read.emotion.valence
        assert (fused.arousal, fused.dominance) == (read.emotion.arousal, read.emotion.dominance)


def test_two_unknown_sides_ask_for_nothing():
    assert fuse(None, None) == fuse(EmotionReading(), TextReading()) == AffectiveState()
    assert AffectiveState() == AffectiveState(UNKNOWN, "direct_efficiency", 0.0)


def test_valence_leans_on_words_and_arousal_and_dominance_on_the_voice():
    fused = fuse(voice("joy", 0.9, 0.9, 0.9), words("anger", (0.1, 0.1, 0.1)))
    assert fused.valence < 0.5 < min(fused.arousal, fused.dominance)


def test_incongruence_is_words_against_voice():
    praise, complaint = words("joy", praise=0.9), words("anger", complaint=0.9)
    glad, cross = voice("joy", 0.8, 0.5, 0.6), voice("disgust", 0.2, 0.5, 0.6)
    assert fuse(glad, praise).incongruence == fuse(cross, complaint).incongruence == 0
    assert min(fuse(glad, complaint).incongruence, fuse(cross, praise).incongruence) > 0.6
    assert fuse(voice("neutral", 0.5, 0.5, 0.5), praise).incongruence < 0.35


def test_reasons_name_what_decided():
    fused = fuse(voice("anger", 0.2, 0.85, 0.8, 0.71), words("anger", complaint=0.8, hostility=0.9))
    assert fused.state == "anger"
    assert {"voice:anger=.71", "words:hostility=.90"} <= set(fused.reasons)
    assert not any("sadness" in reason or "praise" in reason for reason in fused.reasons)
    happy = fuse(voice("joy", 0.6, 0.55, 0.62, 0.6, "disgust"), words(complaint=0.8))
    assert all(reason.split("=")[0] in NAMES for reason in (*fused.reasons, *happy.reasons))


def test_more_evidence_gives_more_confidence():
    heard = voice("anger", 0.25, 0.8, 0.75)
    confidence = [fuse(heard, words(hostility=strength)).confidence for strength in (0.3, 0.6, 0.9)]
    assert confidence == sorted(confidence)
    assert len(set(confidence)) == 3


def test_a_slow_voice_with_long_pauses_supports_doubt_of_oneself():
    heard, read = voice("fear", 0.38, 0.46, 0.3, 0.4, "neutral"), words(doubt=0.3, self_doubt=0.2)
    slow = fuse(heard, read, Prosody(syllable_rate=1.5, pause_ratio=0.5))
    quick = fuse(heard, read, Prosody(syllable_rate=4.5, pause_ratio=0.1))
    assert quick == fuse(heard, read)
    assert (quick.state, slow.state) == ("uncertainty", "insecurity")


@given(
    st.sampled_from((*EMOTIONS, UNKNOWN)),
    st.sampled_from((*EMOTIONS, UNKNOWN)),
    st.lists(st.floats(0, 1), min_size=5, max_size=5),
    st.dictionaries(st.sampled_from(CUES), st.floats(0, 1)),
)
def test_everything_has_a_state_a_strategy_and_sane_numbers(heard, said, numbers, cues):
    share, valence, arousal, dominance, text_share = numbers
    acoustic = voice(heard, valence, arousal, dominance, share) if heard != UNKNOWN else EmotionReading()
    fused = fuse(acoustic, words(said, (valence, arousal, dominance), text_share, **cues))
    assert fused == fuse(acoustic, words(said, (valence, arousal, dominance), text_share, **cues))
    assert fused.strategy in STRATEGIES
    assert 0 <= fused.confidence <= 1
    assert 0 <= fused.incongruence <= 1
    if heard == said == UNKNOWN and max(cues.values(), default=0) < 0.3:
        assert fused == AffectiveState()
    else:
        assert fused.state in STATES
        assert 1 / len(STATES) <= fused.confidence
        assert min(fused.valence, fused.arousal, fused.dominance) >= 0
        assert max(fused.valence, fused.arousal, fused.dominance) <= 1


def test_the_table_is_about_the_nine_states_and_evidence_that_exists():
    table = read_weights()
    assert set(PAD_PROFILES) == {state for state, _ in table.answers} == set(STATES)
    assert {strategy for _, strategy in table.answers} == set(STRATEGIES)
    assert set(table.weights) == set(NAMES)
    assert {len(row) for row in (*table.weights.values(), table.bias)} == {len(table.answers)}
    everything = evidence(
        voice("anger", 0.2, 0.8, 0.8), words("joy", (0.1, 0.9, 0.9), **dict.fromkeys(CUES, 0.5)), Prosody()
    )
    assert set(everything) <= set(NAMES)
