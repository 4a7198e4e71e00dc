import numpy as np
import pytest

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.evaluation.voice import (
    Clip,
    check_disjoint,
    read_manifest,
    split_by_speaker,
    write_manifest,
)
from emotionlayer_rasa.taxonomy import EMOTIONS

HEAD = "path,corpus,language,speaker,gender,emotion"
GOOD = "a.wav,mine,en,s1,female,Angry"


def write(tmp_path, *lines):
    path = tmp_path / "m.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def make_clips(corpus="mine", speakers=10, each=14, emotions=EMOTIONS):
    return [
        Clip(f"{corpus}/{s}-{n}.wav", corpus, "en", f"s{s}", "female", emotions[n % len(emotions)])
        for s in range(speakers)
        for n in range(each)
    ]


def test_labels_become_canonical_and_the_original_stays(tmp_path):
    first, second = read_manifest(write(tmp_path, HEAD, GOOD, "b.wav,mine,de,s2,,boredom"))
    assert (first.emotion, first.original_label, first.speaker_key) == ("anger", "Angry", ("mine", "s1"))
    assert (second.emotion, second.original_label, second.valence) == ("unknown", "boredom", None)


def test_what_is_written_is_read_back(tmp_path):
    clips = [
        *make_clips(speakers=2, each=2),
        Clip(
            "x, y.wav", "other", "it", "s9", "male", "joy", "gioia", "strong", 1.25, 'he said "no"\nand left',
            0.25, 0.5, 1.0, {"joy": 0.75, "unknown": 0.25},
        ),
    ]  # fmt: skip
    clips = [Clip(**{**vars(clip), "path": tmp_path / clip.path}) for clip in clips]
    write_manifest(clips, tmp_path / "out.csv")
    back = read_manifest(tmp_path / "out.csv")
    expected = [Clip(**{**vars(c), "original_label": c.original_label or c.emotion}) for c in clips]
    assert back == expected


def test_a_byte_order_mark_and_other_columns_do_no_harm(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text(f"{HEAD},mood\n{GOOD},so so\n", encoding="utf-8-sig")
    assert read_manifest(path)[0].speaker == "s1"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["path,corpus,language,speaker,emotion", "a,b,c,d,joy"], r"line 1: no column 'gender'"),
        ([HEAD, GOOD, "b.wav,mine,en,s1,,grumpy"], r"line 3: column 'emotion': 'grumpy' is no known emotion"),
        ([HEAD, "a.wav,mine,en,,female,joy"], r"line 2: column 'speaker' is empty"),
        ([HEAD + ",valence", GOOD + ",1.5"], r"line 2: column 'valence': '1.5' is no number within 0..1"),
        ([HEAD + ",arousal", GOOD + ",nan"], r"column 'arousal': 'nan' is no number"),
        ([HEAD + ",duration_s", GOOD + ",inf"], r"column 'duration_s': 'inf' is no number within 0 or more"),
        ([HEAD + ",votes_joy", GOOD + ",0.5"], r"line 2: .* sum to 0.500"),
        (
            [HEAD + ",votes", GOOD + ",6/2/0"],
            r"line 2: column 'votes': '6/2/0' does not count anger/disgust/fear/",
        ),
        ([HEAD + ",votes", GOOD + ",1/0/0/-1/0/0"], r"line 2: column 'votes'"),
        ([HEAD + ",votes", GOOD + ",a/0/0/0/0/0"], r"line 2: column 'votes'"),
        ([HEAD + ",votes_grumpy", GOOD + ",1"], r"column 'votes_grumpy': 'grumpy' is no known emotion"),
        ([HEAD], r"lists no clip"),
    ],
)
def test_errors_name_line_and_column(tmp_path, lines, message):
    with pytest.raises(ConfigurationError, match=message):
        read_manifest(write(tmp_path, *lines))


