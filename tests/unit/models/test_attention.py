"""The attention for packed samples: what each kernel computes and where it can run."""

from types import SimpleNamespace

import pytest
import torch
from codetune.models.attention import (
    EACH,
    FLASH,
    Packed,
    attend_each,
    attend_varlen,
    packed_kernels,
    register_packed_attention,
)
from codetune.models.loading import load_base
from miniatures import FP32


@pytest.mark.parametrize("kernel", packed_kernels(torch.bfloat16, "cuda:0"))
def test_transformers_takes_our_kernels_by_their_names(checkpoints, kernel):
    """It looks for a kernel of its own where a name holds "flash"."""
    register_packed_attention()
    model = load_base(checkpoints / "llama-3.2-1b", FP32)
    model.set_attn_implementation(kernel)
    assert model.config._attn_implementation == kernel


def test_flash_attention_is_tried_where_it_can_run():
    assert list(packed_kernels(torch.bfloat16, "cuda:0")) == [FLASH, EACH]
    assert list(packed_kernels(torch.float32, "cuda:0")) == list(packed_kernels(torch.bfloat16, "cpu")) == [EACH]


def test_the_flash_kernel_gets_what_torch_s_documentation_asks_for(monkeypatch):
    """The kernel itself needs a GPU: its place is taken by its definition, sample by sample."""
    import torch.nn.attention.varlen as varlen

    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, heads, 12, 8, generator=generator) for heads in (4, 2, 2))
    packed = Packed([5, 1, 6], "cpu")

    def definition(q, k, v, starts, starts_k, longest, longest_k, *, scale, window_size, enable_gqa):
        assert starts.tolist() == starts_k.tolist() == [0, 5, 6, 12]
        assert starts.dtype == torch.int32
        assert longest == longest_k == 6
        assert window_size == (-1, 0)
        assert enable_gqa
        rows = []
        for start, end in zip(starts.tolist(), starts.tolist()[1:], strict=False):
            for position in range(start, end):
                keys = k[start : position + 1].repeat_interleave(2, dim=1)
                values = v[start : position + 1].repeat_interleave(2, dim=1)
                weights = torch.einsum("hd,khd->hk", q[position], keys).mul(scale).softmax(-1)
                rows.append(torch.einsum("hk,khd->hd", weights, values))
        return torch.stack(rows)

    monkeypatch.setattr(varlen, "varlen_attn", definition)
    layer = SimpleNamespace(head_dim=8)
    expected, _ = attend_each(layer, query, key, value, None, packed, scaling=0.3)
    for window in (None, 6, 4):
        found, _ = attend_varlen(layer, query, key, value, None, packed, scaling=0.3, sliding_window=window)
        expected, _ = attend_each(layer, query, key, value, None, packed, scaling=0.3, sliding_window=window)
        assert found.shape == (1, 12, 4, 8)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
