"""Settings are loud when wrong, and the README documents each of them."""

from pathlib import Path

import pytest

from agent.errors import SetupError
from agent.settings import Settings, load_settings

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_the_readme_documents_every_setting(name: str) -> None:
    field = Settings.model_fields[name]
    assert f"`FRONTDESK_{name.upper()}`" in README.read_text()
    assert field.description
    assert field.description in README.read_text()


def test_a_wrong_value_is_named_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_PORT", "secret-port")
    with pytest.raises(SetupError, match="FRONTDESK_PORT") as caught:
        load_settings()
    assert "secret-port" not in str(caught.value)


def test_an_unknown_time_zone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_TIME_ZONE", "Middle/Earth")
    with pytest.raises(SetupError, match="FRONTDESK_TIME_ZONE"):
        load_settings()


def test_origins_are_a_comma_separated_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_WIDGET_ORIGINS", "https://a.example/, https://b.example")
    assert load_settings().widget_origins == ("https://a.example", "https://b.example")
