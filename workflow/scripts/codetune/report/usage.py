"""The lines of a model card that load an adapter and complete a prompt as it was done for the scores."""

from codetune.base.text import markdown_block, markdown_cell, markdown_code, printable
from codetune.prompts.completions import Ending
from codetune.prompts.described import Described
from codetune.study.facts import GenerationFacts, TrainingFacts
from codetune.study.model import Source

REQUEST = "Write a Python function that adds two numbers."
FOUR_BITS = "4 bits"  # as generation.json says that weights were not dequantised


def prompt_rows(described: Described) -> list[str]:
    """Rows of the card's table: the template and the end token."""
    end = f"{markdown_code(described.end_token)} (id {described.ending.end})"
    return [f"| template | {markdown_cell(described.template)} |", f"| end token | {end} |"]


def usage_section(training: TrainingFacts, generation: GenerationFacts, described: Described, folder: str) -> str:
    """A section with the exact prompt, and with the code that loads the adapter and uses it.

    Args:
        training: Facts of the training.
        generation: Facts of the predictions that were scored.
        described: How prompts and completions were serialised.
        folder: The card's folder, as seen from the study's.
    """
    prompt = f"{described.prompt.before}{REQUEST}{described.prompt.after}"
    shown = "".join(f"{printable(line)}\n" for line in prompt.split("\n"))
    dtype = training.plan.quantization.compute_dtype
    held = "in 4 bits" if generation.weights == FOUR_BITS else f"dequantised from 4 bits to {dtype}"
    source = training.plan.source
    names = _names(source, folder)
    where = "Run these lines in the folder of the study, which holds the base and the adapter. " if source.path else ""
    code = "\n".join([names, _settings(generation, described), _three_lines(generation, described)])
    return f"""## Use it as it was scored

A prompt, character by character, around an example of a request. An input goes below the instruction, on a line of its
own:

{markdown_block(shown, "text")}

{where}After its settings, three statements load the base in 4 bits, put the adapter beside it, and complete the prompt
by greedy decoding:

{markdown_block(code, "python")}

For the scores, weights were held {held}, and up to {generation.decoding.batch_size} prompts were decoded at once.
{_rounding(dtype)}"""


def _rounding(dtype: str) -> str:
    if dtype == "float32":
        return "A prompt alone gives the same text unless two tokens are equally likely up to rounding."
    return (
        f"In {dtype} a prompt alone, or on another kind of device, is rounded otherwise: a text may differ where two "
        "tokens are about equally likely."
    )


def _names(source: Source, folder: str) -> str:
    """Lines that import, and that name the adapter and its base; a local base only its own study's folder can find."""
    if source.path:
        adapter, where = repr(folder), "from the study's folder, as the base"
    else:
        adapter, where = '"."', "the folder of this card, or the repository that it was uploaded to"
    revision = {} if source.path or not source.revision else {"revision": source.revision}
    return f"""import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, GenerationConfig

adapter = {adapter}  # {where}
source = { {"pretrained_model_name_or_path": source.name, **revision}!r}
request = {REQUEST!r}
"""


def _settings(generation: GenerationFacts, described: Described) -> str:
    """Lines that make the settings of the study, and the prompt."""
    recipe, prompt, decoding = generation.quantization, described.prompt, generation.decoding
    most = str(decoding.max_new_tokens)
    if generation.context is not None:
        most = f"min({most}, {generation.context} - ids.shape[1])"
    return f"""device, dtype = "cuda:0" if torch.cuda.is_available() else "cpu", torch.{recipe.compute_dtype}
bits = BitsAndBytesConfig(
    load_in_4bit=True,
    bnb_4bit_quant_type={recipe.type!r},
    bnb_4bit_use_double_quant={recipe.double},
    bnb_4bit_compute_dtype=dtype,
)
prompt = {prompt.before!r} + request + {prompt.after!r}
tokenizer = AutoTokenizer.from_pretrained(**source)
ids = torch.tensor([{prompt.added} + tokenizer.encode(prompt, add_special_tokens=False)], device=device)
greedy = GenerationConfig(
    do_sample=False, max_new_tokens={most}, eos_token_id={described.ending.stops}, pad_token_id=0
)
"""


def _three_lines(generation: GenerationFacts, described: Described) -> str:
    """Lines that load, adapt and complete; and what is printed of the completion."""
    dequantised = (
        "" if generation.weights == FOUR_BITS else "base.dequantize()  # the same values, in the compute type\n"
    )
    return f"""base = AutoModelForCausalLM.from_pretrained(
    **source, quantization_config=bits, dtype=dtype, device_map={{"": device}}
)
base.generation_config = greedy  # in place of the checkpoint's own sampling and penalties
{dequantised}model = PeftModel.from_pretrained(base, adapter, autocast_adapter_dtype=False).eval()
new = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids))[0, ids.shape[1] :].tolist()

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
