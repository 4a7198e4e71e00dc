"""Language models behind OpenAI-compatible endpoints: what is asked and answered, whatever is in the messages."""

from emotionlayer_rasa.response.llm.client import LLMClient, LLMUsage
from emotionlayer_rasa.response.llm.settings import LLMSettings, read_llm_settings

__all__ = ["LLMClient", "LLMSettings", "LLMUsage", "read_llm_settings"]
