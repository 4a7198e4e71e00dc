import json
from operator import eq

import pytest

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.evaluation.scenarios import (
    ScenarioCase,
    canonical_state,
    canonical_strategy,
    fuse_scenario,
    guess_language,
    measure_scenarios,
    read_scenarios,
    run_scenarios,
)
from emotionlayer_rasa.taxonomy import EMOTIONS, STATES, STRATEGIES
from emotionlayer_rasa.training.states import DATA
from emotionlayer_rasa.utterance import AffectiveState

SCENES = sorted(DATA.glob("scenes*.json"))


def record(**changes):
    scenario = {
        "id": 7,
        "target_strategy": "Active De-escalation",
        "emotion_detected": "Frustrazione",
        "input": {
            "vocal_sentiment": [{"Emotion": "Rabbia", "Score": "60%"}, {"Emotion": "tristezza", "Score": "30%"}],
            "prosody": {"arousal": 0.65, "dominance": 0.4, "valence": 0.2},
            "transcription": "È la terza volta che chiamo.",
        },
    }
    for key, value in changes.items():
        if key in scenario:
            scenario[key] = value
        else:
            scenario["input"][key] = value
    return scenario


@pytest.fixture
def write(tmp_path):
    def _write(content):
        path = tmp_path / "scenarios.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return _write


@pytest.mark.parametrize(
    ("label", "state"),
    [
        ("Frustration", "frustration"),
        ("FRUSTRAZIONE", "frustration"),
        ("Frustrazione (passiva)", "frustration"),
        ("Rabbia", "anger"),
        ("Sarcasmo", "sarcasm"),
        ("urgenza", "urgency"),
        ("Insicurezza", "insecurity"),
        ("Incertezza", "uncertainty"),
        ("soddisfazione", "satisfaction"),
        ("Entusiasmo", "enthusiasm"),
        ("Neutro", "neutral"),
        ("Neutrale", "neutral"),
        ("Neutralità", "neutral"),
        ("[Neutrality]", "neutral"),
    ],
)
def test_names_of_states(label, state):
    assert canonical_state(label) == state


@pytest.mark.parametrize(
    ("label", "strategy"),
    [
        ("Active De-escalation", "active_deescalation"),
        ("De-escalation attiva", "active_deescalation"),
        ("active_deescalation", "active_deescalation"),
        ("[ACTIVE_DE_ESCALATION]", "active_deescalation"),
        ("Rapid Resolution", "rapid_resolution"),
        ("Risoluzione rapida", "rapid_resolution"),
        ("Empathic-Validation", "empathic_validation"),
        ("Empathetic Validation", "empathic_validation"),
        ("Validazione empatica", "empathic_validation"),
        ("Positive Mirroring", "positive_mirroring"),
        ("Rispecchiamento positivo", "positive_mirroring"),
        ("Assertive Neutrality", "assertive_neutrality"),
        ("NEUTRALITÀ ASSERTIVA", "assertive_neutrality"),
        ("Direct Efficiency", "direct_efficiency"),
        ("Efficienza diretta", "direct_efficiency"),
    ],
)
def test_names_of_strategies(label, strategy):
    assert canonical_strategy(label) == strategy


def test_every_name_of_ours_names_itself():
    assert [canonical_state(state) for state in STATES] == list(STATES)
    assert [canonical_strategy(strategy) for strategy in STRATEGIES] == list(STRATEGIES)
    for canonical in (canonical_state, canonical_strategy):
        with pytest.raises(KeyError):
            canonical("melancholy")


def test_a_scenario_is_read(write):
    [scenario] = read_scenarios(write([record()]))
    assert (scenario.id, scenario.state, scenario.strategy) == ("7", "frustration", "active_deescalation")
    voice = scenario.voice
    assert (voice.label, voice.source, voice.valence, voice.arousal, voice.dominance) == (
        "anger",
        "voice",
        0.2,
        0.65,
        0.4,
    )
    assert list(voice.scores) == list(EMOTIONS)
    assert sum(voice.scores.values()) == pytest.approx(1)
    assert voice.scores["anger"] == voice.confidence == pytest.approx(0.6)
    assert voice.scores["sadness"] == pytest.approx(0.3)
    assert voice.scores["joy"] == pytest.approx(0.02)


