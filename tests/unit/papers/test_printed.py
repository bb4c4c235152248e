"""Numbers as the paper prints them, and the levels of NF4."""

import math

import pytest
from codetune.papers.levels import nf4_levels
from codetune.papers.printed import format_seeds, format_size, parse_printed, rounds_to


@pytest.mark.parametrize(
    ("printed", "inside", "outside"),
    [
        ("11.3M", 11.26e6, 11.24e6),
        ("7M", 7.49e6, 7.51e6),
        ("4K", 3500, 3499),
        (750, 750, 751),
        (0.54, 0.5351, 0.5349),
        (54, 53.6, 53.4),
        ("-4", -4.4, -4.6),
        ("20K", 20022, 20600),
    ],
)
def test_a_value_agrees_if_it_rounds_to_what_is_printed(printed, inside, outside):
    assert rounds_to(printed, inside)
    assert not rounds_to(printed, outside)
    assert not rounds_to(printed, math.inf)


def test_what_is_no_printed_number_is_refused():
    assert parse_printed("3.21B") == (pytest.approx(3.21e9), pytest.approx(5e6))
    with pytest.raises(ValueError, match="not a printed number: 3,2"):
        parse_printed("3,2")


def test_a_size_is_shown_in_a_unit_in_which_it_has_digits():
    sizes = {49_152: "49.15 K", 999_994: "999.99 K", 999_999: "1.00 M", 11_272_192: "11.27 M", 1.2358e9: "1.24 B"}
    assert {size: format_size(size) for size in sizes} == sizes
    assert [format_seeds(1), format_seeds(3)] == ["1 seed", "3 seeds"]


def test_nf4_s_levels_are_bitsandbytes():
    from bitsandbytes.functional import get_4bit_type

    expected = get_4bit_type("nf4", device="cpu").tolist()
    assert nf4_levels() == pytest.approx(expected, abs=1e-6)
