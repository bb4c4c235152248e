"""The stamp of a rehearsal is on each kind of output, and a study that is none has nothing of it."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from codetune.base.rehearsal import is_rehearsal, rehearsing
from codetune.report import stamp

TABLE = pd.DataFrame({"score": [0.5]})
PAGE = "<html><head><title>x</title></head><body><h1>x</h1></body></html>"
MADE = {
    "title": lambda: stamp.stamped("Table 2"),
    "document": lambda: "\n".join(stamp.stamped_sections(["# Heading", "Text"])),
    "print": lambda: stamp.stamp_of_pages() or "nothing",
    "numbers": lambda: str(stamp.stamped_numbers({"score": 0.5})),
    "macros": lambda: stamp.stamped_macros("\\newcommand{\\x}{1}"),
    "page": lambda: stamp.stamped_page(PAGE),
    "figure's file": lambda: str(stamp.figure_metadata("svg")),
}


@pytest.mark.parametrize("kind", MADE)
def test_only_a_rehearsal_s_outputs_are_stamped(kind):
    plain = MADE[kind]()
    assert "SYNTHETIC" not in plain
    with rehearsing({"rehearsal": True}):
        assert stamp.STAMP in MADE[kind]()
    with rehearsing({"rehearsal": False}):
        assert MADE[kind]() == plain
    assert MADE[kind]() == plain


def test_a_table_for_programs_says_it_in_a_column():
    assert list(stamp.stamped_table(TABLE)) == ["score"]
    with rehearsing({"rehearsal": True}):
        assert stamp.stamped_table(TABLE)[stamp.COLUMN].tolist() == [True]
    assert list(TABLE) == ["score"]


def test_a_figure_has_it_across():
    figure = plt.figure(figsize=(3.5, 2))
    stamp.stamp_figure(figure)
    assert not figure.texts
    with rehearsing({"rehearsal": True}):
        stamp.stamp_figure(figure)
    assert [text.get_text() for text in figure.texts] == [stamp.WORD]
    box, page = figure.texts[0].get_window_extent(), figure.bbox
    assert box.x0 >= page.x0 and box.x1 <= page.x1, (box, page)
    plt.close(figure)


def test_the_stamp_of_a_page_is_the_first_thing_in_its_body():
    with rehearsing({"rehearsal": True}):
        page = stamp.stamped_page(PAGE)
    assert page.index(stamp.STAMP) < page.index("<h1>")
    assert page.index("<style>") < page.index("</head>")


def test_what_is_said_last_is_in_force():
    with rehearsing({"rehearsal": True}):
        with rehearsing({}):
            assert not is_rehearsal()
        assert is_rehearsal()
    assert not is_rehearsal()
