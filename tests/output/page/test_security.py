from __future__ import annotations

import pytest

from lth_bench.output.page.security import inline, map_style_id, policy


def test_policy_names_the_hash_of_each_piece_of_code() -> None:
    # echo -n 'alert(1)' | openssl dgst -sha256 -binary | base64
    alert = "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='"
    # the empty sheet that plotly fills by itself
    nothing = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    found = dict(part.split(" ", 1) for part in policy(["alert(1)"], []).split("; "))
    assert found["default-src"] == "'none'"
    assert found["script-src"] == alert
    assert found["style-src-elem"] == nothing
    assert found["base-uri"] == found["form-action"] == "'none'"
    assert not {"connect-src", "font-src", "frame-src"} & set(found)


def test_line_ends_are_normalised_before_hashing() -> None:
    assert inline("a\r\nb\rc") == "a\nb\nc"


@pytest.mark.parametrize("code", ["x = '</script>'", "</SCRIPT >", "</style>", "<!-- x"])
def test_code_that_would_end_its_element_is_refused(code: str) -> None:
    with pytest.raises(AssertionError):
        inline(code)


def test_the_style_element_of_maps_is_found() -> None:
    from plotly.offline import get_plotlyjs

    style_id = map_style_id(get_plotlyjs())
    assert style_id == "" or len(style_id) == 64
    assert map_style_id("nothing") == ""
