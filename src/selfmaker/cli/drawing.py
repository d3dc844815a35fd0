"""A pipeline's steps as a picture: layers from top to bottom, each step below all that it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from selfmaker.cli.output import duration
from selfmaker.cli.runs import Row, Run
from selfmaker.workflow.definition import Definition, Step

_WIDTH, _HEIGHT = 200, 52  # of a box
_ACROSS, _DOWN = 36, 56  # between boxes
_MARGIN = 28
_HEAD = 44
_PASSAGE = 12  # how wide a line's passage through a layer is
_LONGEST = 23  # characters of a name in a box
_SWEEPS = 4

# Status -> fill, line and text of a box.
_COLOURS: Mapping[str, tuple[str, str, str]] = {
    "Succeeded": ("#e3f5e6", "#2e8b42", "#14431f"),
    "Failed": ("#fde4e1", "#c63b2b", "#6b1a11"),
    "Stopped": ("#fdf1d3", "#c08a12", "#5e430a"),
    "Stopping": ("#fdf1d3", "#c08a12", "#5e430a"),
    "Executing": ("#e0eefc", "#2d72c4", "#12365f"),
    "Starting": ("#e0eefc", "#2d72c4", "#12365f"),
    "": ("#ffffff", "#9aa3ad", "#3d454d"),
}


@dataclass(frozen=True)
class _Box:
    """Where a step stands; without a step, where a line passes a layer."""

    step: Step | None
    x: float
    y: float
    width: float

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True)
class _Line:
    """From a step to one that needs it: the names of all that it passes, both ends included."""

    stops: tuple[str, ...]
    word: str


def svg(name: str, definition: Definition, run: Run | None) -> str:
    """The picture, coloured by ``run`` where there is one."""
    layers, lines = _layers(definition)
    steps = definition.by_name
    widths = [_layer_width([name in steps for name in layer]) for layer in layers]
    across = max(widths)
    boxes: dict[str, _Box] = {}
    for depth, layer in enumerate(layers):
        x = _MARGIN + (across - widths[depth]) / 2
        for item in layer:
            width = _WIDTH if item in steps else _PASSAGE
            boxes[item] = _Box(steps.get(item), x, _HEAD + _MARGIN + depth * (_HEIGHT + _DOWN), width)
            x += width + _ACROSS
    states = run.steps if run is not None else {}
    head = _head(name, run)
    whole = max(across + 2 * _MARGIN, 2 * _MARGIN + 7.2 * max(len(line) for line in head))
    height = _HEAD + 2 * _MARGIN + len(layers) * _HEIGHT + (len(layers) - 1) * _DOWN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {whole:.0f} {height:.0f}" font-family="Helvetica, Arial, sans-serif" font-size="13">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#7c8792"/></marker></defs>',
        f'<rect width="{whole:.0f}" height="{height:.0f}" fill="#fbfcfd"/>',
        f'<text x="{_MARGIN}" y="30" font-size="16" font-weight="bold" fill="#20272e">{escape(head[0])}</text>',
        f'<text x="{_MARGIN}" y="49" fill="#66707a">{escape(head[1])}</text>',
        *(_drawn(line, boxes) for line in lines),
        *(_word(line, boxes) for line in lines if line.word),
        *(_box(box, box.step, states.get(box.step.name)) for box in boxes.values() if box.step is not None),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _head(name: str, run: Run | None) -> tuple[str, str]:
    if run is None:
        return name, "never run"
    return name, f"execution {run.arn.rpartition('/')[2]}: {run.status}"


def _layer_width(real: Sequence[bool]) -> float:
    return sum(_WIDTH if one else _PASSAGE for one in real) + (len(real) - 1) * _ACROSS


def _layers(definition: Definition) -> tuple[list[list[str]], list[_Line]]:
    """Each step one layer below the lowest of those that it needs, and the lines between them. A line over several
    layers has a passage in each; what follows from other lines is not drawn."""
    depth: dict[str, int] = {}
    above: dict[str, frozenset[str]] = {}  # all that a step needs, directly or not
    for step in definition.sorted_steps:
        depth[step.name] = max((depth[name] + 1 for name in step.needs), default=0)
        above[step.name] = step.needs.union(*(above[name] for name in step.needs))
    layers: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for step in definition.steps:
        layers[depth[step.name]].append(step.name)
    lines = []
    for step in definition.steps:
        implied = frozenset[str]().union(*(above[name] for name in step.needs))
        for name in sorted(step.needs - implied, key=lambda name: depth[name]):
            passages = [f"{name} > {step.name} {layer}" for layer in range(depth[name] + 1, depth[step.name])]
            for layer, passage in enumerate(passages, depth[name] + 1):
                layers[layer].append(passage)
            word = ("True" if step.branch else "False") if name == step.parent else ""
            lines.append(_Line((name, *passages, step.name), word))
    _untangle(layers, lines)
    return layers, lines


def _untangle(layers: list[list[str]], lines: Sequence[_Line]) -> None:
    """Order each layer by the middle of each item's neighbours, downwards and upwards in turn."""
    neighbours: dict[bool, dict[str, list[str]]] = {True: {}, False: {}}
    for line in lines:
        for upper, lower in zip(line.stops, line.stops[1:], strict=False):
            neighbours[True].setdefault(lower, []).append(upper)
            neighbours[False].setdefault(upper, []).append(lower)
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        order = range(1, len(layers)) if downwards else range(len(layers) - 2, -1, -1)
        for number in order:
            places = {item: i - (len(layer) - 1) / 2 for layer in layers for i, item in enumerate(layer)}
            near = neighbours[downwards]
            middles = {
                item: sum(places[n] for n in near[item]) / len(near[item]) if item in near else places[item]
                for item in layers[number]
            }
            layers[number].sort(key=lambda item: middles[item])


