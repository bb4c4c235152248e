"""Tokenizers, loaded without torch."""

from pathlib import Path
from typing import Any

from codetune.base.libraries import FETCH_AGAIN, loading
from codetune.models.patches import without_torch


def load_tokenizer(folder: str | Path) -> Any:
    """Loads a checkpoint's tokenizer from local files.

    Raises:
        StudyError: The files are not a tokenizer that transformers can load.
    """
    with without_torch():
        from transformers import AutoTokenizer

        with loading(folder, "the tokenizer", FETCH_AGAIN):
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            tokenizer.encode("try it")  # some damage shows only now
            return tokenizer
