"""The lines of a model card that load what was trained and complete a prompt as it was done for the scores."""

from codetune.base.text import markdown_block, markdown_cell, markdown_code, printable
from codetune.prompts.completions import Ending
from codetune.prompts.described import Described, PromptFrame
from codetune.study.facts import EIGHT_BITS, FOUR_BITS, GenerationFacts, TrainingFacts
from codetune.study.method import UNQUANTISED, Quantization, TuningSettings
from codetune.study.model import Source
from codetune.study.tunings import virtual_tokens_of

REQUEST = "Write a Python function that adds two numbers."
INPUT = "Their names are a and b."
DEQUANTISED = "base.dequantize()  # the same values, in the compute type\n"


def prompt_rows(described: Described) -> list[str]:
    """Rows of the card's table: the template and the end token."""
    end = f"{markdown_code(described.end_token)} (id {described.ending.end})"
    return [f"| template | {markdown_cell(described.template)} |", f"| end token | {end} |"]


def usage_section(training: TrainingFacts, generation: GenerationFacts, described: Described, folder: str) -> str:
    """A section with the exact prompt, and with the code that loads what was trained and uses it.

    Args:
        training: Facts of the training.
        generation: Facts of the predictions that were scored.
        described: How prompts and completions were serialised.
        folder: The card's folder, as seen from the study's.
    """
    prompt = described.prompt
    shown = _shown(f"{prompt.before}{REQUEST}{prompt.after}")
    tuning, source = training.plan.tuning, training.plan.source
    is_whole = tuning.kind == "full"
    loader = "AutoModelForSeq2SeqLM" if described.apart else "AutoModelForCausalLM"
    names = _names_of_whole(loader) if is_whole else _names(source, folder, generation.quantization, loader)
    local = source.path and not is_whole
    where = f"Run these lines in the folder of the study, which holds the base and {_thing(tuning)}. " if local else ""
    model = _whole_model(loader) if is_whole else _base_and_adapter(generation, loader)
    at_once = generation.decoding.prompts_at_once
    code = "\n".join([names, _settings(generation, described, virtual_tokens_of(tuning)), model + _complete(described)])
    return f"""## Use it as it was scored

A prompt, character by character, around an example of a request. {_with_input(prompt)}

{markdown_block(shown, "text")}
{_request_with_input(prompt)}
{where}After its settings, {_steps(tuning, _loaded(generation.quantization))}, and complete the prompt
by greedy decoding{_other_decoding(generation)}:

{markdown_block(code, "python")}

For the scores, weights were held {_held(generation)}, and up to {at_once} prompts were decoded
at once. {_rounding(generation)}"""


def _shown(text: str) -> str:
    """A text in lines, in which every character shows."""
    return "".join(f"{printable(line)}\n" for line in text.split("\n"))


def _with_input(prompt: PromptFrame) -> str:
    """Where an input goes."""
    if prompt.with_input is None:
        return "An input goes below the instruction, on a line of its\nown:"
    return "One with an input follows it:"


def _request_with_input(prompt: PromptFrame) -> str:
    """A prompt whose input has a place of its own; nothing where it has not."""
    if prompt.with_input is None:
        return ""
    example = {"instruction": REQUEST, "input": INPUT}
    text = "".join(example[one] if place % 2 else one for place, one in enumerate(prompt.with_input))
    return f"\nWith an input:\n\n{markdown_block(_shown(text), 'text')}\n"


def _other_decoding(generation: GenerationFacts) -> str:
    """How the scores were decoded, where that was in another way."""
    decoding = generation.decoding
    return (
        f", where the scores are of the first completion of {decoding.count} ({decoding.name})" if decoding.kind else ""
    )


def _thing(tuning: TuningSettings) -> str:
    """What stands beside the base."""
    return "the soft prompt" if virtual_tokens_of(tuning) else "the adapter"


def _steps(tuning: TuningSettings, loaded: str) -> str:
    """What the lines do first, in words."""
    if tuning.kind == "full":
        return f"two statements load the model {loaded}"
    where = "before" if virtual_tokens_of(tuning) else "beside"
    return f"three statements load the base {loaded}, put {_thing(tuning)} {where} it"


def _loaded(quantization: Quantization) -> str:
    """How the base is loaded, in words."""
    if quantization.type == UNQUANTISED:
        return f"in {quantization.compute_dtype}"
    return "in 8 bits (LLM.int8)" if quantization.type == "int8" else "in 4 bits"


def _held(generation: GenerationFacts) -> str:
    """How weights were held for the scores, in words."""
    dequantised = generation.quantization.type != UNQUANTISED and generation.weights not in (FOUR_BITS, EIGHT_BITS)
    return f"{'dequantised from 4 bits to' if dequantised else 'in'} {generation.weights}"


def _rounding(generation: GenerationFacts) -> str:
    """Why these lines may give another text."""
    dtype = generation.quantization.compute_dtype
    if generation.weights == EIGHT_BITS:
        return (
            "Whether an input of a layer is rounded to 8 bits depends, in these lines, on all tokens that are read at "
            "once; for the scores it depended on its own token alone. So a text may differ where two tokens are about "
            "equally likely."
        )
    if dtype == "float32":
        return "A prompt alone gives the same text unless two tokens are equally likely up to rounding."
    return (
        f"In {dtype} a prompt alone, or on another kind of device, is rounded otherwise: a text may differ where two "
        "tokens are about equally likely."
    )


