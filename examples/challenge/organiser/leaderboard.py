"""The leaderboard over all submissions: a table (Markdown and CSV) and a picture (SVG). What was rejected only counts.

python leaderboard.py --folder leaderboard            what entrants see: ranked by the public score
python leaderboard.py --folder leaderboard --final    at the end: ranked by the private score, which is shown then
"""

import argparse
import csv
import json
from html import escape
from pathlib import Path

BAR, GAP, LEFT, WIDTH = 26, 10, 180, 420
LONGEST = 22  # characters of a name that fit beside the bars
COLOURS = {"public": "#9ab8d7", "private": "#1f5d99"}


def results(session, prefix: str) -> list[dict]:
    """What every submission came to, from its ``result.json``; ``session`` is the SDK's."""
    client, bucket = session.boto_session.client("s3"), session.default_bucket()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/submissions/")
    keys = [item["Key"] for page in pages for item in page.get("Contents", []) if item["Key"].endswith("/result.json")]
    return [json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys]


def ranked(found: list[dict], side: str) -> list[dict]:
    """Each entrant's best submission, the best first; the earlier of two that are level."""
    best: dict[str, dict] = {}
    scored = [result for result in found if "scores" in result]
    for result in sorted(scored, key=lambda r: (-r["scores"][side]["score"], r["time"])):
        best.setdefault(result["entrant"], result)
    return list(best.values())


def rows(ranking: list[dict], sides: tuple[str, ...], counts: dict[str, int]) -> list[list[str]]:
    horizons = list(ranking[0]["scores"][sides[0]]["f1"]) if ranking else []
    table = [["rank", "entrant", *(f"{side} score" for side in sides), *horizons, "submissions"]]
    for rank, result in enumerate(ranking, start=1):
        scores = [f"{result['scores'][side]['score']:.4f}" for side in sides]
        parts = [f"{result['scores'][sides[0]]['f1'][name]:.4f}" for name in horizons]
        table.append([str(rank), result["entrant"], *scores, *parts, str(counts[result["entrant"]])])
    return table


def markdown(table: list[list[str]]) -> str:
    head, *body = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in table]
    return "\n".join([head, f"|{'---|' * len(table[0])}", *body]) + "\n"


def picture(ranking: list[dict], sides: tuple[str, ...]) -> str:
    """A bar for each entrant and side."""
    height = len(ranking) * (BAR * len(sides) + GAP) + 50
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 80}" height="{height}" '
        'font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="white"/>',
    ]
    for place, side in enumerate(sides):
        left = LEFT + 130 * place
        parts.append(
            f'<rect x="{left}" y="11" width="12" height="12" fill="{COLOURS[side]}"/>'
            f'<text x="{left + 18}" y="22" font-size="15">{side} score</text>'
        )
    top = 38
    for rank, result in enumerate(ranking, start=1):
        middle = top + BAR * len(sides) / 2 + 4
        name = f"{rank}. {result['entrant']}"
        shown = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}\u2026"
        parts.append(
            f'<text x="{LEFT - 10}" y="{middle}" text-anchor="end">{escape(shown)}<title>{escape(name)}</title></text>'
        )
        for side in sides:
            score, colour = result["scores"][side]["score"], COLOURS[side]
            parts.append(
                f'<rect x="{LEFT}" y="{top + 3}" width="{score * WIDTH:.1f}" height="{BAR - 6}" fill="{colour}"/>'
                f'<text x="{LEFT + score * WIDTH + 6:.1f}" y="{top + BAR / 2 + 5}">{score:.4f}</text>'
            )
            top += BAR
        top += GAP
    return "\n".join([*parts, "</svg>"]) + "\n"


def write(found: list[dict], folder: Path, final: bool) -> str:
    """Write the three files; returns the table as Markdown."""
    sides = ("private", "public") if final else ("public",)
    ranking = ranked(found, sides[0])
    counts = {entrant: sum(r["entrant"] == entrant for r in found) for entrant in {r["entrant"] for r in found}}
    table = rows(ranking, sides, counts)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "leaderboard.md").write_text(markdown(table))
    (folder / "leaderboard.svg").write_text(picture(ranking, sides))
    with (folder / "leaderboard.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(table)
    return markdown(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prefix", default="challenge")
    parser.add_argument("--folder", type=Path, default=Path("leaderboard"))
    parser.add_argument("--final", action="store_true", help="rank by the private score, and show it")
    options = parser.parse_args()
    from sagemaker.session import Session  # the rest of this file needs no SDK

    print(write(results(Session(), options.prefix), options.folder, options.final), end="")


if __name__ == "__main__":
    main()
