"""Customers' languages are told apart by a few words."""

import pytest

from agent.policy.language import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Can I bring my dog?", "en"),
        ("Was kostet es, wenn ich meinen Hund mitbringe?", "de"),
        ("Wie hoch ist die Gebühr für Haustiere?", "de"),
        ("Est-ce que je peux annuler ma réservation ?", "fr"),
        ("Combien coûte un chien ?", "fr"),
        ("¿Puedo cancelar mi reserva?", "es"),
        ("¿Cuánto cuesta un perro por noche?", "es"),
        ("我可以带狗吗?", "zh"),
        ("How much does the hotel Le Grand in Paris cost?", "en"),
        ("Check-in", None),
        ("35 EUR?", None),
        ("No", None),
    ],
)
def test_by_its_commonest_words(text: str, language: str | None) -> None:
    assert language_of(text) == language