def _names(source: Source, folder: str, quantization: Quantization, loader: str) -> str:
    """Lines that import, and that name the adapter and its base; a local base only its own study's folder can find."""
    if source.path:
        adapter, where = repr(folder), "from the study's folder, as the base"
    else:
        adapter, where = '"."', "the folder of this card, or the repository that it was uploaded to"
    revision = {} if source.path or not source.revision else {"revision": source.revision}
    bits = "" if quantization.type == UNQUANTISED else "BitsAndBytesConfig, "
    return f"""import torch
from peft import PeftModel
from transformers import {loader}, AutoTokenizer, {bits}GenerationConfig

adapter = {adapter}  # {where}
source = { {"pretrained_model_name_or_path": source.name, **revision}!r}
request = {REQUEST!r}
"""


def _names_of_whole(loader: str) -> str:
    """Lines that import, and that name a whole checkpoint, which has its tokenizer with it."""
    return f"""import torch
from transformers import {loader}, AutoTokenizer, GenerationConfig

# The folder of this card, or the repository that it was uploaded to.
source = {{"pretrained_model_name_or_path": "."}}
request = {REQUEST!r}
"""


def _settings(generation: GenerationFacts, described: Described, virtual_tokens: int) -> str:
    """Lines that make the settings of the study, and the prompt; virtual tokens take room in the context."""
    recipe, prompt, decoding = generation.quantization, described.prompt, generation.decoding
    most = str(decoding.max_new_tokens)
    if generation.context is not None:
        left = "" if described.apart else " - ids.shape[1]"
        most = f"min({most}, {generation.context - virtual_tokens}{left})"
    after = f" + {prompt.added_after}" if prompt.added_after else ""
    return f"""device, dtype = "cuda:0" if torch.cuda.is_available() else "cpu", torch.{recipe.compute_dtype}
{_bits(recipe)}prompt = {prompt.before!r} + request + {prompt.after!r}
tokenizer = AutoTokenizer.from_pretrained(**source)
ids = torch.tensor([{prompt.added} + tokenizer.encode(prompt, add_special_tokens=False){after}], device=device)
greedy = GenerationConfig(
    do_sample=False, max_new_tokens={most}, eos_token_id={described.ending.stops}, pad_token_id=0
)
"""


def _bits(recipe: Quantization) -> str:
    """Lines that say how the base is quantised; none where it is not."""
    if recipe.type == UNQUANTISED:
        return ""
    if recipe.type == "int8":
        return "bits = BitsAndBytesConfig(load_in_8bit=True)\n"
    return f"""bits = BitsAndBytesConfig(
    load_in_4bit=True,
    bnb_4bit_quant_type={recipe.type!r},
    bnb_4bit_use_double_quant={recipe.double},
    bnb_4bit_compute_dtype=dtype,
)
"""


def _base_and_adapter(generation: GenerationFacts, loader: str) -> str:
    """Lines that load the base, and put what was trained beside it."""
    unquantised = generation.quantization.type == UNQUANTISED
    bits = "" if unquantised else "quantization_config=bits, "
    dequantised = "" if unquantised or generation.weights in (FOUR_BITS, EIGHT_BITS) else DEQUANTISED
    return f"""base = {loader}.from_pretrained(
    **source, {bits}dtype=dtype, device_map={{"": device}}
)
base.generation_config = greedy  # in place of the checkpoint's own sampling and penalties
{dequantised}model = PeftModel.from_pretrained(base, adapter, autocast_adapter_dtype=False).eval()
"""


def _whole_model(loader: str) -> str:
    """Lines that load a whole checkpoint."""
    return f"""model = {loader}.from_pretrained(**source, dtype=dtype, device_map={{"": device}}).eval()
model.generation_config = greedy  # in place of the checkpoint's own sampling and penalties
"""


def _complete(described: Described) -> str:
    """Lines that complete the prompt, and print what remains of the completion."""
    begin = "greedy.decoder_start_token_id = model.config.decoder_start_token_id\n" if described.apart else ""
    first = "1" if described.apart else "ids.shape[1]"
    return f"""{begin}new = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids))[0, {first} :].tolist()

new = [token for token in new if token not in greedy.eos_token_id]
text = tokenizer.decode(new, clean_up_tokenization_spaces=False)
{_answer(described.ending)}print(text)
"""


def _answer(ending: Ending) -> str:
    """A line that cuts a text where a completion ends, as `Ending.answer` does."""
    end = f".removesuffix({ending.closing.strip()!r}).strip()" if ending.closing.strip() else ""
    if not ending.markers:
        return f"text = text.strip(){end}\n"
    if len(ending.markers) == 1 and "\n" not in ending.markers[0]:
        return f"text = text.split({ending.markers[0]!r})[0].strip(){end}\n"
    pieces = f'f"\\n{{text}}\\n".split(marker)[0] for marker in {ending.markers}'
    return f"text = min(({pieces}), key=len).strip(){end}\n"
