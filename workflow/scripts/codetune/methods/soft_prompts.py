"""Soft prompts of PEFT: trained tokens before each sample of a frozen model."""

from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel, PeftModelForCausalLM, set_peft_model_state_dict
from safetensors.torch import load_file

from codetune.base.errors import StudyError
from codetune.base.libraries import loading
from codetune.base.machine import is_out_of_memory
from codetune.methods.adapters import ADAPTER, TRAIN_AGAIN, AdapterTuning, check_weights
from codetune.methods.encoder_prompts import EncoderPromptModel
from codetune.methods.peft_config import peft_config
from codetune.methods.virtual_tokens import SoftPromptModel
from codetune.models.device import evaluating
from codetune.models.loading import of_the_machine
from codetune.models.seq2seq import task_of
from codetune.study.model import Source
from codetune.study.tunings import virtual_tokens_of

TOKENIZER = "tokenizer_name_or_path"  # PEFT's key
TRIED = 16  # tokens on which a soft prompt is tried
# Most that the logits may differ from those of PEFT's own model, relative to their norm. In bf16 they differ by some
# hundredths where attention is sharp, in fp32 by less than 1e-4.
ROUNDING = {torch.bfloat16: 0.25, torch.float32: 0.01}


class SoftPromptTuning(AdapterTuning):
    """Virtual tokens before each sample (see methods/tuning.py): of the model, nothing changes.

    PEFT saves what its encoder computes, and not the encoder. So does this for decoding, while the state of a training
    holds the encoder.
    """

    def virtual_tokens(self, model: Any) -> int:
        """Counts the virtual tokens of each sample; none in the sequences of an encoder-decoder."""
        return 0 if model.config.is_encoder_decoder else virtual_tokens_of(self.settings)

    def attach(self, model: Any, source: Source, _steps: int) -> Any:
        """Puts a fresh soft prompt before the model."""
        self._source = source
        of_text = self.settings.peft.get("prompt_tuning_init") == "TEXT"
        # A text to begin with is tokenised from the checkpoint's folder; what is saved names it as the public does.
        filled = {TOKENIZER: model.config.name_or_path} if of_text else {}
        config = peft_config(self.settings.peft, task_type=task_of(model.config), **filled)
        try:
            tuned = _with_prompt(model, config)
            if isinstance(tuned, SoftPromptModel):
                _try_against_peft(tuned)
            else:
                _try_encoder_prompt(tuned)
        except StudyError:
            raise
        except Exception as error:  # PEFT takes a model for what it is not, and fails in all kinds of ways
            if is_out_of_memory(error):
                raise
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise StudyError(
                f"{source.name}: PEFT cannot put {self.settings.type} before this model ({reason}). Correct the "
                "method's 'peft', or take the model out of its runs."
            ) from None
        if of_text:
            setattr(config, TOKENIZER, source.name)
        return tuned

    def load(self, model: Any, folder: Path) -> Any:
        """Puts a saved soft prompt before the model."""
        with loading(folder, "the soft prompt", TRAIN_AGAIN, of_the_machine):
            weights = load_file(folder / ADAPTER)
            config = PeftConfig.from_pretrained(str(folder))
            config.inference_mode = True
            tuned = _with_prompt(model, config).eval()
            set_peft_model_state_dict(tuned, weights)
        check_weights(tuned, weights, folder)
        return tuned


def _with_prompt(model: Any, config: PeftConfig) -> PeftModel:
    """Puts a soft prompt before a model: among the tokens of a row, or before an encoder-decoder's input."""
    kind = EncoderPromptModel if model.config.is_encoder_decoder else SoftPromptModel
    return kind(model, config)


def _try_encoder_prompt(model: EncoderPromptModel) -> None:
    """Computes something, which fails where PEFT's prompt does not fit (a prefix where encoder and decoder differ)."""
    token = torch.zeros(1, 1, dtype=torch.long, device=model.device)
    with evaluating(model), torch.no_grad():
        model(input_ids=token, decoder_input_ids=token, use_cache=False)


def _try_against_peft(model: SoftPromptModel) -> None:
    """Compares the logits after the soft prompt with those of PEFT's own model, which has it before the whole row.

    Both are computed with the attention that knows every mask and no samples in a row, and then that is put back.

    Raises:
        StudyError: They differ by more than rounding.
    """
    attention = model.config._attn_implementation
    ids = torch.arange(TRIED, device=model.device)[None] % model.get_input_embeddings().weight.shape[0]
    virtual = torch.arange(-model.active_peft_config.num_virtual_tokens, 0, device=model.device)[None]
    model.set_attn_implementation("eager")
    with evaluating(model), torch.no_grad():
        task = {"task_ids": torch.zeros(1, dtype=torch.long, device=model.device)}
        theirs = PeftModelForCausalLM.forward(model, input_ids=ids, use_cache=False, **task).logits[:, -TRIED:].float()
        ours = model(input_ids=torch.cat([virtual, ids], dim=1), use_cache=False).logits[:, -TRIED:].float()
    model.set_attn_implementation(attention)
    difference = ((ours - theirs).norm() / theirs.norm()).item()
    print(f"the soft prompt differs by {difference:.1e} from PEFT's own model (relative)", flush=True)
    if difference > ROUNDING[model.dtype]:
        raise StudyError(
            f"{model.config.name_or_path}: with virtual tokens, this model's logits differ by {difference:.1e} from "
            "those of PEFT's own model (relative). Take this model out of the method's runs."
        )
