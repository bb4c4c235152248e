"""The fault campaign in small: `make faults` is the same at length."""

from faults import campaign


def test_a_study_that_is_killed_again_and_again_ends_with_the_same_bytes(tmp_path):
    summary = campaign(tmp_path / "faults", kills=6, seed=3, longest=14.0, models=1)
    print(summary)
    assert "6 faults" in summary
    assert "equal the undisturbed study's, byte for byte" in summary
