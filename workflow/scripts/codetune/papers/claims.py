"""What a paper claims, held against its own numbers, the models' architectures and this study's results."""

from dataclasses import asdict

import pandas as pd

from codetune.papers.declared import all_tables
from codetune.papers.entries import check_entries
from codetune.papers.evidence import Evidence
from codetune.papers.measured import Declared


def audit(evidence: Evidence) -> pd.DataFrame:
    """Every claim that can be checked, with its verdict.

    Returns:
        One row per claim, in the order of the paper's file: `subject`, and the attributes of Verdict.
    """
    declared = Declared(evidence.paper, all_tables(evidence.paper), evidence)
    subjects = check_entries(declared, evidence.file)
    return pd.DataFrame([{"subject": name, **asdict(row)} for name, rows in subjects.items() for row in rows])
