"""Adapters: a loaded one computes as the trained one did."""

import pytest
import torch
from codetune.methods.adapters import load_adapter
from codetune.models.loading import load_base
from miniatures import BF16, FAMILIES, PROJECTIONS, tokens_for
from peft import LoraConfig, get_peft_model


@pytest.mark.parametrize("name", FAMILIES)
def test_a_loaded_adapter_computes_as_it_did_in_training(checkpoints, tmp_path, name):
    """In bf16, without the autocast that training has."""
    torch.manual_seed(0)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=PROJECTIONS, init_lora_weights=False)
    trained = get_peft_model(load_base(checkpoints / name, BF16), config).eval()
    for parameter in trained.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    trained.save_pretrained(str(tmp_path))
    loaded = load_adapter(load_base(checkpoints / name, BF16), tmp_path)
    assert {p.dtype for n, p in loaded.named_parameters() if "lora_" in n} == {torch.bfloat16}
    ids = torch.tensor([tokens_for(checkpoints / name, 3)[0].prompt])
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = trained(input_ids=ids).logits.float()
    with torch.no_grad():
        found = loaded(input_ids=ids).logits.float()
    assert ((found - expected).norm() / expected.norm()).item() < 0.01
