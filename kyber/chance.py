"""Random numbers by name: a seed and names in, a stream of numbers out that nothing else draws from."""

from hashlib import sha256

import numpy as np


def stream(seed: int, *names: str) -> np.random.Generator:
    """The numbers that chance gives to what has these names: the same ones always, and no others' ones."""
    digest = sha256("\0".join(names).encode()).digest()
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=tuple(np.frombuffer(digest, "<u4").tolist())))
