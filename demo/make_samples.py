"""Generates a data set in CodeAlpaca's format: varied instruction-code pairs in seven languages, from a seed.

Usage: python demo/make_samples.py OUTPUT.json [--count N] [--seed S] [--clean]

The data set is clean-room: templates and word lists below, nothing taken from CodeAlpaca. A few records have the flaws
of the real one (an empty output, a spelled-out "noinput", a request asked twice), so that the cleaning has work to do.
"""

import argparse
import json
import random
from collections.abc import Callable
from pathlib import Path

NOUNS = (
    "price name score city color user item age total count title email weight level status country order product "
    "message player amount speed width height salary grade token index value node"
).split()
TABLES = ("customers orders products employees students books movies flights invoices teams").split()
TAGS = ("h1 h2 p div span li section strong em article").split()
COLORS = ("red blue green orange purple black white gray teal navy").split()
WORDS = ("hello world code data cloud river stone light apple paper green music north table winter orbit").split()
FILES = ("data.txt log.csv notes.md users.json report.txt image.png").split()
OPS = (
    ("sum", "+", "the sum of"),
    ("product", "*", "the product of"),
    ("difference", "-", "the difference between"),
)

Pair = tuple[str, str, str]  # instruction, input, output


def _args(rng: random.Random) -> tuple[str, str]:
    first, second = rng.sample(NOUNS, 2)
    return first, second


def _numbers(rng: random.Random) -> list[int]:
    return [rng.randint(1, 99) for _ in range(rng.randint(3, 6))]


def python_arithmetic(rng: random.Random) -> Pair:
    a, b = _args(rng)
    name, op, words = rng.choice(OPS)
    verb = rng.choice(["Write a Python function to compute", "Create a Python function that returns"])
    return f"{verb} {words} {a} and {b}.", "", f"def {name}_of({a}, {b}):\n    return {a} {op} {b}"


def python_filter(rng: random.Random) -> Pair:
    noun, limit = rng.choice(NOUNS), rng.randint(2, 80)
    side, op = rng.choice([("greater", ">"), ("smaller", "<")])
    return (
        f"Write Python code to keep the values of a list of {noun}s that are {side} than {limit}.",
        "",
        f"{noun}s = [{noun} for {noun} in {noun}s if {noun} {op} {limit}]",
    )


def python_class(rng: random.Random) -> Pair:
    a, b = _args(rng)
    table = rng.choice(TABLES)
    name = table.rstrip("s").capitalize()
    return (
        f"Create a Python class {name} with the attributes {a} and {b}.",
        "",
        f"class {name}:\n    def __init__(self, {a}, {b}):\n        self.{a} = {a}\n        self.{b} = {b}",
    )


def python_list(rng: random.Random) -> Pair:
    numbers = _numbers(rng)
    word, call = rng.choice(
        [("largest", "max"), ("smallest", "min"), ("sum of all", "sum"), ("number of", "len"), ("sorted", "sorted")]
    )
    return f"Write a Python program to print the {word} elements.", str(numbers), f"print({call}({numbers}))"


def python_loop(rng: random.Random) -> Pair:
    start = rng.randint(1, 20)
    stop, noun = start + rng.randint(2, 50), rng.choice(NOUNS)
    return (
        f"Write a for loop in Python that prints each {noun} from {start} to {stop}.",
        "",
        f"for {noun} in range({start}, {stop + 1}):\n    print({noun})",
    )


def python_file(rng: random.Random) -> Pair:
    file, noun = rng.choice(FILES), rng.choice(NOUNS)
    return (
        f"Read the file {file} in Python and print every {noun}, one a line.",
        "",
        f'with open("{file}") as file:\n    for {noun} in file:\n        print({noun}.strip())',
    )


def javascript_arrow(rng: random.Random) -> Pair:
    a, b = _args(rng)
    name, op, words = rng.choice(OPS)
    return (
        f"Write a JavaScript arrow function for {words} {a} and {b}.",
        "",
        f"const {name} = ({a}, {b}) => {a} {op} {b};",
    )


def javascript_map(rng: random.Random) -> Pair:
    noun, factor = rng.choice(NOUNS), rng.randint(2, 12)
    return (
        f"Multiply every {noun} of an array by {factor} in JavaScript.",
        str(_numbers(rng)),
        f"const result = {noun}s.map({noun} => {noun} * {factor});\nconsole.log(result);",
    )


def javascript_event(rng: random.Random) -> Pair:
    noun, color = rng.choice(NOUNS), rng.choice(COLORS)
    return (
        f"Use JavaScript to turn the element with the id {noun} {color} when it is clicked.",
        "",
        f'document.getElementById("{noun}").addEventListener("click", function() {{\n'
        f'    this.style.color = "{color}";\n}});',
    )


def sql_select(rng: random.Random) -> Pair:
    a, b = _args(rng)
    table, limit = rng.choice(TABLES), rng.randint(5, 500)
    side, op = rng.choice([("above", ">"), ("below", "<"), ("equal to", "=")])
    return (
        f"Write a SQL query to select the {a} of all {table} with a {b} {side} {limit}.",
        "",
        f"SELECT {a} FROM {table} WHERE {b} {op} {limit};",
    )


