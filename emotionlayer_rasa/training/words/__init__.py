"""Training of the reader of words (extra ``train``): ``emotionlayer train-text``.

multilingual-e5-small, cut to the pieces that six languages need, is trained on what callers say (``data/``), on
GoEmotions (seven emotions), EmoBank and EmoITA (valence, arousal, dominance), and on texts that it must not read.
"""
