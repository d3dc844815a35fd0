"""Makes the raw data: scanned sheets of small drawings, one sheet for each class, as PGM images.

``python drawings.py FOLDER``. The drawings differ in place, size, turn and ink, and are the same on every machine.
"""

import sys
from pathlib import Path

import numpy as np

SIZE = 16
ROWS, COLUMNS = 15, 20


def _circle(x, y, radius):
    return np.abs(np.hypot(x, y) - radius)


def _square(x, y, radius):
    return np.abs(np.maximum(np.abs(x), np.abs(y)) - 0.85 * radius)


def _triangle(x, y, radius):
    sides = [np.cos(angle) * x + np.sin(angle) * y for angle in np.radians([90, 210, 330])]
    return np.abs(np.maximum.reduce(sides) - 0.6 * radius)


def _cross(x, y, radius):
    bars = np.minimum(np.abs(x), np.abs(y))
    return np.maximum(bars, np.maximum(np.abs(x), np.abs(y)) - radius)


SHAPES = {"circle": _circle, "cross": _cross, "square": _square, "triangle": _triangle}


def draw(shape, random):
    """One drawing as SIZE x SIZE bytes, white on black. ``shape`` gives the distance of a point from its line."""
    grid = np.arange(SIZE) - SIZE / 2 + 0.5
    x, y = np.meshgrid(grid, grid)
    radius = random.uniform(4.5, 6.5)
    x, y = x - random.uniform(-1.5, 1.5), y - random.uniform(-1.5, 1.5)
    turn = random.uniform(-0.35, 0.35)
    x, y = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
    ink = np.clip(random.uniform(1.2, 1.8) - shape(x, y, radius), 0, 1) * random.uniform(0.6, 1)
    paper = random.normal(0.08, 0.08, (SIZE, SIZE))
    return (np.clip(ink + paper, 0, 1) * 255).astype(np.uint8)


def write_sheets(folder, seed=2024):
    """Write ``<class>.pgm`` for each shape into the folder, ROWS x COLUMNS drawings on each."""
    random = np.random.default_rng(seed)
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, shape in SHAPES.items():
        rows = [np.hstack([draw(shape, random) for _ in range(COLUMNS)]) for _ in range(ROWS)]
        header = f"P5\n{COLUMNS * SIZE} {ROWS * SIZE}\n255\n"
        (Path(folder) / f"{name}.pgm").write_bytes(header.encode() + np.vstack(rows).tobytes())


if __name__ == "__main__":
    write_sheets(sys.argv[1])
