"""The tokeniser: the shipped Qwen2 files, files that are broken, and text that comes back."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers, processors

from molmoact_ros.errors import InvalidData, MissingPart
from molmoact_ros.evaluation.parity.prompts import run
from molmoact_ros.model.prompt_ids import ImageTokens
from molmoact_ros.model.tokenizer import load_tokenizer

ROOT = Path(__file__).parents[2]
QWEN2 = load_tokenizer(ROOT / "models/qwen2_tokenizer")
SHARED = ROOT.parent / "shared/golden/molmoact_v1"
COPIED = Path(__file__).parent / "golden"
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
ADDED = ["<|endoftext|>", "<DEPTH_0>", "<im_start>", "<im_end>", "<im_patch>", "<im_col>"]
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
PIECES = st.lists(st.one_of(TEXT, st.sampled_from(sorted(QWEN2.added_tokens)))).map("".join)


def small_files(folder: Path) -> Path:
    """Write a tokeniser of 256 bytes, one merge and six added tokens."""
    vocabulary = {token: i for i, token in enumerate([*BYTES, "ab"])}
    flags = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": False}
    decoder = {
        str(257 + i): {"content": t, "special": not t.startswith("<DEPTH"), **flags} for i, t in enumerate(ADDED)
    }
    config = {"tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": decoder, "eos_token": "<|endoftext|>"}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\na b\n", encoding="utf-8")
    (folder / "added_tokens.json").write_text(json.dumps({t: 257 + i for i, t in enumerate(ADDED)}))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def small(tmp_path):
    return small_files(tmp_path)


def edit(path: Path, **changes):
    """Change top-level keys of a JSON file; None removes one."""
    data = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))


@pytest.mark.parametrize("folder", [COPIED, SHARED], ids=["copied", "shared"])
def test_prompts_agree_with_the_reference(folder):
    if not (folder / "prompt").is_dir():
        pytest.skip(f"no golden data in '{folder}'")
    cases = [case for case in run(folder, QWEN2) if case.group == "prompt"]
    assert len(cases) == 74
    assert [case for case in cases if not case.passed] == []


def test_a_wrong_prompt_does_not_pass(tmp_path):
    data = json.loads((COPIED / "prompt/prompts.json").read_text())
    data["rows"] = data["rows"][:1]
    data["rows"][0]["token_ids"][3] += 1
    data["chat_template_variants"][0]["rendered"] += " "
    data["tokenizer_samples"] = [{"ids": [10**9], "decoded": ""}]
    data["full_tokenizer_inputs"][0]["image_sizes_wh"] = []
    data["text_only_processor_call"]["attention_mask"] = [[1]]
    (tmp_path / "prompt").mkdir()
    (tmp_path / "prompt/prompts.json").write_text(json.dumps(data))
    failed = {case.name: case.detail for case in run(tmp_path, QWEN2) if not case.passed}
    assert set(failed) == {
        "rows/0/first_image",
        "chat_template/string_content",
        "tokenizer_samples/0",
        "full/flat_1/first_image",
        "text_only",
    }
    assert failed["rows/0/first_image"].endswith("at (3,), 1 differ")


def test_the_shipped_tokeniser_has_the_published_ids():
    assert len(QWEN2) == 152070
    assert QWEN2.bos_id == QWEN2.eos_id == QWEN2.pad_id == 151643
    assert QWEN2.image_tokens == ImageTokens(start=152064, end=152065, patch=152066, column=152067)
    assert [QWEN2.id_of(f"<DEPTH_{i}>") for i in ("START", "END", 0, 127)] == [151665, 151666, 151667, 151794]
    assert QWEN2.id_of("<DEPTH_128>") is None


@settings(deadline=None)
@given(TEXT)
def test_text_comes_back_composed(text):
    assert QWEN2.decode(QWEN2.encode(text), skip_special=False) == unicodedata.normalize("NFC", text)


@settings(deadline=None)
@given(PIECES)
def test_text_with_added_tokens_comes_back(text):
    found = QWEN2.decode(QWEN2.encode(text), skip_special=False)
    assert unicodedata.normalize("NFC", found) == unicodedata.normalize("NFC", text)


def test_special_tokens_are_left_out_and_depth_tokens_kept():
    ids = np.array(QWEN2.encode("<|endoftext|><im_patch><DEPTH_7> go  on<|im_end|>"))
    assert QWEN2.decode(ids) == "<DEPTH_7> go  on"
    assert QWEN2.decode(ids, skip_special=False) == "<|endoftext|><im_patch><DEPTH_7> go  on<|im_end|>"


@pytest.mark.parametrize("bad", [-1, 152070, 2**32, 2**70])
def test_an_id_beyond_the_table_is_refused(bad):
    with pytest.raises(InvalidData, match=f"token id {bad}; expected an id of this tokeniser \\(0..152069\\)"):
        QWEN2.decode([1, bad])


def test_a_lone_surrogate_is_refused():
    with pytest.raises(InvalidData, match="surrogate"):
        QWEN2.encode("pick \ud800 up")


def test_a_small_folder_is_read(small):
    tokenizer = load_tokenizer(small)
    assert len(tokenizer) == 263 and tokenizer.image_tokens == ImageTokens(259, 260, 261, 262)
    assert tokenizer.encode("ab<im_col>") == [256, 262]
    assert tokenizer.decode([256, 258, 262]) == "ab<DEPTH_0>"


def test_added_tokens_alone_give_the_ids(small):
    (small / "tokenizer_config.json").unlink()
    tokenizer = load_tokenizer(small)
    assert tokenizer.eos_id == tokenizer.bos_id == tokenizer.pad_id == 257
    assert tokenizer.decode([257, 258]) == "<DEPTH_0>"


def test_the_configuration_alone_gives_the_ids(small):
    (small / "added_tokens.json").unlink()
    assert load_tokenizer(small).id_of("<im_col>") == 262


def test_a_vocabulary_without_image_tokens_has_none(small):
    (small / "added_tokens.json").write_text(json.dumps({"<|endoftext|>": 257}))
    (small / "tokenizer_config.json").unlink()
    assert load_tokenizer(small).image_tokens is None


def test_the_named_special_tokens_are_used(small):
    names = {"bos_token": None, "eos_token": {"content": "<DEPTH_0>"}, "pad_token": "<im_end>"}
    edit(small / "tokenizer_config.json", **names)
    tokenizer = load_tokenizer(small)
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id) == (258, 258, 260)


def test_tokenizer_json_of_any_family_goes_first(small):
    backend = Backend(models.WordLevel({"pick": 0, "up": 1, "?": 2, "<s>": 3}, unk_token="?"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 3)])
    backend.add_special_tokens(["<s>", *ADDED])
    backend.enable_padding(length=9)
    backend.enable_truncation(1)
    backend.save(str(small / "tokenizer.json"))
    edit(small / "tokenizer_config.json", added_tokens_decoder=None, tokenizer_class="GPT2Tokenizer", bos_token="<s>")
    (small / "added_tokens.json").unlink()
    tokenizer = load_tokenizer(small)
    assert tokenizer.encode("pick up it <im_patch>") == [0, 1, 2, tokenizer.image_tokens.patch]
    assert tokenizer.bos_id == 3 and tokenizer.eos_id == 4


def test_tokenizer_json_says_the_same_as_the_two_files_it_was_made_of(tmp_path):
    QWEN2._backend.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_bytes(
        (ROOT / "models/qwen2_tokenizer/tokenizer_config.json").read_bytes()
    )
    other, text = load_tokenizer(tmp_path), "Don't  move 12\r\n\n<DEPTH_3>e\u0301 \u65e5\u672c."
    assert other.encode(text) == QWEN2.encode(text) and other.added_tokens == QWEN2.added_tokens


@pytest.mark.parametrize("name", ["vocab.json", "merges.txt"])
def test_a_missing_file_is_named(small, name):
    (small / name).unlink()
    with pytest.raises(MissingPart, match=f"no {name} in"):
        load_tokenizer(small)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(MissingPart, match="no vocab.json in .*nowhere"):
        load_tokenizer(tmp_path / "nowhere")


BROKEN = [
    ("vocab.json", "{"),
    ("vocab.json", "[]"),
    ("vocab.json", '{"a": "b"}'),
    ("vocab.json", '{"a": 0}'),
    ("vocab.json", '{"a": 0, "b": 0}'),
    ("merges.txt", "#version: 0.2\na b c\n"),
    ("merges.txt", "a\n"),
    ("merges.txt", "#version: 0.2\na c\n"),
    ("added_tokens.json", "nothing"),
    ("added_tokens.json", '{"<|endoftext|>": "257"}'),
    ("added_tokens.json", '{"<a>": 263, "<b>": 263}'),
    ("tokenizer_config.json", "{]"),
    ("tokenizer_config.json", '{"eos_token": 5}'),
    ("tokenizer_config.json", '{"added_tokens_decoder": {"257": {}}}'),
    ("tokenizer_config.json", '{"added_tokens_decoder": {"x": {"content": "<a>"}}}'),
    ("tokenizer_config.json", '{"added_tokens_decoder": [1]}'),
    ("tokenizer.json", "{"),
    ("tokenizer.json", "{}"),
]


@pytest.mark.parametrize("name, text", BROKEN)
def test_a_broken_file_is_named_in_one_line(small, name, text):
    (small / name).write_text(text)
    with pytest.raises(InvalidData, match=f"{name}' cannot be used") as error:
        load_tokenizer(small)
    assert "\n" not in str(error.value)


def test_bytes_that_are_not_text_are_refused(small):
    (small / "merges.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidData, match="merges.txt' cannot be used"):
        load_tokenizer(small)


@pytest.mark.parametrize(
    "tokens, fault",
    [
        ({"<new>": 270}, "added token '<new>' with id 270 in .*added_tokens.json' but 263"),
        ({"<im_start>": 260}, "added token '<im_start>' with id 260 in .* but 259"),
        ({"ab": 263}, "added token 'ab' with id 263 in .* but 256"),
    ],
)
def test_an_added_token_with_another_id_is_refused(small, tokens, fault):
    (small / "added_tokens.json").write_text(json.dumps(tokens))
    with pytest.raises(InvalidData, match=fault):
        load_tokenizer(small)


def test_another_family_needs_its_tokenizer_json(small):
    edit(small / "tokenizer_config.json", tokenizer_class="GPT2Tokenizer")
    with pytest.raises(InvalidData, match="names the class 'GPT2Tokenizer'"):
        load_tokenizer(small)


def test_a_named_token_that_does_not_exist_is_refused(small):
    edit(small / "tokenizer_config.json", pad_token="<|pad|>")
    with pytest.raises(InvalidData, match="no token '<|pad|>' for pad_token"):
        load_tokenizer(small)


def test_image_tokens_that_take_their_neighbours_are_refused(small):
    decoder = json.loads((small / "tokenizer_config.json").read_text())["added_tokens_decoder"]
    decoder["261"]["rstrip"] = True
    edit(small / "tokenizer_config.json", added_tokens_decoder=decoder)
    with pytest.raises(InvalidData, match="image token '<im_patch>' with lstrip, rstrip"):
        load_tokenizer(small)
