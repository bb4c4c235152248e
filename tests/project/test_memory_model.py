"""What benchmarks/memory.py counts, by hand and against models that do have numbers."""

import json
from dataclasses import replace
from types import SimpleNamespace

import memory
import memory_table
import pytest
import torch
from codetune.methods.counting import count_parameters
from codetune.models.attention import EACH
from codetune.models.device import set_determinism
from codetune.models.fits import memory_key, needed
from codetune.models.loading import load_base
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.tokensets import TokenSample
from codetune.study.config import load_study
from codetune.study.decoding import Decoding
from codetune.study.method import TuningSettings
from codetune.training.build import TrainingTokens, make_trainer
from counting import Live, Saved, inside
from miniatures import BF16, PLAN
from torch._subclasses.fake_tensor import FakeTensorMode
from tunings import lora
from weightless import as_on_gpu

LORA = lora(lora_dropout=0.05)
FULL = TuningSettings("full")
HELD = memory.Held(LORA)
LENGTHS = [40, 30, 26]


def config_of(folder):
    """Only what says how large it is, as benchmarks/architectures.json has it."""
    config = json.loads((folder / "config.json").read_text())
    return {key: value for key, value in config.items() if key not in ("dtype", "architectures")}


def test_what_is_alive_is_counted_while_it_is():
    with FakeTensorMode(), Live() as live:
        first = torch.zeros(1000)
        view = first[:10]
        second = first + 1
        assert live.now == 8000
        del first
        assert live.now == 8000, "the view holds it"
        del view
        assert live.now == 4000
        second = second.half() * 2  # for a moment 4,000 + 2,000 + 2,000
        assert (live.now, live.peak) == (2000, 8000)
        del second
    assert live.now == 0


def test_what_kernels_allocate_inside_counts_at_the_peak_only():
    weight, bf16 = (11, 7), torch.zeros(2, 7, dtype=torch.bfloat16)
    assert inside("bitsandbytes.gemm_4bit.default", (bf16, None, weight)) == 2 * 11 * 7
    query = torch.zeros(5, 3, 8, dtype=torch.bfloat16)
    assert inside("torch_attn._varlen_attn_backward.default", (None, query)) == 8 * 5 * 3 * 8
    assert inside("aten.mm.default", (bf16, bf16)) == 0


def test_what_autograd_saves_is_counted_once_and_without_parameters():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 16, bias=False), torch.nn.SiLU(), torch.nn.Linear(16, 4, bias=False))
    saved = Saved(model)
    with saved.counting():
        output = model(torch.ones(3, 8))
        (output * output).sum()
    # Of three rows of 4-byte numbers: the input, what SiLU takes, what it gives, and the output, which is saved twice.
    assert saved.by_place == {
        ("0", (3, 8), "float32"): 3 * 8 * 4,
        ("1", (3, 16), "float32"): 3 * 16 * 4,
        ("2", (3, 16), "float32"): 3 * 16 * 4,
        ("", (3, 4), "float32"): 3 * 4 * 4,
    }
    assert saved.total == 3 * 4 * (8 + 16 + 16 + 4)


def bytes_of(model):
    """Of a model's tensors: weights in 4 bits with their scales, all others."""
    tensors = [*model.parameters(), *model.buffers()]
    for state in [p.quant_state for p in model.parameters() if hasattr(p, "quant_state")]:
        tensors += [x for part in (state, state.state2) for x in vars(part).values() if isinstance(x, torch.Tensor)]
    return sum({x.untyped_storage().data_ptr(): x.untyped_storage().nbytes() for x in tensors}.values())


@pytest.mark.parametrize("name", ["llama-3.2-1b", "gemma-2-2b", "qwen2.5-1.5b"])
def test_models_without_numbers_keep_what_the_trainer_s_model_keeps(checkpoints, tmp_path, name):
    set_determinism(0)
    samples = [TokenSample(i, list(range(5, 25)), list(range(25, 45))) for i in range(8)]
    plan = replace(PLAN, tuning=LORA, quantization=BF16, memory=replace(PLAN.memory, micro_batch=1))
    tokens = TrainingTokens(samples, samples[:2], completion_bytes=100)
    base = load_base(checkpoints / name, BF16)
    trainer = make_trainer(base, load_tokenizer(checkpoints / name), tokens, tmp_path, plan)
    assert trainer.model.config._attn_implementation == EACH
    real = Saved(trainer.model)
    with as_on_gpu():
        memory.step(trainer.model.train(), LENGTHS, real)

    worked_out = memory.training(config_of(checkpoints / name), HELD, LENGTHS, EACH)
    saved = worked_out.saved
    layers = {place: size for place, size in saved.by_place.items() if place[0].startswith("layer")}
    assert len(layers) > 15
    assert layers == {place: size for place, size in real.by_place.items() if place[0].startswith("layer")}
    assert worked_out.kept == pytest.approx(real.total, rel=0.01)
    assert worked_out.weights == pytest.approx(bytes_of(trainer.model), rel=0.01)


