"""Load a checkpoint's tokeniser from its own files, and turn text into ids and back. Never asks a network.

Two forms are read: `tokenizer.json` (any family), or `vocab.json` + `merges.txt` of the Qwen2 family, whose normaliser,
pre-tokeniser and decoder are fixed. Added tokens come from `tokenizer_config.json` and `added_tokens.json`.
"""

import json
from pathlib import Path
from typing import Iterable, Mapping

from ..errors import InvalidData, MissingPart, missing_package
from .prompt_ids import IMAGE_TOKEN_NAMES, ImageTokens

try:
    import tokenizers
    from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers
except ModuleNotFoundError as error:
    raise missing_package("tokenizers", "model") from error

# How Qwen2 cuts text before byte-pair encoding: contractions, words with one leading mark, single digits, punctuation
# with its line ends, line ends, blanks (published tokenizer.json of Qwen2).
QWEN2_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
END_OF_TEXT = "<|endoftext|>"
CONFIG, ADDED, JSON, VOCAB, MERGES = (
    "tokenizer_config.json",
    "added_tokens.json",
    "tokenizer.json",
    "vocab.json",
    "merges.txt",
)
FLAGS = ("lstrip", "rstrip", "single_word", "normalized", "special")


class Tokenizer:
    """Text <-> ids of one checkpoint.

    added_tokens: strings outside the byte-pair vocabulary with their ids; they are recognised anywhere in a text.
    image_tokens: None when the vocabulary lacks them. BOS is eos where the checkpoint names none, as in the reference.
    """

    def __init__(self, backend: "tokenizers.Tokenizer", named: Mapping[str, str]):
        """`named` maps bos_token, eos_token and pad_token to their strings, as far as the checkpoint names them."""
        # a saved tokenizer.json may carry the padding and truncation of its last training run
        backend.no_padding()
        backend.no_truncation()
        self._backend = backend
        self._added = backend.get_added_tokens_decoder()
        self.added_tokens = {token.content: i for i, token in self._added.items()}
        self.eos_id = self._named_id(named, "eos_token", END_OF_TEXT)
        self.bos_id = self._named_id(named, "bos_token", named.get("eos_token", END_OF_TEXT))
        # pads are masked: any id of the table serves where the checkpoint names none
        fallback = END_OF_TEXT if self.id_of(END_OF_TEXT) is not None else named.get("eos_token", END_OF_TEXT)
        self.pad_id = self._named_id(named, "pad_token", fallback)
        self.image_tokens = self._find_image_tokens()

    def __len__(self) -> int:
        """Return the number of ids, added tokens included."""
        return self._backend.get_vocab_size(with_added_tokens=True)

    def id_of(self, token: str) -> int | None:
        """Return the id of a vocabulary string in its byte-level form, or of an added token; None when unknown."""
        return self._backend.token_to_id(token)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text; added tokens in it are recognised, BOS is not put in front.

        Raises InvalidData for a text with lone surrogates, which no encoding of Unicode can carry.
        """
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidData(f"text with a lone surrogate: {error.reason}", "Unicode text", "Clean it.") from error
        return self._backend.encode(text, add_special_tokens=False).ids

    def decode(self, ids: Iterable[int], skip_special: bool = True) -> str:
        """Return the text of ids, spaces as they are; bytes that are not UTF-8 become U+FFFD.

        skip_special leaves out special tokens (image tokens, end of text) but keeps plain added ones (depth tokens).
        Raises InvalidData for an id that the table does not have.
        """
        ids = [int(i) for i in ids]
        unknown = [i for i in ids if not 0 <= i < 2**32 or self._backend.id_to_token(i) is None]
        if unknown:
            raise InvalidData(
                f"token id {unknown[0]}", f"an id of this tokeniser (0..{len(self) - 1})", "Reject the answer."
            )
        return self._backend.decode(ids, skip_special_tokens=skip_special)

    def _named_id(self, named: Mapping[str, str], role: str, default: str) -> int:
        token = named.get(role, default)
        found = self.id_of(token)
        if found is None:
            raise InvalidData(
                f"no token '{token}' for {role}", f"{role} in the vocabulary", f"Complete {CONFIG} and {ADDED}."
            )
        return found

    def _find_image_tokens(self) -> ImageTokens | None:
        ids = [self.added_tokens.get(name) for name in IMAGE_TOKEN_NAMES]
        if None in ids:
            return None
        # prompt_ids encodes the text between image tokens apart, which is exact only for tokens that take nothing
        # from their neighbours
        for token in map(self._added.get, ids):
            if token.lstrip or token.rstrip or token.single_word or token.normalized:
                raise InvalidData(
                    f"image token '{token.content}' with lstrip, rstrip, single_word or normalized set",
                    "a token that matches exactly itself",
                    "Use the checkpoint's own tokeniser files.",
                )
        return ImageTokens(*ids)


def load_tokenizer(folder) -> Tokenizer:
    """Read the tokeniser files of a checkpoint folder.

    Raises MissingPart naming a file that is not there, InvalidData naming a file that is broken or contradicts another.
    """
    folder = Path(folder)
    config = _read_json(folder / CONFIG) if (folder / CONFIG).is_file() else {}
    named = _named(config, folder / CONFIG)
    backend = _from_json(folder / JSON) if (folder / JSON).is_file() else _qwen2(folder, config)
    _add(backend, _declared(config, folder / CONFIG), folder / CONFIG)
    if (folder / ADDED).is_file():
        _add(backend, _bare(backend, _read_json(folder / ADDED), folder / ADDED, config, named), folder / ADDED)
    return Tokenizer(backend, named)


def _from_json(path: Path) -> "tokenizers.Tokenizer":
    try:
        return tokenizers.Tokenizer.from_str(_text(path))
    except InvalidData:
        raise
    except Exception as error:
        raise _broken(path, error) from error


def _qwen2(folder: Path, config: dict) -> "tokenizers.Tokenizer":
    """Build the tokeniser of the Qwen2 family from vocab.json and merges.txt."""
    family = config.get("tokenizer_class") or "Qwen2Tokenizer"
    if not str(family).startswith("Qwen2"):
        raise InvalidData(
            f"no {JSON} in '{folder}', whose {CONFIG} names the class '{family}'",
            f"{JSON}, or files of the Qwen2 family",
            f"Save the tokeniser with its {JSON}.",
        )
    vocabulary, merges = _vocabulary(folder / VOCAB), _merges(folder / MERGES)
    try:
        backend = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    except Exception as error:
        raise _broken(folder / MERGES, error) from error
    backend.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(tokenizers.Regex(QWEN2_PIECES), behavior="isolated")
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([split, to_bytes])
    backend.decoder = decoders.ByteLevel()
    return backend


def _vocabulary(path: Path) -> dict[str, int]:
    """Read vocab.json: every byte has a token, and the ids are 0..n-1 so that added tokens follow without a gap."""
    vocabulary = _read_json(path)
    if not all(type(i) is int for i in vocabulary.values()):
        raise _broken(path, "an id that is not a whole number")
    if sorted(vocabulary.values()) != list(range(len(vocabulary))):
        raise _broken(path, "ids that repeat or leave a gap")
    missing = set(pre_tokenizers.ByteLevel.alphabet()) - vocabulary.keys()
    if missing:
        raise _broken(path, f"no token for {len(missing)} of the 256 bytes")
    return vocabulary


def _merges(path: Path) -> list[tuple[str, str]]:
    """Read merges.txt: a version line, then one pair of tokens a line, in order of rank."""
    lines = [line.rstrip("\r") for line in _text(path).split("\n")]
    first = 1 if lines[0].startswith("#version") else 0
    pairs = [tuple(line.split(" ")) for line in lines[first:] if line]
    for pair in pairs:
        if len(pair) != 2 or not all(pair):
            raise _broken(path, f"the line '{' '.join(pair)[:40]}' is not a pair")
    return pairs


def _named(config: dict, path: Path) -> dict[str, str]:
    """Return the strings of the named special tokens; the file has them bare, as an added token, or null."""
    named = {}
    for role in ("bos_token", "eos_token", "pad_token"):
        token = _content(config.get(role))
        if token is not None and not isinstance(token, str):
            raise _broken(path, f"{role} is not a string")
        if token:
            named[role] = token
    return named


def _declared(config: dict, path: Path) -> dict[int, AddedToken]:
    """Return the added tokens that tokenizer_config.json describes, with their flags."""
    try:
        return {
            int(i): AddedToken(entry["content"], **{flag: bool(entry.get(flag, False)) for flag in FLAGS})
            for i, entry in (config.get("added_tokens_decoder") or {}).items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _broken(path, f"added_tokens_decoder: {error!r}") from error


def _bare(backend, tokens: dict, path: Path, config: dict, named: Mapping[str, str]) -> dict[int, AddedToken]:
    """Return the tokens of added_tokens.json, which has ids but no flags.

    A token that is already known keeps its flags. Of the others, image tokens, end of text and what the configuration
    names are special.
    """
    if not all(type(i) is int for i in tokens.values()) or len(set(tokens.values())) != len(tokens):
        raise _broken(path, "ids that repeat or are not whole numbers")
    extra = [_content(token) for token in config.get("additional_special_tokens") or []]
    special = {END_OF_TEXT, *IMAGE_TOKEN_NAMES, *named.values(), *(token for token in extra if isinstance(token, str))}
    known = {token.content: token for token in backend.get_added_tokens_decoder().values()}
    flags = {t: {"special": t in special, "normalized": t not in special} for t in tokens}
    return {i: known.get(token) or AddedToken(token, **flags[token]) for token, i in tokens.items()}


def _add(backend, tokens: Mapping[int, AddedToken], path: Path) -> None:
    """Add tokens in order of their ids and check that each one got its id."""
    backend.add_tokens([token for _, token in sorted(tokens.items(), key=lambda item: item[0])])
    for i, token in tokens.items():
        found = backend.token_to_id(token.content)
        if found != i:
            raise InvalidData(
                f"added token '{token.content}' with id {i} in '{path}' but {found} in the vocabulary",
                "the same id in all tokeniser files",
                "Use files of one checkpoint.",
            )


def _content(token):
    """Return the string of a token that a file has bare or as an object with flags."""
    return token.get("content") if isinstance(token, dict) else token


def _read_json(path: Path) -> dict:
    try:
        data = json.loads(_text(path))
    except ValueError as error:
        raise error if isinstance(error, InvalidData) else _broken(path, error) from error
    if not isinstance(data, dict):
        raise _broken(path, "not a JSON object")
    return data


def _text(path: Path) -> str:
    if not path.is_file():
        raise MissingPart(
            f"no {path.name} in '{path.parent}'",
            f"{JSON}, or {VOCAB} and {MERGES}",
            "Copy the checkpoint's tokeniser files into it.",
        )
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise _broken(path, error) from error


def _broken(path: Path, reason) -> InvalidData:
    detail = str(reason).splitlines()[0][:200] if str(reason) else type(reason).__name__
    return InvalidData(f"'{path}' cannot be used: {detail}", f"a whole {path.name}", "Copy the file again.")
