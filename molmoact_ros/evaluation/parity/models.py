"""Parity of the network: logits, features and greedy tokens of the small random models of the golden data."""

import json
from pathlib import Path
from typing import Iterator

import numpy as np

from .case import Case

# Suggested in the golden data's README; double precision differs by 3e-5.
TOLERANCE = 2e-4
_FEATURES = ("vit_features", "image_features", "inputs_embeds")


def run(golden: Path) -> Iterator[Case]:
    """Yield the cases of every model in golden/tiny_model."""
    for folder in sorted(path.parent for path in (golden / "tiny_model").glob("*/config.json")):
        try:
            yield from _cases(folder)
        except Exception as error:  # one broken case must not hide the others
            yield Case("tiny_model", folder.name, False, detail=f"{type(error).__name__}: {error}")


def _cases(folder: Path) -> Iterator[Case]:
    from safetensors.torch import load_file

    from ...model import load

    network, meta = load(folder), json.loads((folder / "meta.json").read_text())
    inputs, expected = (load_file(folder / f"{name}.safetensors") for name in ("inputs", "expected"))
    yield _whole(f"{folder.name}/forward", network, inputs, expected)
    yield _hidden_states(f"{folder.name}/hidden_states", network, inputs, expected)
    yield from _generated(folder.name, network, inputs, expected, meta["eos_token_id_for_generated_ids_eos"], 0)
    if (folder / "inputs_batch.safetensors").is_file():
        inputs, expected = (load_file(folder / f"{name}_batch.safetensors") for name in ("inputs", "expected"))
        yield _whole(f"{folder.name}/batch/forward", network, inputs, expected)
        batch = meta["batch"]
        eos, pad = batch["eos_token_id_for_generated_ids_eos"], batch["pad_token_id"]
        yield from _generated(f"{folder.name}/batch", network, inputs, expected, eos, pad)


def _whole(name: str, network, inputs: dict, expected: dict) -> Case:
    """Compare one pass over the whole sequence, and every feature that the golden data hold."""
    found = network(
        inputs["input_ids"],
        inputs["images"],
        inputs["pooled_patches_idx"],
        inputs["position_ids"],
        inputs["attention_mask"],
    )
    real = inputs["attention_mask"].bool()
    errors = {"logit": _distance(found[real], expected["logits"][real])}
    features = [_distance(_feature(network, kind, inputs), expected[kind]) for kind in _FEATURES if kind in expected]
    if features:
        errors["feature"] = max(features)
    return _case(name, errors)


def _feature(network, kind: str, inputs: dict):
    from ...model.network import Prompt

    images, index = inputs["images"], inputs["pooled_patches_idx"]
    if kind == "inputs_embeds":
        return network.embed_prompt(Prompt(inputs["input_ids"], images, index))[0]
    return network.vit_features(images) if kind == "vit_features" else network.image_features(images, index)


def _hidden_states(name: str, network, inputs: dict, expected: dict) -> Case:
    """Compare what goes into the first block, what every block but the last gives, and the final norm's output."""
    found: list = []
    decoder = network.model.transformer
    taken = [block.register_forward_hook(lambda _, __, out: found.append(out)) for block in decoder.blocks]
    try:
        embeddings = _feature(network, "inputs_embeds", inputs)
        last = network.decode(embeddings, inputs["position_ids"])
    finally:
        for hook in taken:
            hook.remove()
    states = [embeddings, *found[:-1], last]
    return _case(name, {"feature": max(_distance(s, expected[f"hidden_states.{i}"]) for i, s in enumerate(states))})


def _generated(name: str, network, inputs: dict, expected: dict, eos: int, pad: int) -> Iterator[Case]:
    from ...model.generate import greedy
    from ...model.network import Prompt

    prompt = Prompt(inputs["input_ids"], inputs["images"], inputs["pooled_patches_idx"])
    mask = inputs["attention_mask"]
    most = expected["generated_ids"].shape[1]
    ids, logits = greedy(network, prompt, most, mask)
    error = _distance(logits, expected["generated_logits"])
    yield _case(f"{name}/generated", {"logit": error}, _same(ids, expected["generated_ids"]))
    ids, _ = greedy(network, prompt, most, mask, eos, pad)
    yield _case(f"{name}/generated_eos", {}, _same(ids, expected["generated_ids_eos"]))


def _distance(found, expected) -> float:
    found, expected = found.detach().numpy(), expected.numpy()
    return float(np.abs(found - expected).max()) if found.shape == expected.shape else float("inf")


def _same(found, expected) -> bool:
    return np.array_equal(found.numpy(), expected.numpy())


def _case(name: str, errors: dict, ids_exact: bool | None = None) -> Case:
    wrong = [f"{kind} differs by {value:.3g}" for kind, value in errors.items() if not value <= TOLERANCE]
    wrong += ["other tokens"] if ids_exact is False else []
    return Case("tiny_model", name, not wrong, errors, ids_exact, "; ".join(wrong))