def test_each_adapter_keeps_its_own_input_because_of_dropout(checkpoints):
    """As under a GPU's autocast, which leaves the input in bf16: without dropout q, k and v keep the same one."""
    config = config_of(checkpoints / "llama-3.2-1b")
    place = ("layer.self_attn.k_proj.lora_A.default", (sum(LENGTHS), config["hidden_size"]), "bfloat16")
    settings = (replace(HELD, tuning=lora(lora_dropout=p)) for p in (0.05, 0.0))
    with_dropout, without = (memory.training(config, held, LENGTHS).saved for held in settings)
    assert with_dropout.by_place[place] == config["num_hidden_layers"] * sum(LENGTHS) * config["hidden_size"] * 2
    assert place not in without.by_place


def test_twice_the_tokens_keep_twice_the_bytes(checkpoints):
    config = config_of(checkpoints / "qwen2.5-1.5b")
    once, twice = (memory.training(config, HELD, [128] * n) for n in (4, 8))
    assert twice.weights == once.weights
    assert twice.kept == pytest.approx(2 * once.kept, rel=0.05)


def test_capped_scores_are_kept_of_each_sample():
    """Gemma: of each head and each pair of tokens tanh, the softmax and what it is rounded to, in 2 + 4 + 2 bytes."""
    config = memory.ARCHITECTURES["gemma-2-2b"]["config"] | {"num_hidden_layers": 1, "vocab_size": 1000}
    long, short = (memory.training(config, HELD, lengths) for lengths in ([1024], [512] * 2))
    pairs = 1024**2 - 2 * 512**2
    masks = pairs  # one byte a pair, the same for all heads
    assert long.kept - short.kept == pytest.approx(8 * pairs * (2 + 4 + 2) + masks, rel=0.01)


def test_what_is_trained_has_a_gradient_and_moments_in_the_optimizer_s_step(checkpoints):
    config = config_of(checkpoints / "llama-3.2-1b")
    count = count_parameters(config, FULL).total
    in_fp32 = memory.training(config, memory.Held(FULL, "none"), LENGTHS)
    assert in_fp32.weights == pytest.approx(4 * count, rel=0.01)
    assert 4 * 3 * count <= in_fp32.update <= 4 * 4.2 * count, (
        "the gradient, two moments, what torch needs for a moment"
    )
    in_bf16 = memory.training(config, memory.Held(FULL, "none", "bfloat16"), LENGTHS)
    assert in_bf16.weights == pytest.approx(2 * count, rel=0.01)
    largest = config["vocab_size"] * config["hidden_size"]  # one weight at a time is in fp32
    assert (2 + 2 * 4) * count <= in_bf16.update <= (2 + 2 * 4) * count + 8 * 4 * largest
    factored = memory.training(config, memory.Held(FULL, "none", optimizer="adafactor"), LENGTHS)
    in_8_bits = memory.training(config, memory.Held(FULL, "none", optimizer="adamw_8bit"), LENGTHS)
    assert factored.update < in_fp32.update - 4 * count
    assert in_8_bits.update == pytest.approx(4 * count + 2 * count, rel=0.2), "a byte for each moment"


KINDS = [
    ("LORA", {"use_dora": True, "target_modules": "all-linear"}),
    ("IA3", {"target_modules": ["k_proj", "v_proj", "down_proj"], "feedforward_modules": ["down_proj"]}),
    ("LOKR", {"r": 2, "target_modules": "attention"}),
    ("SHIRA", {"r": 2, "target_modules": "attention"}),
    ("FROD", {"target_modules": "attention"}),
    ("WAVEFT", {"n_frequency": 20, "target_modules": "attention"}),
    ("PROMPT_TUNING", {"num_virtual_tokens": 5}),
    ("PREFIX_TUNING", {"num_virtual_tokens": 5}),
]


@pytest.mark.parametrize(("kind", "keys"), KINDS)
@pytest.mark.filterwarnings("ignore")
def test_kinds_of_tuning_and_of_weights_are_worked_out(checkpoints, kind, keys):
    config, tuning = config_of(checkpoints / "llama-3.2-1b"), TuningSettings("peft", {"type": kind, **keys})
    found = memory.training(config, memory.Held(tuning, "none"), LENGTHS)
    assert found.kept > 0
    assert found.rest > 0
    assert found.update >= 3 * 4 * count_parameters(config, tuning).trainable


def test_checkpointing_and_fewer_bits_save_memory(checkpoints):
    config = config_of(checkpoints / "llama-3.2-1b")
    plain, again = (memory.training(config, replace(HELD, checkpointing=on), [256] * 2).sum for on in (False, True))
    assert again < plain
    sizes = [memory.training(config, replace(HELD, weights=kind), LENGTHS).weights for kind in ("none", "int8", "nf4")]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 3


