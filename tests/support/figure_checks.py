"""What holds of every page of every figure: its size, nothing cut off or covered, and no two systems alike."""

from itertools import combinations

import matplotlib as mpl
from codetune.report.sheet import COLUMN, FULL, PAGE, SMALL, STYLE
from codetune.report.shown import show
from matplotlib.colors import to_hex
from matplotlib.text import Text

SLACK = 1.5  # pixels, of 100 per inch


def draw_pages(figure, draw, records, comparisons=(), metric="rouge_l"):
    """Draws the pages of a figure and gives them back by their names instead of writing them."""
    pages = {}
    with mpl.rc_context(STYLE):
        for name, shown in show(figure, records, comparisons, metric).items():
            pages[name] = draw(shown)
            pages[name].draw_without_rendering()
    return pages


def check_page(figure):
    """Checks a drawn page."""
    width, height = figure.get_size_inches()
    assert width in (COLUMN, FULL)
    assert 0.5 < height <= PAGE
    box = figure.get_tightbbox()
    assert box.x0 >= -SLACK / 100
    assert box.y0 >= -SLACK / 100
    assert box.x1 <= width + SLACK / 100
    assert box.y1 <= height + SLACK / 100
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    assert min(text.get_fontsize() for text in texts) >= SMALL
    _check_texts(texts, figure)
    # Measured once each: to measure a panel takes as long as to lay it out.
    panels = [(axis, axis.get_tightbbox()) for axis in figure.axes if axis.get_visible()]
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert not any(box.overlaps(panel) for _, panel in panels)
    for (one, panel), (other, beside) in combinations(panels, 2):
        assert not _overlap(panel, beside) or one.bbox.bounds == other.bbox.bounds
    for axis, _ in panels:
        assert min(axis.bbox.width, axis.bbox.height) > 20
        looks = looks_in(axis)
        assert len(set(looks.values())) == len(looks), f"two systems look alike: {looks}"


def looks_in(axis):
    """The look of each named line of a panel: colour, marker, line, filling."""
    named = [line for line in axis.lines if not line.get_label().startswith("_")]
    return {
        line.get_label(): (
            to_hex(line.get_color()),
            line.get_marker(),
            str(line.get_linestyle()) + str(line._unscaled_dash_pattern),
            to_hex(line.get_markerfacecolor()),
            line.get_fillstyle(),
        )
        for line in named
    }


def _check_texts(texts, figure):
    """No text lies on another or outside the sheet."""
    hidden = _out_of_view(figure)
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if id(text) not in hidden]
    for name, box in boxes:
        assert box.x0 >= -SLACK, name
        assert box.x1 <= figure.bbox.width + SLACK, name
        assert box.y0 >= -SLACK, name
        assert box.y1 <= figure.bbox.height + SLACK, name
    for (name, one), (other, two) in combinations(boxes, 2):
        assert not _overlap(one, two), f"{name!r} lies on {other!r}"


def _out_of_view(figure):
    """Labels of ticks outside of the limits of their axis, which are not drawn."""
    found = set()
    for which in (which for axis in figure.axes for which in (axis.xaxis, axis.yaxis)):
        low, high = sorted(which.get_view_interval())
        for tick in (*which.get_major_ticks(), *which.get_minor_ticks()):
            if not low <= tick.get_loc() <= high:
                found |= {id(tick.label1), id(tick.label2)}
    return found


def _overlap(one, other):
    """Whether two boxes have more in common than rounding explains."""
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return width > SLACK and height > SLACK