@pytest.mark.parametrize("score", ["96%", "96", "96,0 %", 96, 0.96])
def test_scores_have_many_forms(write, score):
    [scenario] = read_scenarios(write([record(vocal_sentiment=[{"Emotion": "Neutrality", "Score": score}])]))
    assert scenario.voice.label == "neutral"
    assert scenario.voice.scores["neutral"] == pytest.approx(0.96)


def test_scores_over_one_are_scaled_down(write):
    both = [{"Emotion": "anger", "Score": "90%"}, {"Emotion": "disgust", "Score": "60%"}]
    [scenario] = read_scenarios(write([record(vocal_sentiment=both)]))
    assert scenario.voice.scores["anger"] == pytest.approx(0.6)
    assert scenario.voice.scores["disgust"] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("[", "no valid JSON"),
        ("{}", "no list of scenarios"),
        ("[]", "no list of scenarios"),
        ([record(), "text"], "scenario number 2"),
        ([record(emotion_detected="Malinconia")], "scenario 7: 'Malinconia' is no affective state"),
        ([record(target_strategy="Ignore")], "scenario 7: 'Ignore' is no strategy"),
        ([record(vocal_sentiment=[{"Emotion": "noia", "Score": "1%"}])], "scenario 7: 'noia' is no emotion"),
        ([record(vocal_sentiment=[{"Emotion": "joy", "Score": "much"}])], "scenario 7: Score is 'much'"),
        ([record(prosody={"arousal": 7, "dominance": 0.1, "valence": 0.1})], "scenario 7: arousal is 7"),
        ([record(prosody={"arousal": 0.7, "valence": 0.1})], "scenario 7: the key 'dominance' is missing"),
        ([record(transcription=None)], "scenario 7: transcription"),
        ([{"id": "a b", "input": 3}], "scenario a b"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_the_scenario(write, content, named):
    with pytest.raises(ConfigurationError) as error:
        read_scenarios(write(content))
    assert named in str(error.value)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_scenarios(tmp_path / "none.json")


@pytest.mark.parametrize("path", SCENES, ids=lambda path: path.stem)
def test_languages_are_guessed(path):
    scenarios = json.loads(path.read_text(encoding="utf-8"))
    languages = [one.get("language") or one["id"].split("-")[1] for one in scenarios]
    guessed = [guess_language(one["input"]["transcription"]) for one in scenarios]
    assert sum(map(eq, guessed, languages)) >= 0.97 * len(scenarios)


def test_the_figures_count_matches_and_misses(write):
    first, second = read_scenarios(write([record(), record(id=8)]))
    cases = [
        ScenarioCase(
            first, AffectiveState("frustration", "active_deescalation", 0.9, reasons=("words:complaint=.80",)), 1.0
        ),
        ScenarioCase(second, AffectiveState("anger", "active_deescalation", 0.6), 3.0),
    ]
    result = measure_scenarios(cases)
    assert (result["emotion_match"], result["strategy_match"], result["scenarios"]) == (0.5, 1.0, 2)
    assert result["ms"] == {"mean": 2.0, "max": 3.0}
    assert result["confusion"] == {"frustration": {"frustration": 1, "anger": 1}}
    assert [case["state"] for case in result["cases"]] == ["frustration", "anger"]
    assert result["cases"][0]["reasons"] == ["words:complaint=.80"]
    with pytest.raises(ValueError, match="no case"):
        measure_scenarios([])


def test_our_scenes_are_many_and_varied():
    scenarios = [scenario for path in SCENES for scenario in read_scenarios(path)]
    assert len(scenarios) == len({scenario.id for scenario in scenarios}) >= 1500
    assert {scenario.state for scenario in scenarios} == set(STATES)
    assert {scenario.strategy for scenario in scenarios} == set(STRATEGIES)


@pytest.mark.parametrize(("number", "state", "strategy"), [(1, 0.90, 0.85), (2, 0.95, 0.96)])
def test_scenarios_by_other_hands_are_understood_as_well_as_at_their_first_reading(data, number, state, strategy):
    path = data / f"scenarios_frozen_{number}.json"
    result = measure_scenarios(run_scenarios(read_scenarios(path), fuse_scenario))
    assert result["emotion_match"] >= state
    assert result["strategy_match"] >= strategy
