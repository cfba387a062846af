"""How fast plans are made: one token per pass against every way that needs fewer, same process, same inputs."""
