"""Numbers as readers see them: none looks like another one."""

import math

import pandas as pd
import pytest
from codetune.report.cells import format_interval, table_of
from codetune.report.format import digits_of_mean, format_millions, format_number, format_p, format_signed, format_whole

NOTHING = [None, math.nan, pd.NA, math.inf, -math.inf]


@pytest.mark.parametrize("value", NOTHING)
def test_what_is_no_number_is_shown_as_none(value):
    shown = [format_number(value, 4), format_signed(value, 4), format_p(value), format_whole(value)]
    assert [*shown, format_millions(value)] == [None] * 5
    for low, high in ((value, 0.5), (0.5, value)):
        assert format_interval(pd.Series({"x_low": low, "x_high": high}, dtype=object), "x", 4) is None
    assert format_number(0.5, 4, value) == "0.5000"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0.0000"),
        (-0.0, "0.0000"),
        (-0.00001, "0.0000"),
        (0.00001, "0.0000"),
        (0.00005001, "+0.0001"),
        (-0.00005001, "-0.0001"),
        (0.99996, "+1.0000"),
        (-12345.6, "-12,345.6000"),
        (1e22, "+10,000,000,000,000,000,000,000.0000"),
    ],
)
def test_a_difference_has_a_sign_unless_it_rounds_to_zero(value, shown):
    assert format_signed(value, 4) == shown


def test_a_score_that_rounds_to_zero_has_no_sign():
    assert [format_number(value, 2) for value in (-0.001, 0.001, -0.0)] == ["0.00"] * 3
    assert format_number(0.00004, 4, 0.00004) == "0.0000 \u00b1 0.0000"


@pytest.mark.parametrize(
    ("low", "high", "sign", "shown"),
    [
        (0.45, 0.55, "", "0.4500 to 0.5500"),
        (0.0, 0.0, "", "0.0000 to 0.0000"),  # they are the same
        (0.50001, 0.50002, "", "0.50001 to 0.50002"),  # they only round to the same
        (0.00001, 0.05, "+", "+0.00001 to +0.05000"),  # better, and so zero is outside
        (-0.05, -0.000004, "+", "-0.050000 to -0.000004"),
        (-0.05, 0.0, "+", "-0.0500 to 0.0000"),
        (-1e-17, 1e-17, "+", "0.0000 to 0.0000"),  # nothing but the noise of sums
        (0.00001, 0.05, "", "0.0000 to 0.0500"),  # of a score no verdict hangs on zero
    ],
)
def test_the_ends_of_an_interval_look_apart_and_on_their_side_of_zero(low, high, sign, shown):
    assert format_interval(pd.Series({"x_low": low, "x_high": high}), "x", 4, sign) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "< 0.001"), (0.00099999, "< 0.001"), (0.001, "0.001"), (0.0494, "0.049"), (0.9999, "1.000"), (1.0, "1.000")],
)
def test_a_p_value_is_never_zero(value, shown):
    assert format_p(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.00 K"),
        (49_152, "49.15 K"),
        (999_994, "999.99 K"),
        (999_996, "1.00 M"),
        (5_636_096, "5.64 M"),
        (1_235_814_400, "1,235.81 M"),
    ],
)
def test_a_number_of_parameters_has_a_unit_in_which_it_is_seen(value, shown):
    assert format_millions(value) == shown


def test_counts_have_commas():
    assert [format_whole(value) for value in (0, 999, 1000, 2_500_000, 105.0)] == [
        "0",
        "999",
        "1,000",
        "2,500,000",
        "105",
    ]


def test_decimals_of_a_mean_never_exceed_those_of_its_scale_and_grow_with_the_samples():
    for highest, most in ((1, 4), (100, 2)):
        digits = [digits_of_mean(highest, samples) for samples in (1, 2, 25, 26, 2500, 2501, 10**9)]
        assert digits == sorted(digits)
        assert (digits[0], digits[-1]) == (most - 2, most)


def test_whole_numbers_stay_whole_beside_empty_cells():
    table = table_of([{"a": 1, "b": 0.5, "c": "x", "d": None}, {"a": None, "b": None, "c": None, "d": None}])
    assert [str(table[name].dtype) for name in ("a", "b")] == ["Int64", "float64"]
    assert table.to_csv(index=False).splitlines() == ["a,b,c,d", "1,0.5,x,", ",,,"]
    assert list(table_of([{"a": 10**15}])["a"]) == [10**15]
