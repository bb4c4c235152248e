"""The declared numbers of the other papers, against notes on these papers, in both directions."""

import re

import pytest
from codetune.study.declared import read_paper, tables_of
from conftest import REAL, ROOT

CONALA, ALPACA = "conala-resplit", "codealpaca-py"
OF_003 = ("full", "lora", "ia3", "prompt", "prefix")
OF_002 = ("full", "lora", "prefix", "prompt")
ROWS = {"gpt2 and both CodeGPT": ("gpt2", "codegpt-small", "codegpt-adapt")}
LLAMAS = ("codellama-7b", "codellama-7b-instruct", "codellama-7b-python")

# What Figures 4 and 5 show without a number.
SHOWN = [
    *(("icl", model, "icl", CONALA, "em_one_line_at_10") for model in ("codegen-350m", *LLAMAS[:2])),
    *(("icl", model, "icl", CONALA, "codebleu") for model in ("codegen-350m", *LLAMAS[:2])),
    *(
        ("quantized", f"codellama-{size}-python", f"qlora-{bits}bit", CONALA, "em_one_line_at_10")
        for size in ("7b", "13b")
        for bits in (8, 4)
    ),
]


def read_notes(name):
    path = REAL.parent / "papers" / name
    if not path.exists():
        pytest.skip(f"the notes on the papers are not at {path} (set CODETUNE_REAL_DATA)")
    return path.read_text()


@pytest.fixture(scope="module")
def notes():
    return read_notes("other-studies.md")


def rows_after(notes, head):
    """The cells of the first table of Markdown after a text, without its head."""
    lines = iter(notes.split(head, 1)[1].splitlines())
    found = []
    for line in lines:
        if line.startswith("|"):
            found.append([cell.strip() for cell in line.strip("|").split("|")])
        elif found:
            break
    return found[2:]


def declared(name):
    """Every printed value of a paper's tables by its place, `-` for what the paper does not have."""
    tables = tables_of(read_paper(ROOT / f"config/papers/{name}.yaml"))
    return {
        (table.name, model, method, test, column): "-" if value is None else str(value)
        for table in tables.values()
        for model, method in table.rows
        for test in table.tests
        for column in table.columns
        for value in [table.value_of(model, method, test, column)]
    }


def without_marks(cell):
    return cell.replace("*", "")


def noted_of_002(notes):
    found = {}
    for model, bleu, codebleu in rows_after(notes, "Gray (code): CodeGPT"):
        for column, cell in (("bleu", bleu), ("codebleu", codebleu)):
            for method, value in zip(OF_002, cell.split(", "), strict=True):
                found["2", model, method, "conala", column] = "-" if "(-)" in value else value
    for label, lora, prefix, prompt, memory in rows_after(notes, "Table 3 [P] with what the shapes give"):
        key = label.rpartition(" (")[0]
        said = {"full": "100.00"}
        for method, cell in (("lora", lora), ("prefix", prefix), ("prompt", prompt)):
            said[method] = without_marks(cell).split(" / ")[0]
        for model in ROWS.get(key, (key,)):
            for method, gigabytes in zip(OF_002, memory.split(", "), strict=True):
                found["3", model, method, "conala", "trained_percent"] = said[method]
                found["3", model, method, "conala", "memory_gb"] = gigabytes
    return found


def noted_of_003(notes):
    found = {}
    columns = ("em_one_line_at_1", "em_one_line_at_10", "codebleu")
    for test, head in ((CONALA, "Tables 3 and 4 [P]"), (ALPACA, "\nCodeAlpacaPy:\n")):
        for model, *cells, joint in rows_after(notes, head):
            of_both = [*(("3", *one) for one in zip(OF_003, cells, strict=True)), ("4", "lora", joint)]
            for table, method, cell in of_both:
                values = ["-"] * 3 if cell == "-" else cell.split()
                found |= {
                    (table, model, method, test, column): value for column, value in zip(columns, values, strict=True)
                }
    for label, *cells in rows_after(notes, "Trainable parameters of Table 3 [P]"):
        models = LLAMAS if label.startswith("codellama") else (label,)
        for model in models:
            for method, cell in zip(OF_003[1:], cells, strict=True):
                found["3-trained", model, method, "none", "trained"] = cell.split(" = ")[0]
    icl = re.search(
        r"CoNaLa (\S+) EM@10 ([\d.]+), CodeBLEU ([\d.]+); (\S+) ([\d.]+), ([\d.]+)\.", notes.split("RQ2 [P]")[1]
    )
    for model, em, codebleu in (icl.groups()[:3], icl.groups()[3:]):
        found["icl", model, "icl", CONALA, "em_one_line_at_10"] = em
        found["icl", model, "icl", CONALA, "codebleu"] = codebleu
    model, score = re.search(r"EM@10 (\S+) QLoRA-4bit ([\d.]+)", notes.split("RQ4 [P]")[1]).groups()
    found["quantized", model, "qlora-4bit", CONALA, "em_one_line_at_10"] = score
    return found | dict.fromkeys(SHOWN, "-")


@pytest.mark.parametrize(("name", "noted"), [("peft-methods", noted_of_002), ("peft-or-icl", noted_of_003)])
def test_every_declared_number_is_noted_and_every_noted_number_is_declared(notes, name, noted):
    ours, theirs = declared(name), noted(notes)
    assert len(theirs) >= 100
    apart = {place: (ours.get(place), theirs.get(place)) for place in ours | theirs}
    assert {place: both for place, both in apart.items() if both[0] != both[1]} == {}


def test_the_models_of_the_papers_are_those_of_the_notes(notes):
    noted = {}
    for key, hub, _, parameters, papers, _ in rows_after(notes, "## 1. Models"):
        noted[key] = (hub.split(" ")[0], parameters, papers)
    for name, paper in (("peft-methods", "002"), ("peft-or-icl", "003")):
        models = read_paper(ROOT / f"config/papers/{name}.yaml")["models"]
        for key, model in models.items():
            if key in noted and "," in noted[key][1] and " B" not in noted[key][1]:
                hub, parameters, papers = noted[key]
                assert (model["repo"], f"{model['parameters']:,}") == (hub, parameters)
                assert paper in papers or papers == "both"


def test_the_main_paper_s_tables_are_those_of_the_notes():
    main, paper = read_notes("README.md"), read_paper(ROOT / "config/papers/slm-qlora.yaml")
    keys = {model["name"].casefold(): key for key, model in paper["models"].items()}
    columns = ("params", "batch_size", "epochs", "trainable", "steps")
    first = {keys[label.casefold()]: cells for label, *cells in rows_after(main, "## What the main paper declares")}
    assert first == {row["model"]: [str(row[column]) for column in columns] for row in paper["table1"]}
    assert len(first) == 5
    second = []
    for label, params, *cells in rows_after(main, "29.9M | 1950 |\n"):
        name = label.removesuffix(" base / tuned").removesuffix(" base").removesuffix("-it")
        for values in zip(*(cell.split(" / ") for cell in cells), strict=True):
            second.append((name.casefold(), params, *values))
    names = {key: name for name, key in keys.items()}
    ours = [
        (
            names.get(row.get("model"), row.get("label", "").casefold()),
            *(str(row.get(column, "-")) for column in ("params", "trainable", "steps", "rouge_l")),
        )
        for row in paper["table2"]
    ]
    assert [(*row[:2], *row[3:]) for row in second] == [(*row[:2], *row[3:]) for row in ours]
    tuned = [row for row in ours if row[3] != "-"]
    assert [row[2] for row in second if row[3] != "-"] == [row[2] for row in tuned]
    assert len(tuned) == 5
