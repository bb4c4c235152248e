"""Tries each of PEFT's types on a miniature model, and writes the table docs/peft-types.md.

Usage: python tests/try_methods.py [--only TYPE ...] [--out docs/peft-types.md]

Each type is trained, resumed, loaded and decoded by this workflow and by PEFT itself, beside whole and beside quantised
weights (see tests/support/peft_trials.py). What the workflow refuses when a study is planned is not tried: the table
has the reason. (See `make try-methods`: an hour on 2 cores.)
"""

import argparse
import os
import sys
import tempfile
import warnings
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "support"))
sys.path.append(str(Path(__file__).parents[1] / "workflow" / "scripts"))
sys.path.append(str(Path(__file__).parents[1] / "demo"))
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"

import peft_table
import torch
from peft_entries import ENTRIES
from small_study import make_checkpoints

torch.set_num_threads(1)
warnings.simplefilter("ignore")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="names of entries, as in the table; the others keep their rows")
    parser.add_argument("--out", type=Path, default=peft_table.PAGE)
    arguments = parser.parse_args()
    chosen = [entry for entry in ENTRIES if arguments.only is None or entry.name in arguments.only]
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = make_checkpoints(Path(folder)) / "llama-3.2-1b"
        rows = peft_table.read_rows(arguments.out) if arguments.only else {}
        for entry in chosen:
            rows[entry.name] = peft_table.row_of(entry, checkpoint)
            print(f"{entry.name}: {' | '.join(rows[entry.name])}", flush=True)
    arguments.out.write_text(peft_table.page(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