def test_votes_may_be_counted_in_one_column(tmp_path):
    rows = [f"{GOOD},{votes}" for votes in ("6/2/0/0/1/1", " 0 / 0/0/3/0/0 ", "", "0/0/0/0/0/0")]
    some, one, nobody, none = read_manifest(write(tmp_path, HEAD + ",votes", *rows))
    assert {name: share for name, share in some.votes.items() if share} == pytest.approx(
        {"anger": 0.6, "disgust": 0.2, "neutral": 0.1, "sadness": 0.1}
    )
    np.testing.assert_allclose(some.target(), [0.6, 0.2, 0, 0, 0.1, 0.1, 0], rtol=1e-6)
    assert one.target().tolist() == [0, 0, 0, 1, 0, 0, 0]
    assert (nobody.votes, none.votes) == ({}, {})
    assert nobody.target().tolist() == [1, 0, 0, 0, 0, 0, 0]


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(ConfigurationError, match="No such file"):
        read_manifest(tmp_path / "absent.csv")
    (tmp_path / "sound.csv").write_bytes(b"RIFF\xff\xfe\x00\x80")
    with pytest.raises(ConfigurationError, match="not a CSV file"):
        read_manifest(tmp_path / "sound.csv")


def test_targets_are_votes_then_label_then_nothing():
    voted, labelled, outside = (
        Clip("a", "c", "en", "s", "", "anger", votes={"anger": 0.5, "joy": 0.25, "unknown": 0.25}),
        Clip("a", "c", "en", "s", "", "fear"),
        Clip("a", "c", "en", "s", "", "unknown"),
    )
    np.testing.assert_allclose(voted.target(), [2 / 3, 0, 0, 1 / 3, 0, 0, 0], rtol=1e-6)
    np.testing.assert_array_equal(labelled.target(), [0, 0, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(outside.target(), np.zeros(7))


def test_splits_keep_speakers_together_and_are_repeatable():
    clips = make_clips() + make_clips("other", speakers=4)
    shares = {"train": 0.6, "dev": 0.2, "test": 0.2}
    parts = split_by_speaker(clips, shares, seed=3)
    check_disjoint(parts)
    assert sorted(id(clip) for part in parts.values() for clip in part) == sorted(map(id, clips))
    assert {name: len({c.speaker for c in part if c.corpus == "mine"}) for name, part in parts.items()} == {
        "train": 6,
        "dev": 2,
        "test": 2,
    }
    assert all(any(clip.corpus == "other" for clip in part) for part in parts.values())
    again = split_by_speaker(list(reversed(clips)), shares, seed=3)
    assert {c.speaker_key for c in again["test"]} == {c.speaker_key for c in parts["test"]}
    others = {frozenset(c.speaker_key for c in split_by_speaker(clips, shares, seed)["test"]) for seed in range(8)}
    assert len(others) > 1


def test_a_corpus_is_split_alike_whatever_stands_beside_it():
    alone = split_by_speaker(make_clips(), {"train": 0.5, "test": 0.5})
    beside = split_by_speaker(make_clips() + make_clips("other"), {"train": 0.5, "test": 0.5})
    assert alone["test"] == [clip for clip in beside["test"] if clip.corpus == "mine"]


def test_splits_balance_emotions_that_speakers_do_not_share():
    clips = [Clip(f"{s}", "c", "ur", f"s{s}", "", EMOTIONS[s % 2]) for s in range(8)]
    parts = split_by_speaker(clips, {"train": 0.5, "test": 0.5})
    assert sorted(c.emotion for c in parts["test"]) == ["anger"] * 2 + ["disgust"] * 2


@pytest.mark.parametrize("shares", [{}, {"train": 0.5}, {"train": 1.2, "test": -0.2}])
def test_shares_must_sum_to_one(shares):
    with pytest.raises(ConfigurationError, match="sum to 1"):
        split_by_speaker(make_clips(), shares)


def test_a_leak_is_an_error_and_names_the_speaker():
    clips = make_clips(speakers=3)
    with pytest.raises(ConfigurationError, match=r"1 speakers are in two parts: mine/s1 \(train and test\)"):
        check_disjoint({"train": clips[:20], "test": clips[20:]})
    check_disjoint({"train": clips[:14], "test": make_clips("other", speakers=1)})
