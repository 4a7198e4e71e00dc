"""Training of the models that read words (extra ``train``): ``emotionlayer train-text``.

English: the first layers of a small sentence encoder, the last two of them trained further on GoEmotions (seven
emotions) and EmoBank (valence, arousal, dominance). Italian: a linear model over words and pieces of words, taught
by EmoITA, the translation of EmoBank, and by what the English model says of the same sentences.
"""
