"""Full tuning: every parameter of a model is trained."""

import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import PretrainedConfig, PreTrainedModel

from codetune.base.errors import StudyError
from codetune.base.libraries import loading
from codetune.methods.trained import load_trained, save_trained
from codetune.models.loading import load_base, of_the_machine, read_config
from codetune.models.seq2seq import class_for
from codetune.study.method import Quantization, TuningSettings
from codetune.study.model import Source, takes

ONE_FILE = 10**15  # bytes: no model is larger, so its weights lie in one file
TRAIN_AGAIN = "Delete that folder and run again; it is then made again."


class FullTuning:
    """Every parameter of a model (see methods/tuning.py). What is saved is a checkpoint like the one that it began as.

    In training, weights are in the precision of the settings. They are saved in the compute type, in which decoding
    multiplies them, and to which autocast rounds them for each multiplication in training.
    """

    def __init__(self, settings: TuningSettings) -> None:
        self.settings = settings
        self.uses_dropout = False

    def virtual_tokens(self, _model: Any) -> int:
        """None: nothing stands before a sample."""
        return 0

    def load_base(self, folder: Path, quantization: Quantization, precision: str) -> Any:
        """Loads the model with its weights in the precision in which they are trained."""
        model = load_base(folder, quantization, getattr(torch, precision))
        # As in a file config.json: the type in which weights are saved.
        model.config.dtype = getattr(torch, quantization.compute_dtype)
        return model

    def attach(self, model: Any, _source: Source, _steps: int) -> Any:
        """Makes every parameter trainable; tied ones are one parameter."""
        self.uses_dropout = _uses_dropout(model.config)
        return model.requires_grad_()

    def after_step(self, model: Any, step: int) -> None:
        """Does nothing."""

    def penalty(self, _model: Any) -> None:
        """Nothing is added to the loss."""

    def layers(self, _model: Any) -> dict[str, int]:
        """Names no layer: all are trained."""
        return {}

    def save(self, model: Any, folder: Path) -> None:
        """Saves a checkpoint: the weights in one file, and what belongs to them as the published checkpoint has it."""
        dtype, published = model.config.dtype, Path(model.config.name_or_path)
        model.save_pretrained(folder, state_dict=_in_type(model, dtype), max_shard_size=ONE_FILE)
        model.config.dtype = dtype  # the library has set it to that of the training
        for file in folder.iterdir():
            if takes(file.name, weights=False):  # the training has changed the configuration
                file.unlink()
        for file in published.iterdir():
            if takes(file.name, weights=False):
                shutil.copyfile(file, folder / file.name)
        config = read_config(published)
        config.dtype = dtype
        config.save_pretrained(folder)

    def save_state(self, model: Any, folder: Path) -> None:
        """Saves the parameters in the precision of the training."""
        save_trained(model, folder)

    def load_state(self, model: Any, folder: Path) -> None:
        """Puts the parameters back."""
        load_trained(model, folder)

    def load(self, model: Any, folder: Path) -> Any:
        """Puts the weights of a checkpoint into a model of the same shape, which keeps its type."""
        with loading(folder, "the tuned model", TRAIN_AGAIN, of_the_machine):
            tuned, found = class_for(model.config).from_pretrained(
                folder,
                dtype="auto",
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        weights = tuned.state_dict()
        wanted, there = (_shapes(state) for state in (model.state_dict(), weights))
        other = {name for name, _ in wanted.items() ^ there.items()}.union(*map(set, found.values()))
        if other:
            raise StudyError(
                f"{folder}: the tuned model's weights are not those of its settings ({len(other)} differ, the first is "
                f"{min(map(str, other))}). {TRAIN_AGAIN}"
            )
        model.load_state_dict(weights)
        return model

    def swap(self, model: Any, folder: Path) -> Any:
        """Puts the weights of another checkpoint in their place."""
        return self.load(model, folder)


def _uses_dropout(config: PretrainedConfig) -> bool:
    """Whether a model has dropout of its own, as a few old ones do."""
    values = config.get_text_config().to_dict().items()
    return any(
        isinstance(value, float) and value > 0
        for key, value in values
        if key.endswith(("dropout", "pdrop", "dropout_rate", "dropout_prob"))
    )


def _in_type(model: PreTrainedModel, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The weights in a type, in the memory of the CPU; those that the library ties stay tied, by which it knows them.

    Others that are one weight, as of an encoder with a fresh decoder, become two, so that it loads both.
    """
    trained = dict(model.named_parameters(remove_duplicate=False))
    known = {name for pair in model.get_expanded_tied_weights_keys(all_submodels=True).items() for name in pair}
    places = {name: str(id(weight)) if name in known else name for name, weight in trained.items()}
    cast: dict[str, torch.Tensor] = {}
    for name, weight in trained.items():
        if places[name] not in cast:
            cast[places[name]] = weight.detach().to("cpu", dtype, copy=True)
    return {name: cast[places[name]] if name in trained else one for name, one in model.state_dict().items()}


def _shapes(state: dict[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(weight.shape) for name, weight in state.items()}
