import os
from dataclasses import replace
from pathlib import Path

import pytest

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.evaluation.voice import Clip, read_manifest, write_manifest
from emotionlayer_rasa.training.corpora import CORPORA, filter_by_agreement, load_corpus

SHARED_SPEECH = Path(os.environ.get("EMOTIONLAYER_SHARED", Path(__file__).parents[3] / "shared")) / "speech"


def lay_out(folder, files):
    """Write files: text as it is, None for a sound file (the loaders do not open those)."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("sound" if text is None else text, encoding="utf-8")
    return folder


def by_stem(clips):
    return {clip.path.stem: clip for clip in clips}


def test_ravdess(tmp_path):
    names = ["Actor_01/03-01-05-02-01-01-01", "Actor_12/03-01-02-01-02-02-12", "Actor_01/03-02-05-02-01-01-01"]
    copies = ["again/Actor_01/03-01-05-02-01-01-01", "Actor_01/._03-01-05-02-01-01-01"]
    lay_out(tmp_path, {f"{name}.wav": None for name in names + copies})
    calm, angry = sorted(load_corpus("ravdess", tmp_path), key=lambda clip: clip.gender)
    assert angry == Clip(
        tmp_path / "Actor_01/03-01-05-02-01-01-01.wav",
        "ravdess",
        "en",
        "ravdess-01",
        "male",
        "anger",
        "angry",
        "strong",
        text="Kids are talking by the door",
    )
    assert (calm.emotion, calm.original_label, calm.gender, calm.intensity) == (
        "neutral",
        "calm",
        "female",
        "normal",
    )


def test_emovo(tmp_path):
    lay_out(tmp_path, {"f1/dis-f1-b1.wav": None, "m2/gio-m2-n5.wav": None, "documents/readme.txt": "-"})
    first, second = load_corpus("emovo", tmp_path)
    assert (first.speaker, first.gender, first.emotion, first.language) == ("emovo-f1", "female", "disgust", "it")
    assert (second.speaker, second.gender, second.emotion) == ("emovo-m2", "male", "joy")


def test_emodb(tmp_path):
    lay_out(tmp_path, {"wav/03a01Fa.wav": None, "wav/16b10Lb.wav": None})
    joy, boredom = load_corpus("emodb", tmp_path)
    assert (joy.emotion, joy.gender, joy.speaker) == ("joy", "male", "emodb-03")
    assert (boredom.emotion, boredom.original_label, boredom.gender) == ("unknown", "boredom", "female")


CREMA_D = {
    "AudioWAV/1001_DFA_ANG_XX.wav": None,
    "AudioWAV/1002_IEO_HAP_HI.wav": None,
    "VideoDemographics.csv": '"ActorID","Age","Sex"\n1001,51,"Male"\n1002,21,"Female"\n',
    "processedResults/summaryTable.csv": (
        '"","FileName","VoiceVote","VoiceLevel"\n'
        '"1","1001_DFA_ANG_XX","A:D","60:60"\n"2","1002_IEO_HAP_HI","H","70"\n'
    ),
}


def test_crema_d_with_the_winning_votes(tmp_path):
    clips = by_stem(load_corpus("crema-d", lay_out(tmp_path, CREMA_D)))
    angry, happy = clips["1001_DFA_ANG_XX"], clips["1002_IEO_HAP_HI"]
    assert (angry.emotion, angry.gender, angry.speaker) == ("anger", "male", "crema-d-1001")
    assert angry.votes == {"anger": 0.5, "disgust": 0.5}
    assert (happy.emotion, happy.gender, happy.intensity, happy.votes) == ("joy", "female", "high", {"joy": 1.0})


def test_crema_d_prefers_every_raters_vote_on_the_voice(tmp_path):
    rows = [(1, "A"), (1, "A"), (1, "N"), (1, "D"), (2, "H"), (3, "F")]
    answers = "".join(f'"{q}","1001_DFA_ANG_XX","{letter}"\n' for q, letter in rows)
    files = {**CREMA_D, "finishedResponses.csv": '"queryType","clipName","respEmo"\n' + answers}
    clips = by_stem(load_corpus("crema-d", lay_out(tmp_path, files)))
    assert clips["1001_DFA_ANG_XX"].votes == {"anger": 0.5, "disgust": 0.25, "neutral": 0.25}
    assert clips["1002_IEO_HAP_HI"].votes == {}


def test_crema_d_with_the_sounds_alone(tmp_path):
    clips = load_corpus("crema-d", lay_out(tmp_path, {name: text for name, text in CREMA_D.items() if not text}))
    assert [(clip.gender, clip.votes) for clip in clips] == [("", {}), ("", {})]


def test_crema_d_names_the_line_of_a_wrong_vote(tmp_path):
    files = {**CREMA_D, "finishedResponses.csv": "queryType,clipName,respEmo\n1,1001_DFA_ANG_XX,Q\n"}
    with pytest.raises(ConfigurationError, match=r"finishedResponses\.csv: line 2: 'Q' is no vote"):
        load_corpus("crema-d", lay_out(tmp_path, files))


IEMOCAP = """% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 3.0000, 5.5000]
C-E2:\tNeutral;\t()
C-E3:\tNeutral; Frustration;\t()
C-E4:\tExcited;\t(laughs)
C-F1:\tAnger;\t()
A-E3:\tval 3; act 2; dom  2;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M001\txxx\t[1.0000, 5.0000, 2.0000]
C-E2:\tNeutral state;\t()
C-E3:\tOther;\t(Bored)
"""


def test_iemocap(tmp_path):
    sounds = "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_"
    files = {
        "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt": IEMOCAP,
        "Session1/dialog/EmoEvaluation/._Ses01F_impro01.txt": "\x00",
        f"{sounds}F000.wav": None,
        f"{sounds}M001.wav": None,
    }
    first, second = load_corpus("iemocap", lay_out(tmp_path, files))
    assert first.path == tmp_path / f"{sounds}F000.wav"
    assert (first.emotion, first.speaker, first.gender) == ("neutral", "iemocap-Ses01F", "female")
    assert (first.valence, first.arousal, first.dominance) == (0.375, 0.5, 1.0)
    assert first.duration_s == pytest.approx(1.946, abs=1e-3)
    assert first.votes == {
        "joy": pytest.approx(1 / 3),
        "neutral": pytest.approx(0.5),
        "unknown": pytest.approx(1 / 6),
    }
    assert (second.emotion, second.original_label, second.speaker) == ("unknown", "xxx", "iemocap-Ses01M")
    assert second.votes == {"neutral": 0.5, "unknown": 0.5}


def test_msp_podcast(tmp_path, caplog):
    head = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
    files = {
        "Labels/labels_consensus.csv": head
        + "MSP_1.wav,H,7,4,1,97,Female,Train\n"
        + "MSP_2.wav,C,4,4,4,Unknown,Unknown,Test1\n"
        + "MSP_3.wav,A,4,4,4,98,Male,Train\n",
        "Labels/labels_detailed.csv": "FileName,EmoClass_Major\n"
        "MSP_1.wav,Happy\nMSP_1.wav,Happy\nMSP_1.wav,Other-bothered\nMSP_1.wav,Surprise\n",
        "Audios/MSP_1.wav": None,
        "Audios/MSP_2.wav": None,
    }
    first, second = load_corpus("msp-podcast", lay_out(tmp_path, files))
    assert (first.emotion, first.speaker, first.gender) == ("joy", "msp-podcast-97", "female")
    assert (first.valence, first.arousal, first.dominance) == (0.5, 1.0, 0.0)
    assert first.votes == {"joy": 0.5, "surprise": 0.25, "unknown": 0.25}
    assert (second.emotion, second.speaker, second.gender) == ("unknown", "msp-podcast-unknown", "")
    assert "1 of 3 listed sound files are missing" in caplog.text


def test_emozionalmente(tmp_path):
    files = {
        "metadata/samples.csv": "file_name,actor,emotion_expressed\na.wav,7,joy\nb.wav,8,neutrality\n",
        "metadata/users.csv": "username,gender\n7,f\n8,m\n",
        "metadata/evaluations.csv": "file_name,emotion_recognized\na.wav,joy\na.wav,surprise\n",
        "audio/a.wav": None,
        "audio/b.wav": None,
    }
    first, second = load_corpus("emozionalmente", lay_out(tmp_path, files))
    assert (first.emotion, first.gender, first.votes) == ("joy", "female", {"joy": 0.5, "surprise": 0.5})
    assert (second.emotion, second.speaker, second.votes) == ("neutral", "emozionalmente-8", {})


def test_ai4ser(tmp_path):
    files = {"metadata.csv": "file,speaker,emotion\nx/a.wav,3,rabbia\n", "x/a.wav": None}
    (clip,) = load_corpus("ai4ser", lay_out(tmp_path, files))
    assert (clip.emotion, clip.speaker, clip.language) == ("anger", "ai4ser-3", "it")


def test_a_manifest_of_ours(tmp_path):
    clip = Clip(Path("a.wav"), "mine", "en", "s", "female", "fear", "fear")
    write_manifest([clip], tmp_path / "manifest.csv")
    lay_out(tmp_path, {"a.wav": None})
    assert load_corpus("shared", tmp_path) == [replace(clip, path=tmp_path / "a.wav")]


MANIFEST = """path,corpus,language,speaker,gender,emotion,original_label,intensity,duration_s,text
ravdess/18/03-01-08-02-02-02-18.flac,ravdess,en,ravdess-18,female,surprise,surprised,strong,,Dogs are sitting by the door
ravdess/01/03-01-01-01-01-02-01.flac,ravdess,en,ravdess-01,male,neutral,neutral,normal,,Kids are talking by the door
emovo/m2/tri-m2-n5.flac,emovo,it,emovo-m2,male,sadness,sadness,,,
emovo/f1/dis-f1-l4.flac,emovo,it,emovo-f1,female,disgust,disgust,,,
emodb/14/14b10Wc.flac,emodb,de,emodb-14,female,anger,anger,,,
emodb/03/03a04Lc.flac,emodb,de,emodb-03,male,boredom,boredom,,,
"""  # noqa: E501
"""Rows that were labelled by others than these loaders; the whole list is used where it is here."""


@pytest.mark.parametrize("corpus", ["ravdess", "emovo", "emodb"])
def test_the_loaders_agree_with_labels_made_by_others(corpus, tmp_path):
    manifest = SHARED_SPEECH / "manifest.csv"
    if not manifest.is_file():
        lay_out(tmp_path, {"manifest.csv": MANIFEST})
        manifest = tmp_path / "manifest.csv"
    expected = {clip.path.stem: clip for clip in read_manifest(manifest) if clip.corpus == corpus}
    lay_out(tmp_path / "layout", {str(clip.path): None for clip in expected.values()})
    loaded = by_stem(load_corpus(corpus, tmp_path / "layout"))
    assert loaded.keys() == expected.keys()
    for stem, clip in loaded.items():
        assert replace(clip, path=expected[stem].path, duration_s=expected[stem].duration_s) == expected[stem]


@pytest.mark.parametrize("name", CORPORA)
def test_a_wrong_folder_says_what_was_looked_for(name, tmp_path):
    lay_out(tmp_path, {"holiday/beach.wav": None})
    with pytest.raises(ConfigurationError, match=rf"{name}: nothing found in .*Looked for \S+"):
        load_corpus(name, tmp_path)
    with pytest.raises(ConfigurationError, match="there is no folder"):
        load_corpus(name, tmp_path / "absent")


def test_tables_without_sounds_and_without_columns(tmp_path):
    lay_out(tmp_path, {"metadata.csv": "file,speaker,emotion\na.wav,3,joy\n"})
    with pytest.raises(ConfigurationError, match=r"list no sound file that is there, such as .*a\.wav"):
        load_corpus("ai4ser", tmp_path)
    lay_out(tmp_path, {"metadata.csv": "file,emotion\na.wav,joy\n"})
    with pytest.raises(ConfigurationError, match=r"no column 'speaker'; it has file, emotion"):
        load_corpus("ai4ser", tmp_path)


def test_an_unknown_corpus_lists_the_known_ones(tmp_path):
    with pytest.raises(ConfigurationError, match=r"Known are: ai4ser, .*, shared"):
        load_corpus("savee", tmp_path)


def voted(**votes):
    return Clip(Path("a"), "c", "en", "s", "", "anger", votes=votes)


CLIPS = [voted(anger=0.9, joy=0.1), voted(anger=0.5, joy=0.5), voted(anger=0.2, fear=0.8), voted()]


def test_ambiguous_clips_are_dropped():
    assert filter_by_agreement(CLIPS, 0.6) == [CLIPS[0], CLIPS[3]]
    assert filter_by_agreement(CLIPS, 0.5) == [CLIPS[0], CLIPS[1], CLIPS[3]]
    assert filter_by_agreement(CLIPS, 0.0) == CLIPS


def test_or_softened():
    softened = filter_by_agreement(CLIPS, 0.6, "soften")
    assert softened == [voted(), CLIPS[1], CLIPS[2], CLIPS[3]]
    assert [clip.target()[0] for clip in softened] == pytest.approx([1.0, 0.5, 0.2, 1.0])


def test_wrong_settings_of_the_filter():
    with pytest.raises(ConfigurationError, match=r"within 0\.\.1"):
        filter_by_agreement(CLIPS, 60)
    with pytest.raises(ConfigurationError, match="'drop' or 'soften'"):
        filter_by_agreement(CLIPS, 0.5, "hide")
