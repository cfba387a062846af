"""Parity of prompts and token ids: golden folders prompt/ and the ids of processor/."""

import hashlib
import json
import re
from functools import partial
from pathlib import Path
from typing import Callable, Iterator

import numpy as np

from ...errors import InvalidData
from ...model.image_processor import ImageProcessor, ImageProcessorConfig
from ...model.prompt_ids import batch_ids, prompt_ids
from ...reasoning.prompts import prompt_text, question, render_chat
from .case import Case

# A check returns what differs, in words; the first word of each says what was compared.
Check = Callable[[], list[str]]
# Names in special_ids.json that are not the token's own text between angle brackets.
TOKEN_OF = {"image_prompt": "<|image|>"}


def run(golden: Path, tokenizer) -> Iterator[Case]:
    """Yield one case for each row of prompts.json and for the ids of each case of processor/; missing folders: none.

    tokenizer: the one that the golden data were made with. Everything is compared exactly.
    """
    golden = Path(golden)
    if (golden / "prompt/prompts.json").is_file():
        yield from _prompt_cases(golden, tokenizer)
    if (golden / "processor/cases.json").is_file():
        yield from _processor_cases(golden / "processor", tokenizer)


def image_string(grids, nested: bool) -> str:
    """Return what stands before the text in the string that the reference gives to its tokeniser."""
    text = ""
    for number, pair in enumerate(zip(grids[::2], grids[1::2]), 1):
        text += f"Image {number}" if nested else ""
        for height, width in pair:
            text += "<im_start>" + ("<im_patch>" * width + "<im_col>") * height + "<im_end>"
    return text


def written_out(run_length: str) -> str:
    """Return the string that the golden data hold with runs of patches counted, as in `<im_patch>{x14}`."""
    return re.sub(r"<im_patch>\{x(\d+)\}", lambda run: "<im_patch>" * int(run[1]), run_length)


def _prompt_cases(golden: Path, tokenizer) -> Iterator[Case]:
    data = json.loads((golden / "prompt/prompts.json").read_text(encoding="utf-8"))
    for i, row in enumerate(data.get("rows", ())):
        yield _case("prompt", f"rows/{i}/{row['template']}", partial(_row, row, tokenizer), True)
    for row in data.get("chat_template_variants", ()):
        yield _case("prompt", f"chat_template/{row['name']}", partial(_variant, row), None)
    for row in data.get("full_tokenizer_inputs", ()):
        yield _case("prompt", f"full/{row['name']}", partial(_full, row, golden, tokenizer), True)
    if "text_only_processor_call" in data:
        yield _case("prompt", "text_only", partial(_text_only, data["text_only_processor_call"], tokenizer), True)
    for i, row in enumerate(data.get("tokenizer_samples", ())):
        yield _case("prompt", f"tokenizer_samples/{i}", partial(_sample, row, tokenizer), True)


def _row(row: dict, tokenizer) -> list[str]:
    name, instruction = row["template"], row["instruction"]
    return [
        *_differ("user_text", question(name, instruction), row["user_text"]),
        *_differ("rendered", prompt_text(name, instruction), row["rendered"]),
        *_differ_ids("token_ids", tokenizer.encode(row["rendered"]), row["token_ids"]),
    ]


def _variant(row: dict) -> list[str]:
    try:
        found = render_chat(row["messages"], row.get("add_generation_prompt", True))
    except InvalidData as error:
        return [] if "error" in row else [f"rendered: {error}"]
    return [f"rendered: {found!r} instead of an error"] if "error" in row else _differ("text", found, row["rendered"])


def _full(row: dict, golden: Path, tokenizer) -> list[str]:
    path = golden / "processor/preprocessor_config.json"
    config = ImageProcessorConfig.from_dict(json.loads(path.read_text())) if path.is_file() else ImageProcessorConfig()
    blank = [np.zeros((height, width, 3), np.uint8) for width, height in row["image_sizes_wh"]]
    grids = ImageProcessor(config).process(blank, row["nested"]).grids
    text = prompt_text(row["template"], row["instruction"])
    string = image_string(grids, row["nested"]) + text
    ids = prompt_ids(tokenizer, text, grids, row["nested"])
    decoded = tokenizer.decode(ids[1:], skip_special=False) == string
    return [
        *_differ("length", len(string), row["tokenizer_input_len_chars"]),
        *_differ("run_length", string, written_out(row["tokenizer_input_run_length"])),
        *_differ("sha256", hashlib.sha256(string.encode()).hexdigest(), row["tokenizer_input_sha256"]),
        *_differ_ids("pieces", ids[1:], tokenizer.encode(string)),
        *_differ("n_input_ids", len(ids), row["n_input_ids"]),
        *_differ_ids("first_ids", ids[: len(row["first_ids"])], row["first_ids"]),
        *_differ_ids("last_ids", ids[len(ids) - len(row["last_ids"]) :], row["last_ids"]),
        *_differ("decoded_equals", decoded, row.get("decoded_equals", decoded)),
    ]


