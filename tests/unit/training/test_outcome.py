"""What is said of a training that came to its end but taught the model nothing, or has diverged."""

import math

import pytest
from codetune.training.history import log_rows
from codetune.training.outcome import problem_of, untrained_loss

NAN, INF = math.nan, math.inf


def history(evaluations, losses, norms=None):
    """The library's log: an evaluation before the first step and after each second one."""
    rows = [{"step": 0, "eval_loss": evaluations[0]}]
    for step, loss in enumerate(losses, start=1):
        rows.append({"step": step, "loss": loss, "grad_norm": (norms or [1.0] * len(losses))[step - 1]})
        if step % 2 == 0:
            rows.append({"step": step, "eval_loss": evaluations[step // 2]})
    return [*rows, {"step": len(losses), "train_runtime": 3.0, "train_loss": NAN}]  # the library's own summary


LOWER = [3.0, 2.0, 1.0]
FALLING = [3.0, 2.5, 2.0, 1.5]
BUT_FIRST = "best validation loss {}, not below the untrained model's 3"

CASES = {
    "as it should be": (LOWER, FALLING, None, None),
    "best in the middle": ([3.0, 2.0, 9.0], [3.0, 2.5, 8.0, 9.0], None, None),
    "a huge loss in the end": ([3.0, 2.0, 1e300], [3.0, 2.5, 1e300, 1e300], None, None),
    "worse than untrained": ([3.0, 5.0, 4.0], FALLING, None, BUT_FIRST.format(4)),
    "equal to the untrained": ([3.0, 3.0, 3.0], [3.0] * 4, None, BUT_FIRST.format(3)),
    "worse, then NaN": (
        [3.0, 5.0, NAN],
        [3.0, 5.0, NAN, NAN],
        [1.0, 9.0, NAN, NAN],
        f"{BUT_FIRST.format(5)}; training loss not finite 2 of 4 times, first at step 3; gradient norm not finite 2 of "
        "4 times, first at step 3; validation loss not finite 1 of 3 times, first at step 4",
    ),
    "better, then NaN": (
        [3.0, 2.0, NAN],
        [3.0, 2.5, 2.0, 1.5],
        None,
        "validation loss not finite 1 of 3 times, first at step 4",
    ),
    "a NaN that passes": (
        [3.0, NAN, 1.0],
        [3.0, NAN, 2.0, 1.5],
        None,
        "training loss not finite 1 of 4 times, first at step 2; validation loss not finite 1 of 3 times, first at "
        "step 2",
    ),
    "a gradient that overflows": (
        LOWER,
        FALLING,
        [1.0, 1.0, 1.0, INF],
        "gradient norm not finite 1 of 4 times, first at step 4",
    ),
    "only the training loss": (
        LOWER,
        [3.0, -INF, NAN, INF],
        None,
        "training loss not finite 3 of 4 times, first at step 2",
    ),
    "the untrained model's": (
        [NAN, 2.0, 1.0],
        FALLING,
        None,
        "validation loss not finite 1 of 3 times, first at step 0",
    ),
}


@pytest.mark.parametrize(("evaluations", "losses", "norms", "expected"), CASES.values(), ids=CASES)
def test_what_a_reader_of_the_scores_has_to_know_is_said(evaluations, losses, norms, expected):
    best = min(value for value in evaluations[1:] if math.isfinite(value))
    assert problem_of(history(evaluations, losses, norms), best) == expected


def test_the_untrained_model_s_loss_is_that_before_the_first_step():
    assert untrained_loss(history(LOWER, FALLING)) == 3.0
    assert untrained_loss(history([INF, 2.0, 1.0], FALLING)) is None
    assert untrained_loss([]) is None


def test_the_log_has_null_for_what_is_no_finite_number():
    rows = log_rows(history([3.0, NAN, 1.0], [INF, NAN, 2.0, 1.5], [NAN, -INF, 1.0, 1.0]))
    assert [row.get("loss", "-") for row in rows] == ["-", None, None, "-", 2.0, 1.5, "-"]
    assert [row.get("grad_norm", "-") for row in rows] == ["-", None, None, "-", 1.0, 1.0, "-"]
    assert [row.get("eval_loss", "-") for row in rows] == [3.0, "-", "-", None, "-", "-", 1.0]
