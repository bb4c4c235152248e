"""Kinds of measures on the numbers that a paper prints."""

from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from statistics import fmean
from typing import Any

from codetune.base.files import Row
from codetune.papers.measured import NOT_PRINTED, Declared, Measured, measure_each
from codetune.papers.printed import parse_printed
from codetune.study.declared_tables import Value


def stated(_declared: Declared, **places: Any) -> Measured:
    """What the paper says in several places, by the place."""
    shown = "; ".join(f"{place}: {value}" for place, value in places.items())
    return Measured(list(places.values()), shown, "as stated")


def cells(declared: Declared, places: list[Row], times: float = 1) -> Measured:
    """What some places of tables hold, multiplied by a number."""
    found = [declared.number(**place) for place in places]
    values = [None if value is None else times * value for value in found]
    reasons = [declared.table(place["table"]).missing for place in places]
    shown = [reason if value is None else f"{value:g}" for value, reason in zip(values, reasons, strict=True)]
    if None in found:
        shown = list(dict.fromkeys(shown))
    return Measured(values, ", ".join(shown), _names_of(declared, places))


def gain_percent(declared: Declared, of: Row, over: Row) -> Measured:
    """The gain of one place over another, in per cent of the latter."""
    one, other = declared.number(**of), declared.number(**over)
    how = f"{declared.cell(**of)} against {declared.cell(**over)}"
    if one is None or not other:
        return Measured([], "-", how, because=NOT_PRINTED)
    gain = 100 * (one / other - 1)
    return Measured([gain], f"{gain:.1f} %", how)


def implied_base(declared: Declared, of: Row, gain: float) -> Measured:
    """The number over which a place has a gain in per cent."""
    base = (declared.number(**of) or 0.0) / (1 + gain / 100)
    return Measured([base], f"{base:.2f}", f"{declared.cell(**of)} less a gain of {gain} %")


def mean_gain(
    declared: Declared, table: str, method: str, column: str, over_table: str, over: str, models: list[str]
) -> Measured:
    """The mean over models of the gains in per cent of a method over that of another table."""
    missing = [model for model in models if (model, over) not in declared.table(over_table).rows]
    if missing:
        names = ", ".join(map(declared.name_of, missing))
        return Measured([], "-", f"of {len(models)} models; {over} of {names} is missing", because=NOT_PRINTED)
    gains: list[float] = []
    for model in models:
        of = {"table": table, "model": model, "method": method, "column": column}
        gains += gain_percent(declared, of, of | {"table": over_table, "method": over}).values
    return Measured([fmean(gains)], f"{fmean(gains):.1f} %", f"of {len(models)} models")


def multiples(declared: Declared, table: str, test: str, columns: list[str], samples: int) -> Measured:
    """Whether shares of test samples in per cent are whole numbers of samples, as far as they are printed."""
    holds = {}
    for model, method, column, value in _places(declared, table, test, columns):
        printed, half = parse_printed(value)
        nearest = round(printed * samples / 100)
        name = f"{declared.name_of(model)} {method} {declared.name_of(column)} {value}"
        holds[name] = abs(100 * nearest / samples - printed) < 2 * half
    return measure_each(holds, f"multiples of 1 / {samples}, within one unit of the last digit")


def best(
    declared: Declared, table: str, column: str, model: str = "", method: str = "", without: Sequence[str] = ()
) -> Measured:
    """The method with which a model has its highest score, or the model that has it with a method.

    Args:
        declared: The paper.
        table: Name of the table.
        column: Name of its column.
        model: Name of the model whose methods are compared; or
        method: of the method whose models are.
        without: Methods or models that are left out.
    """
    found = {}
    for row in declared.table(table).rows:
        name, given = (row[1], row[0] == model) if model else (row[0], row[1] == method)
        value = declared.number(table=table, model=row[0], method=row[1], column=column) if given else None
        if value is not None and name not in without:
            found[name] = value
    top = max(found, key=lambda name: found[name])
    left_out = f" without {', '.join(without)}" if without else ""
    shown = f"{declared.name_of(top)}, {found[top]:g}"
    return Measured([declared.name_of(top), shown], shown, f"Table {table}{left_out}")


def best_mean(declared: Declared, table: str, method: str, models: list[str]) -> Measured:
    """The model with the highest mean over test sets and metrics."""
    rows = {model: declared.table(table).rows[model, method] or [] for model in models}
    means = {model: fmean(parse_printed(value)[0] for value in row) for model, row in rows.items()}
    ranked = sorted(means, key=lambda model: -means[model])
    shown = "; ".join(f"{declared.name_of(model)} {means[model]:.2f}" for model in ranked[:2])
    return Measured([declared.name_of(ranked[0])], shown, f"means over the columns of Table {table}, highest first")


