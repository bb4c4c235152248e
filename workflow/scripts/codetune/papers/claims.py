"""What the paper claims, held against its own tables, the models' architectures and this study's results."""

from dataclasses import asdict

import pandas as pd

from codetune.papers.declared import all_tables
from codetune.papers.entries import check_entries
from codetune.papers.evidence import Evidence
from codetune.papers.lengths import check_lengths
from codetune.papers.measured import Declared
from codetune.papers.scores_here import check_scores_here
from codetune.papers.steps import check_schedule, check_sequences, check_steps, check_steps_trained
from codetune.papers.verdicts import Verdict

# Subjects in the order of the audit; all others follow in that of the paper's file.
ORDER = ("Models", "Trainable parameters", "Training steps", "Equations", "Scores, within the paper", "Scores, here")


def audit(evidence: Evidence) -> pd.DataFrame:
    """Every claim that can be checked, with its verdict.

    Returns:
        One row per claim: `subject`, and the attributes of Verdict.
    """
    subjects = _claims_of_the_study(evidence) if "table1" in evidence.paper else {}
    declared = Declared(evidence.paper, all_tables(evidence.paper), evidence)
    for name, verdicts in check_entries(declared, evidence.file).items():
        subjects.setdefault(name, []).extend(verdicts)
    ordered = sorted(subjects, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
    return pd.DataFrame([{"subject": name, **asdict(row)} for name in ordered for row in subjects[name]])


def _claims_of_the_study(evidence: Evidence) -> dict[str, list[Verdict]]:
    """The claims of the paper that this study replicates, by subject."""
    return {
        "Training steps": [
            *check_steps(evidence),
            *check_steps_trained(evidence),
            *check_schedule(evidence),
            *check_sequences(evidence),
            *check_lengths(evidence),
        ],
        "Scores, here": check_scores_here(evidence),
    }