def sql_group(rng: random.Random) -> Pair:
    a, b = _args(rng)
    table = rng.choice(TABLES)
    word, call = rng.choice([("average", "AVG"), ("highest", "MAX"), ("lowest", "MIN"), ("total", "SUM")])
    return (
        f"Construct a SQL query for the {word} {a} of the {table} for each {b}.",
        "",
        f"SELECT {b}, {call}({a}) FROM {table} GROUP BY {b};",
    )


def sql_update(rng: random.Random) -> Pair:
    a, b = _args(rng)
    table, old, new = rng.choice(TABLES), rng.randint(1, 90), rng.randint(1, 90)
    return (
        f"Set the {a} to {new} in the table {table} where the {b} is {old}, in SQL.",
        "",
        f"UPDATE {table} SET {a} = {new} WHERE {b} = {old};",
    )


def html_element(rng: random.Random) -> Pair:
    tag, noun, words = rng.choice(TAGS), rng.choice(NOUNS), " ".join(rng.sample(WORDS, 2))
    return (
        f"Create an HTML {tag} element of the class {noun} with this text.",
        words,
        f'<{tag} class="{noun}">{words}</{tag}>',
    )


def html_list(rng: random.Random) -> Pair:
    words = rng.sample(WORDS, rng.randint(2, 4))
    items = "\n".join(f"  <li>{word}</li>" for word in words)
    return "Write an HTML list with these items.", ", ".join(words), f"<ul>\n{items}\n</ul>"


def css_rule(rng: random.Random) -> Pair:
    tag, color, size = rng.choice(TAGS), rng.choice(COLORS), rng.randint(8, 48)
    return (
        f"Write a CSS rule that makes every {tag} {color} with a font size of {size} pixels.",
        "",
        f"{tag} {{\n  color: {color};\n  font-size: {size}px;\n}}",
    )


def java_method(rng: random.Random) -> Pair:
    a, b = _args(rng)
    name, op, words = rng.choice(OPS)
    return (
        f"Write a Java method that returns {words} {a} and {b}.",
        "",
        f"public static int {name}(int {a}, int {b}) {{\n    return {a} {op} {b};\n}}",
    )


def java_print(rng: random.Random) -> Pair:
    words = " ".join(rng.sample(WORDS, rng.randint(2, 3)))
    return "Print the given text in Java.", words, f'System.out.println("{words}");'


def cpp_loop(rng: random.Random) -> Pair:
    noun, stop = rng.choice(NOUNS), rng.randint(3, 90)
    return (
        f"Write a C++ for loop that prints the {noun} from 0 to {stop - 1}.",
        "",
        f"for (int {noun} = 0; {noun} < {stop}; {noun}++) {{\n    std::cout << {noun} << std::endl;\n}}",
    )


def shell_command(rng: random.Random) -> Pair:
    file, word = rng.choice(FILES), rng.choice(WORDS)
    request, command = rng.choice(
        [
            (f"count the lines of {file} that hold the word {word}", f'grep -c "{word}" {file}'),
            (f"print the lines of {file} without the word {word}", f'grep -v "{word}" {file}'),
            (f"rename the file {file} to {word}", f"mv {file} {word}"),
            (f"copy the file {file} into the folder {word}", f"cp {file} {word}/"),
        ]
    )
    return f"Write a bash command to {request}.", "", command


MAKERS: tuple[Callable[[random.Random], Pair], ...] = (
    python_arithmetic,
    python_filter,
    python_class,
    python_list,
    python_loop,
    python_file,
    javascript_arrow,
    javascript_map,
    javascript_event,
    sql_select,
    sql_group,
    sql_update,
    html_element,
    html_list,
    css_rule,
    java_method,
    java_print,
    cpp_loop,
    shell_command,
)


def make_records(count: int, seed: int) -> list[dict[str, str]]:
    """Makes `count` records that all differ in what they ask."""
    rng = random.Random(seed)
    seen: set[tuple[str, str]] = set()
    records = []
    while len(records) < count:
        instruction, text, output = rng.choice(MAKERS)(rng)
        if (instruction, text) not in seen:
            seen.add((instruction, text))
            records.append({"instruction": instruction, "input": text, "output": output})
    return records


def add_flaws(records: list[dict[str, str]], seed: int) -> list[dict[str, str]]:
    """Adds what the real data set has too: empty outputs, a spelled-out "noinput", requests asked twice."""
    rng = random.Random(seed)
    chosen = rng.sample(range(len(records)), 40)
    for index in chosen[:4]:
        records[index] = {**records[index], "output": ""}
    for index in [i for i in chosen[4:] if not records[i]["input"]][:10]:
        records[index] = {**records[index], "input": "noinput"}
    twice = [{**records[i], "instruction": records[i]["instruction"].upper()} for i in chosen[-6:]]
    return records + twice


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--count", type=int, default=1234)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clean", action="store_true", help="without the flaws")
    options = parser.parse_args()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    records = make_records(options.count, options.seed)
    if not options.clean:
        records = add_flaws(records, options.seed)
    options.output.write_text(json.dumps(records, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(records)} records in {options.output}")


if __name__ == "__main__":
    main()
