"""Look at a checkpoint's files before anything is loaded: weights, pickles, tokenizer."""

from pathlib import Path

from ..errors import InvalidData, MissingPart
from ..model.config_file import network_config
from . import engine_manifest
from .factory import choose_backend, engine_folders, source_files

PICKLES = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt")


def examine_weights(folder, image_size: tuple[int, int] | None = None, backend: str = "auto") -> str:
    """See that weights and config.json belong together, without loading them; return what was found in words.

    image_size: (width, height) that an embedded network is to be given, None for a published one. Every pickle in the
    folder must hold tensors alone. Exported graphs say which weights they were made from; torch compares names and
    shapes. MissingPart or InvalidData, naming the first fault.
    """
    for path in sorted(Path(folder).glob("*")):
        if path.suffix.lower() in PICKLES:
            from ..model.pickles import load_tensors

            load_tensors(path)
    picture = network_config(folder).picture
    if picture != image_size:
        found = f"pictures of size {image_size or 'None'} for the network in '{folder}'"
        raise InvalidData(found, f"{picture or 'a published network'}", "Correct the manifest.")
    chosen = choose_backend(folder, backend)
    if chosen == "torch":
        from ..model.loading import check_headers

        return check_headers(folder)
    if chosen == "onnx":
        manifest = engine_manifest.read(folder)
        engine_manifest.refuse(folder, manifest, source_files(folder), {}, "")
        return f"{manifest.form} graphs of these weights, {manifest.capacity} tokens"
    return _examine_engines(folder, chosen)


def _examine_engines(folder, backend: str) -> str:
    """Look for engines of these weights; whether one fits this GPU shows when it is opened."""
    source = source_files(folder)
    fits = [path.name for path in engine_folders(folder, backend) if engine_manifest.read(path).source == source]
    if not fits:
        found = f"no {backend} engine of these weights in '{folder}'"
        flag = backend.replace("_", "-")
        raise MissingPart(found, "one for this GPU", f"Run: molmoact export CHECKPOINT --backend {flag}")
    return f"engines of these weights: {', '.join(fits)}"


def examine_tokenizer(folder, tokens, strings) -> str:
    """Check that a published checkpoint's tokenizer and image settings belong to its network.

    It must know each of `tokens` as one id and each of `strings` as several, all ids that the network can say.
    InvalidData names the first that it does not; MissingPart when tokenizer or image settings are not there.
    """
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
