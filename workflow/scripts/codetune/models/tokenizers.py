"""Tokenizers, loaded without torch."""

from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.models.patches import without_torch


def load_tokenizer(folder: str | Path) -> Any:
    """Loads a checkpoint's tokenizer from local files.

    Raises:
        StudyError: The files are not a tokenizer that transformers can load.
    """
    with without_torch():
        from transformers import AutoTokenizer

        try:
            return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise StudyError(
                f"{folder}: the tokenizer cannot be loaded ({reason}). Delete that folder to fetch it again, or name "
                "another checkpoint in the config."
            ) from None
