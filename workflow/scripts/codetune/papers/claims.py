"""What the paper claims, held against its own tables, the models' architectures and this study's results."""

from dataclasses import asdict

import pandas as pd

from codetune.papers.choices import check_data, list_unstated
from codetune.papers.entries import check_entries
from codetune.papers.equations import check_quantisation, check_scaling
from codetune.papers.evidence import Evidence
from codetune.papers.lengths import check_lengths
from codetune.papers.measured import Declared
from codetune.papers.scores import check_scores_within
from codetune.papers.scores_here import check_scores_here
from codetune.papers.sizes import check_contexts, check_sizes, check_trainable
from codetune.papers.steps import check_schedule, check_sequences, check_steps, check_steps_trained
from codetune.papers.verdicts import Verdict
from codetune.study.declared import tables_of


def audit(evidence: Evidence) -> pd.DataFrame:
    """Every claim that can be checked, with its verdict.

    Returns:
        One row per claim: `subject`, and the attributes of Verdict.
    """
    subjects = _claims_of_the_study(evidence) if "table1" in evidence.paper else {}
    declared = Declared(evidence.paper, tables_of(evidence.paper), evidence.records)
    for name, verdicts in check_entries(declared, evidence.file).items():
        subjects.setdefault(name, []).extend(verdicts)
    return pd.DataFrame([{"subject": name, **asdict(row)} for name, rows in subjects.items() for row in rows])


def _claims_of_the_study(evidence: Evidence) -> dict[str, list[Verdict]]:
    """The claims of the paper that this study replicates, by subject."""
    paper = evidence.paper
    return {
        "Models": check_sizes(evidence) + check_contexts(evidence),
        "Trainable parameters": check_trainable(evidence),
        "Training steps": [
            *check_steps(evidence),
            *check_steps_trained(evidence),
            *check_schedule(evidence),
            *check_sequences(evidence),
            *check_lengths(evidence),
        ],
        "Equations": [check_scaling(paper), check_quantisation(paper)],
        "Scores, within the paper": check_scores_within(paper),
        "Scores, here": check_scores_here(evidence),
        "Data, and what a rerun has to know": [*check_data(evidence), *list_unstated(evidence)],
    }
