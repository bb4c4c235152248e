"""What is asked of a study's encoder-decoders before anything is computed."""

from codetune.base.errors import StudyError
from codetune.study.method import TRIAL, Method
from codetune.study.model import ENCODER, ENCODER_DECODER, Model
from codetune.study.study import Study
from codetune.study.tunings import SOFT_PROMPTS

# Soft prompts that PEFT trains and decodes alike on an encoder-decoder. Of MULTITASK_PROMPT_TUNING it trains tokens
# before the decoder's, too, and decodes without them; a CARTRIDGE is a cache of keys and values of a text.
KNOWN_SOFT_PROMPTS = frozenset({"PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING"})


def check_encoder_decoders(study: Study) -> None:
    """Checks that nothing is asked of an encoder-decoder that only a decoder alone can do.

    Args:
        study: The study.

    Raises:
        StudyError: A run has a chat template, packs samples, trains a soft prompt that is not made for such models, or
            does not train the decoder that is put behind an encoder.
    """
    for run in study.runs:
        template, method, model = study.template_of(run), study.method_of(run), study.model_of(run)
        if not model.is_encoder_decoder:
            continue
        if model.is_encoder:
            _check_trains_all(model, method)
        if study.templates[template].chat:
            raise StudyError(
                f"config: models.{run.model}: an {model.kind} has no turns of a chat, and its template in method "
                f"'{run.method}' is '{template}'. Name a template of text, such as 'instruction'."
            )
        if method.tuning and method.tuning.type in SOFT_PROMPTS - KNOWN_SOFT_PROMPTS:
            raise StudyError(
                f"config: methods.{run.method}.peft.type: {method.tuning.type} cannot be trained on an "
                f"{ENCODER_DECODER}, and models.{run.model} is one. Known are {', '.join(sorted(KNOWN_SOFT_PROMPTS))}."
            )
    for run in study.trainings:
        model = study.models[run.model]
        if model.is_encoder_decoder and study.for_training(run).settings.packing:
            raise StudyError(
                f"config: models.{run.model}: inputs of an {model.kind} are not packed. Add 'packing: false' to "
                f"its 'training' (method '{run.method.partition(TRIAL)[0]}')."
            )


def _check_trains_all(model: Model, method: Method) -> None:
    """Checks that a method trains the decoder that is put behind an encoder, which begins with random weights."""
    if method.kind != "full":
        raise StudyError(
            f"config: models.{model.name}: an {ENCODER} alone writes noise until the decoder behind it is trained, and "
            f"method '{method.name}' does not train it. Give the model runs of methods with 'full: true' alone."
        )
