"""Where a training reports to while it runs: the trackers that transformers knows, such as TensorBoard."""

import os
from dataclasses import dataclass
from pathlib import Path

from transformers.integrations import get_available_reporting_integrations

from codetune.base.errors import StudyError
from codetune.base.files import remove

NONE = "none"  # transformers' own word for no tracker
# Trackers that transformers does not list, or lists only beside others: it says itself where their package is missing.
UNLISTED = ("azure_ml", "flyte")


@dataclass(frozen=True)
class Tracking:
    """What a training reports to. No result depends on it.

    Attributes:
        report_to: The config's `tracking`, which TRL gets as it is.
        folder: Folder of the event files of TensorBoard.
        name: Name of the run in trackers that name runs.
    """

    report_to: str | list[str] = NONE
    folder: str = ""
    name: str | None = None

    def prepare(self, resumes: bool) -> None:
        """Makes the event files go into the folder; to be called before the trainer is made.

        Args:
            resumes: Whether the training goes on where an earlier attempt stopped. Otherwise what lies in the folder
                is another training's, and is removed.

        Raises:
            StudyError: A tracker's package is not installed.
        """
        names = [self.report_to] if isinstance(self.report_to, str) else self.report_to
        installed = {NONE, *UNLISTED, *get_available_reporting_integrations()}
        if missing := [name for name in names if name not in installed]:
            raise StudyError(
                f"config: tracking: no package of {', '.join(missing)} is in the environment of trainings. Add it to "
                "envs/train.yaml (or to .venv), or remove the name from 'tracking'."
            )
        if self.folder:
            if not resumes:
                remove(Path(self.folder))
            os.environ["TENSORBOARD_LOGGING_DIR"] = self.folder


NO_TRACKING = Tracking()
