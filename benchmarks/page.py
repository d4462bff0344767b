"""One HTML page that needs nothing else: curves, tables, and a player that shows several videos in step."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from benchmarks.sheets import Shown
from benchmarks.tables import Listing

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1a1a1a;
  background: #fff }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
tr.own { font-weight: 600; background: #f3f6fa }
.wide { overflow-x: auto }
.wide svg, .wide img { max-width: 100%; height: auto }
.wide svg { min-width: 46rem }
.players { display: flex; flex-wrap: wrap; gap: 1rem }
h3, figcaption { overflow-wrap: anywhere }
figure { margin: 0 } figure.wide { margin: 1rem 0 } figcaption { font-size: .9rem }
video { width: 256px; max-width: 100%; background: #000; display: block }
button, input[type=range] { font: inherit; vertical-align: middle }
input[type=range] { width: min(30rem, 60vw) }
"""

_SCRIPT = """
for (const player of document.querySelectorAll(".player")) {
  const videos = [...player.querySelectorAll("video")];
  const button = player.querySelector("button"), slider = player.querySelector("input");
  const lead = videos[0];
  let dragging = false;
  button.addEventListener("click", () => {
    const start = lead.paused;
    for (const video of videos) { if (start) video.play(); else video.pause(); }
    button.textContent = start ? "Pause" : "Play";
  });
  slider.addEventListener("input", () => {
    dragging = true;
    for (const video of videos) video.currentTime = slider.value * (lead.duration || 0);
  });
  slider.addEventListener("change", () => { dragging = false; });
  const step = () => {
    if (lead.duration && !dragging) slider.value = lead.currentTime / lead.duration;
    // A video that drifts by more than a frame is set right; less would stutter.
    for (const video of videos.slice(1))
      if (!lead.paused && Math.abs(video.currentTime - lead.currentTime) > 0.06) video.currentTime = lead.currentTime;
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}
document.body.dataset.ready = "yes";
"""


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, emphasised: str | None = None) -> str:
    """An HTML table of texts; rows whose first cell is `emphasised` stand out."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = ""
    for row in rows:
        mark = ' class="own"' if row[0] == emphasised else ""
        body += f"<tr{mark}>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n"
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>'


def paragraphs(lines: Sequence[str]) -> str:
    """Plain lines as paragraphs."""
    return "".join(f"<p>{escape(line)}</p>\n" for line in lines)


def listing(content: Listing) -> str:
    """Sentences and a table."""
    own = table(content.header, content.rows, emphasised=content.emphasised) if content.rows else ""
    return paragraphs(content.notes) + own


def player(shown: Sequence[Shown], *, name: str) -> str:
    """Videos that start, stop and seek together, embedded in the page."""
    figures = ""
    for item in shown:
        source = data_uri(item.video, "video/mp4")
        video = f'<video muted playsinline loop preload="auto" src="{source}"></video>'
        figures += f"<figure>{video}<figcaption>{escape(item.title)}</figcaption></figure>\n"
    controls = (
        '<p><button type="button">Play</button> '
        f'<input type="range" min="0" max="1" step="0.001" value="0" aria-label="position in {escape(name)}"></p>'
    )
    return f'<section class="player"><h3>{escape(name)}</h3>{controls}<div class="players">{figures}</div></section>'


def picture(path: Path, *, caption: str) -> str:
    """An embedded PNG."""
    image = f'<img src="{data_uri(path, "image/png")}" alt="{escape(caption)}">'
    return f'<figure class="wide">{image}<figcaption>{escape(caption)}</figcaption></figure>'


def drawing(path: Path) -> str:
    """An embedded SVG, from its svg element on."""
    text = path.read_text()
    return f'<div class="wide">{text[text.index("<svg") :]}</div>'


def page(title: str, sections: Sequence[tuple[str, str]]) -> str:
    """The whole page from (heading, HTML) pairs."""
    body = "".join(f"<h2>{escape(heading)}</h2>\n{content}\n" for heading, content in sections)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f'<link rel="icon" href="data:,"><style>{_STYLE}</style></head>\n'
        f"<body><h1>{escape(title)}</h1>\n{body}<script>{_SCRIPT}</script></body></html>\n"
    )


def data_uri(path: Path, kind: str) -> str:
    """A file as a data: address."""
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
