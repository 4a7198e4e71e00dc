import pytest

from emotionlayer_rasa.errors import ConfigurationError
from emotionlayer_rasa.settings import Settings, pydantic, read_settings


class Inner(Settings):
    size: int = pydantic.Field(1, ge=1)


class Outer(Settings):
    name: str = "a"
    inner: Inner = Inner()


def test_defaults_need_no_values():
    assert read_settings(Outer, None, "file") == Outer()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"nam": "b"}, "'nam' is no known key (known here: name, inner)"),
        ({"inner": {"siz": 2}}, "'inner.siz' is no known key (known here: size)"),
        ({"inner": {"size": 0}}, "'inner.size': ensure this value is greater than or equal to 1"),
        (["name"], "expected keys and values, got list"),
    ],
)
def test_wrong_keys_and_values_are_named(values, said):
    with pytest.raises(ConfigurationError) as error:
        read_settings(Outer, values, "credentials.yml: voice")
    assert str(error.value).startswith("credentials.yml: voice: ")
    assert said in str(error.value)