def wins(
    declared: Declared,
    table: str,
    columns: list[str],
    models: list[str],
    methods: list[str],
    over: list[str],
    over_models: Sequence[str] = (),
    tests: Sequence[str] = (),
    without: Sequence[Row] = (),
) -> Measured:
    """Whether the best of some methods is above the best of others, column by column and model by model.

    Args:
        declared: The paper.
        table: Name of the table.
        columns: Names of its columns.
        models: Of the one side.
        methods: Of the one side.
        over: Methods of the other side.
        over_models: Models of the other side, each of which has to be beaten; by default each model beats itself.
        tests: Names of the test sets; by default all of the table.
        without: Places, by model and method, whose numbers do not count.
    """
    left_out = {(place["model"], place["method"]) for place in without}

    def highest(model: str, among: Sequence[str], test: str, column: str) -> float | None:
        rows = [(model, method) for method in among if (model, method) not in left_out]
        values = [declared.table(table).value_of(*row, test, column) for row in rows]
        return max((parse_printed(value)[0] for value in values if value is not None), default=None)

    holds = {}
    for test, model, column in product(tests or declared.table(table).tests, models, columns):
        for other in over_models or [model]:
            own, rival = highest(model, methods, test, column), highest(other, over, test, column)
            if own is not None and rival is not None:
                against = f"{own:g} against {declared.name_of(other) + ' ' if over_models else ''}{rival:g}"
                holds[f"{declared.name_of(model)} {declared.name_of(column)} {against}"] = own > rival
    sides = f"the best of {', '.join(methods)} against the best of {', '.join(over)}"
    return measure_each(holds, f"Table {table}: {sides}")


def larger(declared: Declared, table: str, column: str, rows: list[Row], than: str) -> Measured:
    """Which rows of a table are larger than every row of a method.

    Args:
        declared: The paper.
        table: Name of the table.
        column: Name of the column of sizes.
        rows: The model and method of each.
        than: Name of the method.
    """
    others = [row for row in declared.table(table).rows if row[1] == than]
    sizes = [declared.number(table=table, model=model, method=than, column=column) or 0.0 for model, _ in others]
    found = [row for row in rows if (declared.number(table=table, **row, column=column) or 0.0) > max(sizes)]
    names = ", ".join(declared.name_of(row["model"]) for row in found)
    return Measured([row in found for row in rows], f"{len(found)} of {len(rows)}: {names or '-'}", f"Table {table}")


def ascending(declared: Declared, table: str, column: str, method: str, models: list[str]) -> Measured:
    """Whether a column rises from each model to the next."""
    values = [declared.number(table=table, model=model, method=method, column=column) or 0.0 for model in models]
    names = [f"{declared.name_of(model)} {value:g}" for model, value in zip(models, values, strict=True)]
    holds = {
        f"{one} before {other}": low < high for (one, low), (other, high) in pairwise(zip(names, values, strict=True))
    }
    return measure_each(holds, f"Table {table}, models by their size")


def low_where_zero(declared: Declared, table: str, test: str, zero: str, column: str) -> Measured:
    """Whether a column is lower where another one is zero than wherever that is not."""
    found = declared.table(table)
    pairs = [
        (parse_printed(one)[0], parse_printed(other)[0])
        for model, method in found.rows
        for one, other in [[found.value_of(model, method, test, name) for name in (zero, column)]]
        if one is not None and other is not None
    ]
    at_zero, elsewhere = ([value for one, value in pairs if (one == 0) == is_zero] for is_zero in (True, False))
    spans = [f"{min(values):g} to {max(values):g}" for values in (at_zero, elsewhere)]
    shown = f"{spans[0]} in {len(at_zero)} places; {spans[1]} elsewhere"
    how = f"Table {table}: {found.columns[column].label} where {found.columns[zero].label} is 0"
    return Measured([value < min(elsewhere) for value in at_zero], shown, how)


def _names_of(declared: Declared, places: Sequence[Row]) -> str:
    return "; ".join(
        f"Table {place['table']}, {declared.name_of(place['model'])} {place['method']}" for place in places
    )


def _places(declared: Declared, table: str, test: str, columns: Sequence[str]) -> Iterator[tuple[str, str, str, Value]]:
    """The places of some columns that hold a number."""
    found = declared.table(table)
    for (model, method), column in product(found.rows, columns):
        value = found.value_of(model, method, test, column)
        if value is not None:
            yield model, method, column, value
