"""An NLG server for Rasa: the responses of ``domain.yml``, said in the tone of the moment."""

from emotionlayer_rasa.nlg.generator import ResponseGenerator
from emotionlayer_rasa.nlg.server import create_app, serve

__all__ = ["ResponseGenerator", "create_app", "serve"]
