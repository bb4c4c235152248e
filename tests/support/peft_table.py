"""The table of PEFT's types, docs/peft-types.md: made from trials, read by a test."""

import re
from pathlib import Path

from codetune.base.errors import StudyError
from codetune.study.peft_keys import check_peft
from miniatures import FP32
from peft_entries import ENTRIES
from peft_trials import TRIALS, try_type

PAGE = Path(__file__).parents[2] / "docs" / "peft-types.md"
QUANTIZATIONS = ("none", "int8", "nf4")
WHERE = "methods.x.peft"
HEAD = """# PEFT's types

Each type of PEFT that is not a soft prompt, and LoRA's variants, tried on a miniature Llama by `make try-methods`
(`tests/try_methods.py`), which writes this page. **yes** stands for all of these, beside weights of that kind:

- It trains: the validation loss falls.
- A training that is stopped and goes on ends with the same bytes.
- `PeftModel.from_pretrained` on the plain base model gives the validation loss of the training, to 1e-4, and so does
  the workflow's own loading.
- The workflow's decoding gives the tokens of `model.generate` on that model.
- A checkpoint put in the place of another, as for the learning curve, computes as one that was loaded afresh.
- The gradients of samples packed in a row are those of each sample alone, and those with gradient checkpointing are
  those without.
- In bfloat16 it trains in float32 under autocast, and loaded it gives the training's validation loss to 2 %.

Where the table says **no**, a study with that method is refused when it is planned, with the reason in the last column.
Soft prompts are held against PEFT by `tests/unit/methods/test_soft_prompts.py`.

What a type asks of a training loop is done: AdaLoRA shares out its ranks after each step, over all steps of the
training if the method has no `total_step`, and its penalty and KaSA's are part of the gradient (the loss in the log is
that of the samples). AdaLoRA's checkpoints hold all ranks. PiSSA and OLoRA, which take their first values out of the
weights, are saved as LoRA of twice the rank beside the whole weights, so that nothing has to be taken out again at
loading. KaSA changes the base: as it is put there, in training and at each loading, PEFT takes the smallest `r`
singular values out of each weight beside it. So a KaSA adapter loads on the plain base with PEFT alone, and after
that this base is no longer the published one, nor is it with the adapter switched off: load the model anew. The
optimizers that PEFT has for LoRA (LoRA+, LoRA-FA, Riemannian) are not among a method's optimizers.

"""
COLUMNS = ["type", "keys", *QUANTIZATIONS, "why not"]


def row_of(entry, checkpoint):
    """Tries an entry beside weights of each kind; the row of the table without its name."""
    cells, reasons = [], []
    for kind in QUANTIZATIONS:
        if reason := refusal(entry, kind):
            cells.append("no")
            reasons.append(reason)
            continue
        found = try_type(checkpoint, entry, FP32.of_type(kind))
        failed = [name for name in TRIALS if found.get(name) != "yes"]
        cells.append(f"FAILS: {', '.join(failed)}" if failed else "yes")
        reasons += [found[name] for name in failed if name in found]
    return [keys_of(entry), *cells, "; ".join(dict.fromkeys(reasons))]


def refusal(entry, kind):
    """Why a method with these keys is refused when it is planned; empty if it is not."""
    try:
        check_peft(WHERE, entry.keys, kind)
    except StudyError as error:
        said = re.sub(rf"^config: {re.escape(WHERE)}[.\w]*: ", "", str(error))
        return re.sub(r"\b(int8|nf4)\b", "fewer bits", said)
    return ""


def keys_of(entry):
    """The keys that are not the type and not the seven projections, as the config has them."""
    left = {key: value for key, value in entry.keys.items() if key not in ("type", "target_modules")}
    if len(str(left)) > 90:
        left = {key: "..." if isinstance(value, list) else value for key, value in left.items()}
    return ", ".join(f"{key}: {value}" for key, value in left.items()).replace("'", "").replace("True", "true")


def page(rows):
    """The whole page."""
    lines = [COLUMNS, ["---"] * len(COLUMNS)]
    lines += [[entry.name, *rows[entry.name]] for entry in ENTRIES if entry.name in rows]
    return HEAD + "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


def read_rows(path):
    """The rows of the page, by name."""
    lines = [line.strip("| \n").split(" | ") for line in path.read_text().splitlines() if line.startswith("| ")]
    return {cells[0]: [*cells, ""][1 : len(COLUMNS)] for cells in lines[2:]}
