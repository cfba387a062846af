"""Open a checkpoint folder with the backend that runs it, and look at its files before anything is loaded."""

from pathlib import Path

from ..errors import InvalidData


def open_runtime(folder, threads: int = 1, dtype: str = "float32", device: str = "auto"):
    """Load the weights and return a Runtime (embedded layout) or a TextRuntime (published layout).

    device: a torch device, or "auto": the first CUDA device, else the CPU. MissingPart or InvalidData.
    """
    import torch

    from ..model.loading import load_network, read_config
    from ..model.published_config import is_published

    if not is_published(read_config(folder)):
        from .torch_runtime import TorchRuntime

        return TorchRuntime(load_network(folder), threads)
    from ..model.processor import load_processor
    from .torch_text_runtime import TorchTextRuntime

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    processor = load_processor(folder)
    return TorchTextRuntime(load_network(folder, dtype, device), processor, threads)


def examine_weights(folder) -> str:
    """Compare the headers of the weights with config.json, without loading them; return what was found in words.

    Every pickle in the folder must hold tensors alone. MissingPart or InvalidData, naming the first fault.
    """
    from ..model.loading import check_headers
    from ..model.pickles import load_tensors

    for path in sorted(Path(folder).glob("*")):
        if path.suffix in (".pt", ".pth", ".bin", ".pkl", ".ckpt"):
            load_tensors(path)
    return check_headers(folder)


def examine_tokenizer(folder, strings) -> str:
    """Check that a published checkpoint's tokenizer knows every one of `strings`, as ids that the network can say.

    InvalidData names the first that it does not; MissingPart when tokenizer or image settings are not there.
    """
    from ..model.loading import network_config
    from ..model.processor import load_processor

    config, tokenizer = network_config(folder), load_processor(folder).tokenizer
    for string in strings:
        ids = tokenizer.encode(string)
        if tokenizer.decode(ids) != string or max(ids) >= config.decoder.vocab_size:
            raise InvalidData(f"'{string}' cannot be said with the tokenizer in '{folder}'", "tokens below "
                              f"{config.decoder.vocab_size}", "Use the tokenizer of this checkpoint.")  # fmt: skip
    patch = tokenizer.image_tokens.patch if tokenizer.image_tokens else None
    if patch != config.image_token:
        raise InvalidData(f"image token {patch} in the tokenizer", f"{config.image_token} as in config.json",
                          "Use the tokenizer of this checkpoint.")  # fmt: skip
    return f"{len(tokenizer)} ids"
