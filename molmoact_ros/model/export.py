"""Export a network as two ONNX graphs: the eye (`vision`), and one decoder step for prefill, decoding and checking.

Both forms come from the same modules: `native` keeps attention, rotation and cache writes as operators of opset 24;
`compat` spells them out in opset 18 for older engines. The cache is an input and an output of fixed size; bound to one
buffer it is written in place.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..errors import InvalidData, missing_package
from .attention_ops import OPSET, EagerOps, NativeOps
from .kv_cache import SlotCache
from .network import MolmoActNetwork, Prompt

FORMS = {"native": (OPSET, NativeOps), "compat": (18, EagerOps)}
_INSIDE = "network."
# Inputs of a decoder step before the caches.
_FIXED = 4
# Constants of more bytes are not folded.
_FOLDED = 4096


@dataclass(frozen=True)
class ExportPlan:
    """form: one of FORMS. capacity: tokens that the cache holds. legal: ids that scores are wanted of, None = all.

    trim: attend to what the mask covers instead of the whole cache: less to compute, but no two steps are alike.
    """

    form: str = "native"
    capacity: int = 2048
    legal: np.ndarray | None = None
    trim: bool = False

    def __post_init__(self):
        if self.form not in FORMS:
            raise InvalidData(f"export form '{self.form}'", f"one of {sorted(FORMS)}", "Choose one of them.")


class DecoderStep(nn.Module):
    """(embeddings, positions, start, mask, caches…) -> (logits, caches…); shapes in `decoder_inputs`."""

    def __init__(self, network: MolmoActNetwork, plan: ExportPlan):
        super().__init__()
        self.network, self.ops, self.layers = network, FORMS[plan.form][1], network.config.decoder.num_hidden_layers
        whole = plan.legal is None or len(plan.legal) == network.config.decoder.vocab_size
        rows = None if whole else network.lm_head.weight[torch.from_numpy(plan.legal)]
        self.head = None if whole else nn.Parameter(rows.detach().clone(), requires_grad=False)

    def forward(self, embeddings, positions, start, mask, *caches):
        """Run one step."""
        cache = SlotCache(caches[: self.layers], caches[self.layers :], start, mask, self.ops)
        hidden = self.network.decode(embeddings, positions, cache)
        logits = self.network.logits(hidden) if self.head is None else nn.functional.linear(hidden, self.head)
        return logits, *cache.keys, *cache.values


class VisionStep(nn.Module):
    """Pictures -> one feature row (rows, hidden) per image token."""

    def __init__(self, network: MolmoActNetwork):
        super().__init__()
        self.network = network

    def forward(self, images, other):
        """Run the ViT on crops (t, n, 3pp) and pooled_index (p, 4), or the small tower on (1, 3, h, w) and ids."""
        if self.network.config.vit is None:
            return self.network.look(Prompt(other, images))[0]
        # which places have a row must not depend on data in an engine: the caller leaves the empty ones out
        return self.network.model.vision_backbone.pooled(images[None], other[None])


def decoder_inputs(network: MolmoActNetwork, plan: ExportPlan, tokens: int = 3) -> dict[str, torch.Tensor]:
    """Return example inputs of one decoder step by name, in order."""
    decoder, weight = network.config.decoder, network.lm_head.weight
    shape = (1, decoder.num_key_value_heads, plan.capacity, decoder.head_dim)
    names = [f"{kind}_{i}" for kind in ("keys", "values") for i in range(decoder.num_hidden_layers)]
    kind = {"dtype": weight.dtype, "device": weight.device}
    seen = plan.capacity - 1 if plan.trim else plan.capacity
    return {
        "embeddings": torch.zeros(1, tokens, decoder.hidden_size, **kind),
        "positions": torch.arange(tokens, device=weight.device)[None],
        "start": torch.zeros(1, dtype=torch.int64, device=weight.device),
        "mask": torch.ones(1, 1, tokens, seen, dtype=torch.bool, device=weight.device),
        **{name: torch.zeros(shape, **kind) for name in names},
    }


@torch.no_grad()
def export_decoder(network: MolmoActNetwork, plan: ExportPlan):
    """Return the decoder step as an onnx.ModelProto; initializers have the names of the checkpoint's tensors."""
    inputs = decoder_inputs(network, plan)
    caches = list(inputs)[_FIXED:]
    mask = {2: "s", 3: "n"} if plan.trim else {2: "s"}
    axes = {"embeddings": {1: "s"}, "positions": {1: "s"}, "mask": mask}
    outputs = ["logits", *(f"{name}_out" for name in caches)]
    return _export(DecoderStep(network, plan), inputs, axes, outputs, plan)


@torch.no_grad()
def export_vision(network: MolmoActNetwork, plan: ExportPlan):
    """Return the eye as an onnx.ModelProto: (crops, pooled_index) or (image, ids) -> features."""
    config, dtype = network.config, network.lm_head.weight.dtype
    if config.vit is None:
        width, height = config.conv.image_size
        ids = torch.full((1, 2 + config.conv.tokens + config.tokens.max_words), config.tokens.first_word)
        inputs, axes = {"image": torch.zeros(1, 3, height, width, dtype=dtype), "ids": ids}, {"ids": {1: "s"}}
    else:
        patches = config.vit.num_positions - config.vit.use_cls_token
        crops = torch.zeros(2, patches, 3 * config.vit.patch_size**2, dtype=dtype)
        inputs = {"crops": crops, "pooled_index": torch.arange(24).reshape(6, 4)}
        axes = {"crops": {0: "t"}, "pooled_index": {0: "p"}}
    return _export(VisionStep(network), inputs, axes, ["features"], plan)


def _export(step: nn.Module, inputs: dict, axes: dict, outputs: list[str], plan: ExportPlan):
    try:
        from onnxscript import optimizer
    except ImportError as error:
        raise missing_package("onnxscript", "export") from error
    most = {"n": plan.capacity}
    names = {name for axis in axes.values() for name in axis.values()}
    sizes = {name: torch.export.Dim(name, min=1, max=most.get(name, 8192)) for name in names}
    shapes = [{axis: sizes[size] for axis, size in axes.get(name, {}).items()} for name in inputs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            step.eval(),
            tuple(inputs.values()),
            dynamo=True,
            opset_version=FORMS[plan.form][0],
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes=(*shapes[:_FIXED], tuple(shapes[_FIXED:])) if len(shapes) > _FIXED else tuple(shapes),
            optimize=False,
            verbose=False,
        )
    # Large weights stay what the checkpoint has, name by name; only small constants are folded.
    optimizer.optimize_ir(
        program.model, input_size_limit=_FOLDED, output_size_limit=_FOLDED, should_fold=_may_be_folded
    )
    return _bare(program.model_proto)


def _may_be_folded(node) -> bool | None:
    """Keep what reads a weight, such as its transposition; leave the rest to the optimizer."""
    return False if any(value is not None and value.is_initializer() for value in node.inputs) else None


def _bare(model):
    """Give initializers the checkpoint's names and drop notes on where in Python each node comes from."""
    for value in model.graph.initializer:
        value.name = value.name.removeprefix(_INSIDE)
    for node in model.graph.node:
        node.input[:] = [name.removeprefix(_INSIDE) for name in node.input]
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
    for field in ("value_info", "doc_string", "metadata_props"):
        model.graph.ClearField(field)
    model.ClearField("metadata_props")
    return model
