"""The network, readable top to bottom: config, vision, connector, decoder, cache, depth VQ-VAE, loading."""
