"""Charts as SVG text: bars and dots in rows, and lines; every value axis is logarithmic."""

import math
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, TOP, ROW, FOOT = 880, 250, 90, 46, 26, 40
COLOURS = ["#1f6fb4", "#d1495b", "#3a7d44", "#e08e00", "#7a5195", "#00798c", "#8c564b", "#5f6b76", "#b5179e", "#2f4858", "#99a000"]
PAPER, INK, GRID = "#ffffff", "#222222", "#dddddd"


def _text(x, y, words, anchor="start", colour=INK, size=12):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="{size}">{escape(words)}</text>'


def _line(x1, y1, x2, y2, colour=GRID, extra=""):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"{extra}/>'


def _document(height, parts):
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
                      'font-family="sans-serif">', f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>', *parts, "</svg>", ""])


def short(value):
    """1200 as 1.2k, three digits at most."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:.3g}"


class Scale:
    """From values, all above 0, to positions; whole decades."""

    def __init__(self, values, start, end):
        self.low = math.floor(math.log10(min(values)) + 1e-9)
        self.high = max(math.ceil(math.log10(max(values)) - 1e-9), self.low + 1)
        self.start, self.end = start, end

    def at(self, value):
        return self.start + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.start)

    def marks(self):
        return [10.0**k for k in range(self.low, self.high + 1)]


def rows(title, unit, entries, names=()):
    """One row for each (label, values): a bar for one value, dots for several, whose names stand at the foot."""
    entries = [(label, [v for v in values if v]) for label, values in entries]
    entries = [(label, values) for label, values in entries if values]
    scale = Scale([v for _, values in entries for v in values], LEFT, WIDTH - RIGHT)
    bottom = TOP + ROW * len(entries)
    parts = [_text(12, 24, title, size=15)]
    for mark in scale.marks():
        parts += [_line(scale.at(mark), TOP, scale.at(mark), bottom), _text(scale.at(mark), bottom + 16, short(mark), "middle")]
    for index, (label, values) in enumerate(entries):
        middle = TOP + ROW * index + ROW / 2
        ours = label.startswith("Squall")
        parts.append(_text(LEFT - 8, middle + 4, label, "end"))
        if len(values) == 1:
            width = max(1.0, scale.at(values[0]) - LEFT)
            parts.append(f'<rect x="{LEFT}" y="{middle - 8:.1f}" width="{width:.1f}" height="16" fill="{COLOURS[0] if ours else COLOURS[7]}"/>')
        else:
            parts.append(_line(scale.at(values[0]), middle, scale.at(values[-1]), middle, COLOURS[7]))
            parts += [f'<circle cx="{scale.at(v):.1f}" cy="{middle:.1f}" r="5" fill="{COLOURS[k]}"/>' for k, v in enumerate(values)]
        parts.append(_text(scale.at(values[-1]) + 9, middle + 4, short(values[-1])))
    at = LEFT
    for index, name in enumerate(names):
        parts += [f'<circle cx="{at}" cy="{bottom + 29}" r="5" fill="{COLOURS[index]}"/>', _text(at + 9, bottom + 33, name)]
        at += 30 + 8 * len(name)
    parts.append(_text(WIDTH - 12, bottom + 33, unit, "end"))
    return _document(bottom + FOOT, parts)


def lines(title, unit, series, name_of):
    """One line for each (label, [(x, y), ...]) on two logarithmic axes; x is marked where there are values."""
    series = [(label, points) for label, points in series if points]
    xs = sorted({x for _, points in series for x, _ in points})
    left, right, bottom = 60, WIDTH - LEFT - 40, 420
    step = (right - left) / max(1, len(xs) - 1)
    place = {x: left + step * index for index, x in enumerate(xs)}
    scale = Scale([y for _, points in series for _, y in points], bottom, TOP)
    parts = [_text(12, 24, title, size=15)]
    for mark in scale.marks():
        parts += [_line(left, scale.at(mark), right, scale.at(mark)), _text(left - 6, scale.at(mark) + 4, short(mark), "end")]
    parts += [_text(place[x], bottom + 18, name_of(x), "middle") for x in xs]
    parts.append(_text(12, bottom + 36, unit))
    for index, (label, points) in enumerate(series):
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join(f"{place[x]:.1f},{scale.at(y):.1f}" for x, y in points)
        thick = 3 if label.startswith("Squall") else 1.5
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{thick}"/>')
        parts += [f'<circle cx="{place[x]:.1f}" cy="{scale.at(y):.1f}" r="3" fill="{colour}"/>' for x, y in points]
        parts += [_line(right + 14, TOP + 20 * index, right + 34, TOP + 20 * index, colour, f' stroke-width="{thick}"'),
                  _text(right + 40, TOP + 20 * index + 4, label)]
    return _document(bottom + FOOT + 10, parts)
