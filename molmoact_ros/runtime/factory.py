"""Open a checkpoint folder with the backend that runs it, and look at its files before anything is loaded."""

from pathlib import Path

from ..errors import InvalidData, MissingPart

PICKLES = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt")


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
    try:
        network = load_network(folder, dtype, device)
    except (RuntimeError, AssertionError) as error:  # no such device, or no room on it
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        found = f"'{folder}' cannot be put on device '{device}' as {dtype} ({reason})"
        raise MissingPart(found, "a device with room for it", "Choose another device or dtype.") from error
    return TorchTextRuntime(network, processor, threads)


def examine_weights(folder, image_size: tuple[int, int] | None = None) -> str:
    """Compare the headers of the weights with config.json, without loading them; return what was found in words.

    image_size: (width, height) that an embedded network is to be given, None for a published one. Every pickle in the
    folder must hold tensors alone. MissingPart or InvalidData, naming the first fault.
    """
    from ..model.loading import check_headers, network_config
    from ..model.pickles import load_tensors

    for path in sorted(Path(folder).glob("*")):
        if path.suffix.lower() in PICKLES:
            load_tensors(path)
    conv = network_config(folder).conv
    if (conv.image_size if conv else None) != image_size:
        found = f"pictures of size {image_size or 'None'} for the network in '{folder}'"
        raise InvalidData(found, f"{conv.image_size if conv else 'a published network'}", "Correct the manifest.")
    return check_headers(folder)


def examine_tokenizer(folder, tokens, strings) -> str:
    """Check that a published checkpoint's tokenizer and image settings belong to its network.

    It must know each of `tokens` as one id and each of `strings` as several, all ids that the network can say.
    InvalidData names the first that it does not; MissingPart when tokenizer or image settings are not there.
    """
    from ..model.loading import network_config
    from ..model.processor import load_processor

    config, processor = network_config(folder), load_processor(folder)
    tokenizer, do = processor.tokenizer, "Use the tokenizer and the image settings of this checkpoint."
    for string in (*tokens, *strings):
        ids, most = tokenizer.encode(string), 1 if string in tokens else len(string.encode())
        if tokenizer.decode(ids) != string or max(ids) >= config.decoder.vocab_size or len(ids) > most:
            found = f"'{string}' cannot be said with the tokenizer in '{folder}'"
            raise InvalidData(found, f"at most {most} tokens below {config.decoder.vocab_size}", do)
    patch = tokenizer.image_tokens.patch if tokenizer.image_tokens else None
    if patch != config.image_token:
        raise InvalidData(f"image token {patch} in the tokenizer", f"{config.image_token} as in config.json", do)
    crop, seen = processor.images.config.geometry, config.vit.num_positions - config.vit.use_cls_token
    if (crop.side**2, crop.patch_px) != (seen, config.vit.patch_size):
        found = f"crops of {crop.side**2} patches of {crop.patch_px} px in the image settings"
        raise InvalidData(found, f"{seen} of {config.vit.patch_size} px as in config.json", do)
    return f"{len(tokenizer)} ids"
