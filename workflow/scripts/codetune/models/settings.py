"""The settings of generation that a checkpoint declares. Needs no torch."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetune.base.files import read_json, reading
from codetune.base.libraries import FETCH_AGAIN
from codetune.base.plain import from_plain

FILE = "generation_config.json"
# What greedy decoding does anyway, beside all that is switched off.
GREEDY = {"num_beams": 1, "repetition_penalty": 1.0, "no_repeat_ngram_size": 0, "use_cache": True}
# What decoding does follow, and what is no setting.
FOLLOWED = ("bos_token_id", "eos_token_id", "pad_token_id", "transformers_version", "_from_model_config")


@dataclass(frozen=True)
class _Tokens:
    """What decoding follows."""

    eos_token_id: int | list[int] | None = None
    pad_token_id: int | None = None


def ignored_settings(folder: str | Path) -> dict[str, Any]:
    """Returns what a checkpoint's generation_config.json asks for and greedy decoding does not do.

    Raises:
        StudyError: The file does not hold settings.
    """
    path = Path(folder) / FILE
    if not path.exists():
        return {}
    declared = read_json(path, FETCH_AGAIN)
    from_plain(declared, _Tokens, str(path), FETCH_AGAIN)
    with reading(path, FETCH_AGAIN):
        json.dumps(declared, allow_nan=False)
    return {
        name: value
        for name, value in declared.items()
        if value is not None and value is not False and name not in FOLLOWED and value != GREEDY.get(name)
    }
