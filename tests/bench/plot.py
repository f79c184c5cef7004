"""A plot of flows per second, as SVG."""

from collections.abc import Sequence

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 640, 320, 50, 30, 50
_COLOURS = ("#8aa4c8", "#4f6d9e", "#1f3a68")


def bars(groups: Sequence[tuple[str, Sequence[float]]], *, names: Sequence[str], title: str) -> str:
    """Return grouped bars: for each group a label and one value for each name."""
    highest = max(value for _, values in groups for value in values)
    wide = (_WIDTH - _LEFT) / len(groups)
    thin = wide / (len(names) + 1)
    parts = [_text(_WIDTH / 2, 18, title, size=14)]
    for number, (label, values) in enumerate(groups):
        left = _LEFT + number * wide + thin / 2
        parts += [
            _bar(left + place * thin, thin * 0.9, value, highest, _COLOURS[place]) for place, value in enumerate(values)
        ]
        parts.append(_text(left + thin * len(names) / 2, _HEIGHT - _BOTTOM + 16, label))
    parts += [_legend(place, name) for place, name in enumerate(names)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">'
    return "\n".join(
        [head, f"<title>{title}</title>", '<rect width="100%" height="100%" fill="#fff"/>', *parts, "</svg>\n"]
    )


def _bar(left: float, width: float, value: float, highest: float, colour: str) -> str:
    height = value / highest * (_HEIGHT - _TOP - _BOTTOM - 16)
    top = _HEIGHT - _BOTTOM - height
    rectangle = f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"/>'
    return rectangle + _text(left + width / 2, top - 4, f"{value:.1f}", size=11)


def _legend(place: int, name: str) -> str:
    left, top = _LEFT + place * 190, _HEIGHT - 16
    return f'<rect x="{left}" y="{top - 9}" width="10" height="10" fill="{_COLOURS[place]}"/>' + _text(
        left + 15, top, name, anchor="start"
    )


def _text(left: float, top: float, text: str, *, size: int = 12, anchor: str = "middle") -> str:
    return f'<text x="{left:.1f}" y="{top:.1f}" font-size="{size}" text-anchor="{anchor}" fill="#222">{text}</text>'
