"""Lay out a whole prompt as token ids: BOS, the places of the images, the text; and batches of such rows.

Source: behaviour of the reference processor (golden data README, oddities 12 to 14). Image grids are (h, w) counts of
pooled patches; every image has two, the global picture first, then the high-resolution one.
"""

import unicodedata
from dataclasses import dataclass
from typing import Iterable, Sequence

import numpy as np

from ..errors import InvalidData

IMAGE_TOKEN_NAMES = ("<im_start>", "<im_end>", "<im_patch>", "<im_col>")


@dataclass(frozen=True)
class ImageTokens:
    """Ids of the tokens that make the places of an image: its bounds, one pooled patch, the end of a row."""

    start: int
    end: int
    patch: int
    column: int


def prompt_ids(tokenizer, text: str, grids: Sequence, nested: bool) -> np.ndarray:
    """Return the ids (S,) int64 of one prompt, BOS first unless the row already starts with it.

    text: the rendered chat, "User: ... Assistant:". grids: (h, w) pairs, two per image, none for text alone. nested:
    whether "Image N" stands before each image. Raises InvalidData for grids that are not pairs of positive counts.
    """
    return insert_bos([row_ids(tokenizer, text, grids, nested)], tokenizer.bos_id)[0]


def batch_ids(
    tokenizer, texts: Sequence[str], grids: Sequence[Sequence], nested: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return ids and attention mask (B, S) int64 of several prompts, left-padded; `grids` holds one tuple per text."""
    if len(texts) != len(grids):
        raise InvalidData(f"{len(texts)} texts and {len(grids)} tuples of grids", "one tuple each", "Pair them.")
    rows = [row_ids(tokenizer, text, pairs, nested) for text, pairs in zip(texts, grids)]
    return left_pad(insert_bos(rows, tokenizer.bos_id), tokenizer.pad_id)


def row_ids(tokenizer, text: str, grids: Sequence, nested: bool) -> np.ndarray:
    """Return the ids (S,) int64 of one prompt without BOS.

    Image tokens split the string before anything else looks at it, so the text between them is encoded piece by piece;
    the ids are those of the whole string encoded at once.
    """
    pairs = _checked(grids)
    pieces = []
    for number, (first, second) in enumerate(zip(pairs[::2], pairs[1::2]), 1):
        if nested:
            pieces.append(np.array(tokenizer.encode(f"Image {number}"), np.int64))
        tokens = _image_tokens(tokenizer)
        pieces += [grid_ids(tokens, *first), grid_ids(tokens, *second)]
    return np.concatenate([*pieces, np.array(tokenizer.encode(text), np.int64)])


def grid_ids(tokens: ImageTokens, height: int, width: int) -> np.ndarray:
    """Return start, `height` rows of `width` patches with a column token after each, end: (height*(width+1)+2,)."""
    rows = np.full((height, width + 1), tokens.patch, np.int64)
    rows[:, -1] = tokens.column
    return np.concatenate([[tokens.start], rows.ravel(), [tokens.end]])


def insert_bos(rows: Iterable[np.ndarray], bos_id: int) -> list[np.ndarray]:
    """Put BOS before every row of a batch, unless all of them start with it.

    One row without BOS gives the others, which have it, a second one: so does the reference.
    """
    rows = list(rows)
    if all(len(row) and row[0] == bos_id for row in rows):
        return rows
    return [np.concatenate([[bos_id], row]).astype(np.int64) for row in rows]


def left_pad(rows: Sequence[np.ndarray], pad_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ids (B, S) and attention mask (B, S), both int64: pads and zeros before the shorter rows."""
    if not len(rows):
        raise InvalidData("a batch without rows", "at least one prompt", "Give a text.")
    length = max(len(row) for row in rows)
    ids = np.full((len(rows), length), pad_id, np.int64)
    mask = np.zeros((len(rows), length), np.int64)
    for i, row in enumerate(rows):
        ids[i, length - len(row) :] = row
        mask[i, length - len(row) :] = 1
    return ids, mask


def position_ids(mask) -> np.ndarray:
    """Return positions (B, S) int64 that count real tokens from 0; pads get 1."""
    mask = np.asarray(mask, np.int64)
    return np.where(mask == 0, 1, np.cumsum(mask, axis=-1) - 1)


def check_instruction(tokenizer, instruction: str) -> None:
    """Refuse an instruction that would become control tokens, such as `<im_patch>` or `<|endoftext|>`.

    Words of a person must stay words: an image token in them would be taken for a picture, an end of text for an end.
    Looks at the text in any case (a later clean-up may lower it), at its NFC form (the tokeniser composes characters)
    and at the ids. Raises InvalidData.
    """
    # some vocabularies list runs of blanks as added tokens; those are no control tokens
    known = {token: i for token, i in tokenizer.added_tokens.items() if token.strip()}
    forms = [form.casefold() for form in (instruction, unicodedata.normalize("NFC", instruction))]
    ids = set(tokenizer.encode(instruction))
    found = [token for token, i in known.items() if i in ids or any(token.casefold() in form for form in forms)]
    if found:
        raise InvalidData(
            f"control token '{max(found, key=len)}' in the instruction {instruction!r}",
            "plain words",
            "Say it without the text in angle brackets or bars.",
        )


def _image_tokens(tokenizer) -> ImageTokens:
    if tokenizer.image_tokens is None:
        raise InvalidData(
            "a tokeniser without image tokens", " ".join(IMAGE_TOKEN_NAMES), "Use the checkpoint's own tokeniser files."
        )
    return tokenizer.image_tokens


def _checked(grids: Sequence) -> list[tuple[int, int]]:
    pairs = [tuple(pair) for pair in grids]
    counts = all(isinstance(side, (int, np.integer)) and side > 0 for pair in pairs for side in pair)
    if not counts or len(pairs) % 2 or any(len(pair) != 2 for pair in pairs):
        raise InvalidData(
            f"image grids {pairs}",
            "pairs (h, w) of positive counts, two pairs per image",
            "Give the grids of the image processor, without its padding rows.",
        )
    return pairs
