"""Which texts are an opt-out: a whole text of one word, in any case, with anything around it that is no letter or digit."""

import pytest

from clarion.core.opt_out import opt_out_word


@pytest.mark.parametrize(
    ("text", "word"),
    [
        *((word, word) for word in ("STOP", "STOPALL", "UNSUBSCRIBE", "END", "QUIT", "CANCEL", "START", "UNSTOP")),
        ("stop", "STOP"),
        ("Stop.", "STOP"),
        ("  sToP !!\r\n", "STOP"),
        ('"STOP"', "STOP"),
        ("*stop*_", "STOP"),
        ("¡stop!", "STOP"),
        ("STOP 🙏", "STOP"),
        ("(start)", "START"),
        ("stop it", None),
        ("please stop", None),
        ("STOP ALL", None),
        ("S.T.O.P", None),
        ("stopp", None),
        ("STOP 2", None),
        ("STOP2", None),
        ("HELP", None),
        ("YES", None),
        ("", None),
        ("...", None),
        ("стоп", None),
        ("don't stop", None),
        ("." * 100_000, None),
    ],
)
def test_the_whole_text_is_the_word(text: str, word: str | None) -> None:
    assert opt_out_word(text) == word
