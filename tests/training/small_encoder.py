"""A small untrained encoder in the format of the package that carries the large one."""

import struct

import numpy as np

WIDTH, INNER, HEADS, LAYERS, PLACES = 32, 64, 4, 2, 192


def packed(vocabulary: list[tuple[str, float]], seed: int = 0) -> bytes:
    """A small untrained encoder in the carrier's format: matrices in blocks of 4 bit, the rest float32."""
    rng = np.random.default_rng(seed)
    shapes = {"emb.word": (len(vocabulary), WIDTH), "emb.pos": (PLACES, WIDTH), "emb.type": (2, WIDTH)}
    shapes |= {f"emb.ln.{kind}": (WIDTH,) for kind in "wb"}
    for layer in range(LAYERS):
        sizes = {"q": (WIDTH, WIDTH), "k": (WIDTH, WIDTH), "v": (WIDTH, WIDTH), "ao": (WIDTH, WIDTH)}
        sizes |= {"fi": (INNER, WIDTH), "fo": (WIDTH, INNER)}
        shapes |= {f"l{layer}.{name}.w": size for name, size in sizes.items()}
        shapes |= {f"l{layer}.{name}.b": size[:1] for name, size in sizes.items()}
        shapes |= {f"l{layer}.{name}.{kind}": (WIDTH,) for name in ("aln", "oln") for kind in "wb"}
    blob = b"".join(piece.encode() for piece, _ in vocabulary)
    ends = np.cumsum([0] + [len(piece.encode()) for piece, _ in vocabulary])
    head = b"E5S1" + struct.pack("<I7i", 1, WIDTH, LAYERS, HEADS, INNER, len(vocabulary), PLACES, 2)
    head += struct.pack("<fi", 1e-12, 32) + struct.pack("<5iQ", len(vocabulary), 0, 2, 1, 3, len(blob))
    head += ends.astype("<u4").tobytes() + np.asarray([score for _, score in vocabulary], "<f4").tobytes() + blob
    head += struct.pack("<iI", 0, 0) + struct.pack("<i", len(shapes))
    directory = sum(2 + len(name) + 5 + 16 for name in shapes)
    bodies, entries, offset = b"", b"", len(head) + directory
    for name, shape in shapes.items():
        count = int(np.prod(shape))
        if len(shape) == 2 and name not in ("emb.pos", "emb.type"):
            nibbles = rng.integers(0, 16, (count // 32, 32), dtype=np.uint8)
            scale = np.full((count // 32, 1), 0.02, "<f2").view(np.uint8)
            body = np.hstack([scale, nibbles[:, :16] | nibbles[:, 16:] << 4]).tobytes()
        else:
            body = np.full(count, name.endswith("ln.w"), "<f4").tobytes()
        entries += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", 0, count, offset, len(body))
        offset += len(body)
        bodies += body
    return head + entries + bodies
