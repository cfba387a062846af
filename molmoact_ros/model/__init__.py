"""The network, readable top to bottom: config, vision, connector, decoder, cache, depth VQ-VAE, loading."""


def load(path, dtype="float32", device: str = "cpu"):
    """Load a checkpoint folder, published or embedded, as a torch module in evaluation mode.

    dtype: a torch dtype or its name, "bfloat16" for the 7B models. The module's `forward(input_ids, images,
    pooled_patches_idx, position_ids=None, attention_mask=None)` returns logits (batch, s, vocab_size);
    `vit_features(images)` and `image_features(images, pooled_patches_idx)` are its parts. See loading.load_network.
    """
    from .loading import load_network

    return load_network(path, dtype, device)