def _text_only(row: dict, tokenizer) -> list[str]:
    texts = [row["text"]] if isinstance(row["text"], str) else row["text"]
    ids, mask = batch_ids(tokenizer, texts, [()] * len(texts), nested=False)
    return [
        *_differ_ids("input_ids", ids, row["input_ids"]),
        *_differ_ids("attention_mask", mask, row["attention_mask"]),
    ]


def _sample(row: dict, tokenizer) -> list[str]:
    faults = _differ_ids("ids", tokenizer.encode(row["text"]), row["ids"]) if "text" in row else []
    for key, skip in (("decoded", False), ("decoded_skip_special", True)):
        faults += _differ(key, tokenizer.decode(row["ids"], skip), row[key]) if key in row else []
    return faults


def _processor_cases(folder: Path, tokenizer) -> Iterator[Case]:
    for row in json.loads((folder / "cases.json").read_text(encoding="utf-8"))["cases"]:
        for index, key in enumerate(("input_ids", "attention_mask")):
            yield _case(
                "processor", f"{row['name']}/{key}", partial(_processor, row, folder, tokenizer, index, key), True
            )
    if (folder / "special_ids.json").is_file():
        ids = json.loads((folder / "special_ids.json").read_text())
        yield _case("processor", "special_ids", partial(_special, ids, tokenizer), True)


def _processor(row: dict, folder: Path, tokenizer, index: int, key: str) -> list[str]:
    # rows of -1 fill the grids of a prompt with fewer images than its neighbours
    grids = [[tuple(pair) for pair in pairs if min(pair) >= 0] for pairs in row["image_grids"]]
    with np.load(folder / row["file"]) as arrays:
        return _differ_ids(key, batch_ids(tokenizer, row["text"], grids, row["nested"])[index], arrays[key])


def _special(ids: dict, tokenizer) -> list[str]:
    found = {"bos": tokenizer.bos_id, "eos": tokenizer.eos_id, "pad": tokenizer.pad_id, "len_tokenizer": len(tokenizer)}
    # sizes of the network, not of the tokeniser
    names = ids.keys() - {"embedding_rows", "additional_vocab_size"}
    found = {name: tokenizer.id_of(TOKEN_OF.get(name, f"<{name}>")) for name in names} | found
    return [fault for name in sorted(names) for fault in _differ(name, found[name], ids[name])]


def _case(group: str, name: str, check: Check, ids: bool | None) -> Case:
    """Run one check; whatever it raises is a case that did not pass. ids: whether it compares integers."""
    try:
        faults = check()
    except Exception as error:
        faults = [f"{type(error).__name__}: {error}"]
    return Case(group, name, not faults, {}, ids and not faults, faults[0] if faults else "")


def _differ(what: str, found, wanted) -> list[str]:
    if found == wanted:
        return []
    if isinstance(found, str) and isinstance(wanted, str):
        at = next((i for i, (a, b) in enumerate(zip(found, wanted)) if a != b), min(len(found), len(wanted)))
        return [f"{what}: {found[at : at + 40]!r} instead of {wanted[at : at + 40]!r} at character {at}"]
    return [f"{what}: {found!r} instead of {wanted!r}"]


def _differ_ids(what: str, found, wanted) -> list[str]:
    found, wanted = np.asarray(found), np.asarray(wanted)
    if found.shape != wanted.shape:
        return [f"{what}: shape {found.shape} instead of {wanted.shape}"]
    places = np.argwhere(found != wanted)
    if not len(places):
        return []
    at = tuple(places[0].tolist())
    return [f"{what}: {found[at]} instead of {wanted[at]} at {at}, {len(places)} differ"]
