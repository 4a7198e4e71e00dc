"""Training of the emotion model (extra ``train``): data to an ONNX file, split by speaker.

The entry is :func:`emotionlayer_rasa.training.train.train`. :mod:`emotionlayer_rasa.training.corpora`, which reads
corpora into manifests, works without the extra.
"""