def _drawn(line: _Line, boxes: Mapping[str, _Box]) -> str:
    source = boxes[line.stops[0]]
    x, y = source.middle, source.y + _HEIGHT
    path = f"M{x:.1f} {y:.1f}"
    for name in line.stops[1:]:
        box = boxes[name]
        bend = (box.y - y) / 2
        path += f" C{x:.1f} {y + bend:.1f} {box.middle:.1f} {box.y - bend:.1f} {box.middle:.1f} {box.y - 1:.1f}"
        x, y = box.middle, box.y - 1
        if box.step is None:
            y = box.y + _HEIGHT
            path += f" L{x:.1f} {y:.1f}"
    return f'<path d="{path}" fill="none" stroke="#7c8792" stroke-width="1.3" marker-end="url(#tip)"/>'


def _word(line: _Line, boxes: Mapping[str, _Box]) -> str:
    """Which branch a line leads into, on a ground of its own so that no line runs through it."""
    source, target = boxes[line.stops[0]], boxes[line.stops[1]]
    x, y = (source.middle + target.middle) / 2, (source.y + _HEIGHT + target.y) / 2
    return (
        f'<rect x="{x - 16:.1f}" y="{y - 9:.1f}" width="32" height="16" fill="#fbfcfd"/>'
        f'<text x="{x:.1f}" y="{y + 3:.1f}" font-size="11" text-anchor="middle" fill="#4d5761">{line.word}</text>'
    )


def _box(box: _Box, step: Step, state: Row | None) -> str:
    status = state["StepStatus"] if state is not None else ""
    fill, line, ink = _COLOURS[status]
    dashes = ' stroke-dasharray="5 3"' if state is None else ""
    title = f"{step.name} ({step.type}){f': {status}' if status else ''}"
    if state is not None and state.get("FailureReason"):
        title += f"\n{state['FailureReason']}"
    name = str(step.raw.get("DisplayName") or step.name)
    name = name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"
    return (
        f'<g><title>{escape(title)}</title><rect x="{box.x:.1f}" y="{box.y:.1f}" width="{_WIDTH}" height="{_HEIGHT}" '
        f'rx="{26 if step.type == "Condition" else 6}" fill="{fill}" stroke="{line}" stroke-width="1.4"{dashes}/>'
        f'<text x="{box.middle:.1f}" y="{box.y + 22:.1f}" text-anchor="middle" font-weight="bold" fill="{ink}">'
        f'{escape(name)}</text><text x="{box.middle:.1f}" y="{box.y + 39:.1f}" text-anchor="middle" '
        f'font-size="11" fill="{ink}">{escape(_detail(step, state))}</text></g>'
    )


def _detail(step: Step, state: Row | None) -> str:
    if state is None:
        return step.type
    parts = [step.type, state["StepStatus"].lower()]
    outcome = (state.get("Metadata") or {}).get("Condition", {}).get("Outcome")
    if outcome:
        parts[1] = outcome
    if state.get("CacheHitResult"):
        parts[1] = "cached"
    elif state.get("EndTime") and not outcome:
        parts.append(duration(state["EndTime"] - state["StartTime"]))
    return " · ".join(parts)
