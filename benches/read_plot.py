"""The plot of benches/read.py: plain SVG, one block of bars for each group. Standard library only."""
from xml.sax.saxutils import escape

COLOURS = {"kpack": "#2a6fb0", "base": "#6b7280", "other": "#b9bec4"}


def bar(row, best, y):
    width = max(1.0, 380 * row["rate"] / best)
    ratio = f", {row['ratio']:.2f}x" if row["ratio"] else ""
    return (f'<text x="215" y="{y}" text-anchor="end">{escape(row["name"])}</text>'
            f'<rect x="223" y="{y - 12}" width="{width:.1f}" height="15" fill="{COLOURS[row["kind"]]}"/>'
            f'<text x="{231 + width:.1f}" y="{y}">{row["rate"]:,.0f}{ratio}</text>')


def svg(groups, note):
    """`groups` as with_ratios gives them; the longest bar of each block has full width."""
    lines, y = [], 30
    for title, unit, rows in groups:
        best = max(row["rate"] for row in rows)
        lines.append(f'<text x="10" y="{y}" font-weight="bold">{escape(title)}, {unit}</text>')
        for row in rows:
            y += 22
            lines.append(bar(row, best, y))
        y += 36
    lines.append(f'<text x="10" y="{y}" font-size="11" fill="#666">{escape(note)}</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{y + 16}" font-family="sans-serif" font-size="13">'
            f'<rect width="100%" height="100%" fill="white"/>{"".join(lines)}</svg>\n')