@pytest.mark.parametrize("name", ["qlora", "prefix"])
def test_the_table_of_trainings_says_what_is_worked_out(name):
    """One entry of each kind; and the depth from which deep models are worked out does not matter."""
    study = load_study(memory_table.read_config([memory_table.ROOT / "benchmarks" / "methods.yaml"]))
    run = next(run for run in study.planned if (run.model, run.method) == ("llama-3.2-1b", name))
    plan, config = study.for_training(run), memory.ARCHITECTURES[run.model]["config"]
    table = json.loads((memory_table.ROOT / "benchmarks" / "memory.json").read_text())
    found = table["trainings"][memory_key(config, plan)]
    assert memory_table.entry(config, plan) == pytest.approx(
        {key: found[key] for key in found if "gb" in key}, abs=0.05
    )
    whole = memory.training(config, memory.held(plan), memory.samples_of(1, plan.settings.max_length))
    assert needed(found, 1) == pytest.approx(whole.sum / 1e9, rel=0.01)


def test_the_table_has_all_that_is_shipped():
    table = json.loads((memory_table.ROOT / "benchmarks" / "memory.json").read_text())
    for overlay in ("config/config.yaml", "config/methods.yaml", "config/variants.yaml", "benchmarks/methods.yaml"):
        study = load_study(memory_table.read_config([memory_table.ROOT / overlay]))
        for run in study.planned:
            shapes = table["shapes"][study.models[run.model].source.repo]
            assert memory_key(shapes, study.for_training(run)) in table["trainings"], f"{run.model} {run.method}"


def test_generation_is_bounded_by_its_cache(checkpoints):
    config = memory.ARCHITECTURES["llama-3.2-1b"]["config"] | {"num_hidden_layers": 2}
    a_token = 2 * 2 * 8 * 64 * 2
    decoding = Decoding(max_new_tokens=100, batch_size=256, cache_gb=200 * a_token * 10 / 1e9)
    found = memory.generation(config, None, decoding, prompt=100)
    assert 10 * 100 * a_token <= found.kept <= 10 * 200 * a_token * 1.01
    embedding, layer = 128256 * 2048, 2048 * (2048 * 2 + 512 * 2 + 8192 * 3)
    assert found.weights == pytest.approx(2 * (embedding + 2 * layer), rel=1e-3), "dequantised"


def test_the_largest_micro_batch_divides_the_batch():
    sums = {1: 5e9, 2: 8e9}  # 20 GB with 6
    assert [memory.largest(sums, size) for size in (64, 128, 160, 6, 7)] == [4, 4, 5, 6, 1]
    assert memory.largest({1: 21e9, 2: 30e9}, 64) == 1
    assert memory.largest({0: 2e9, 4: 14e9}, 64) == 4


def test_the_row_names_the_largest():
    table = {name: {"weights": 1.0, "kept": 2.0, "rest": 3.0, "sum": total} for name, total in (("a", 6.0), ("b", 7.0))}
    row = memory.row_of("training", table)
    assert (row.part, row.result, row.detail[:2]) == ("memory, full size: training", 7.0, "b:")


@pytest.mark.parametrize("keys", [{"trainable_token_indices": [5, 6]}, {"modules_to_save": ["embed_tokens"]}])
def test_weights_that_are_trained_beside_an_adapter_take_memory(keys):
    """Of a model whose embedding is tied to its output layer."""
    config = memory.ARCHITECTURES["llama-3.2-1b"]["config"] | {"num_hidden_layers": 2}
    alone, beside = (memory.training(config, replace(HELD, tuning=lora(r=8, **more)), LENGTHS) for more in ({}, keys))
    assert beside.sum > alone.sum
    if "modules_to_save" in keys:
        embedding = 128256 * 2048
        assert beside.of_update - alone.of_update > 4 * 4 * embedding  # in fp32: weights, gradients, two moments


def test_where_large_weights_are_trained_the_whole_model_is_worked_out(monkeypatch):
    """Which moment is the fullest depends on the depth there."""
    depths = []
    monkeypatch.setattr(
        memory_table, "_of_depth", lambda config, *_: depths.append(config["num_hidden_layers"]) or {"update_gb": 1e9}
    )
    monkeypatch.setattr(memory_table, "training", lambda *_: SimpleNamespace(sum=2e9))
    study = load_study(memory_table.read_config([]))
    plan = study.for_training(study.planned[0])
    config = memory.ARCHITECTURES["llama-3.2-1b"]["config"]
    assert memory_table.entry(config, replace(plan, tuning=lora(modules_to_save=["lm_head"]))) == {"update_gb": 2.0}
    memory_table.entry(config, plan)
    assert depths == [16, 2, 4]
