"""Take the pictures of the gallery anew: run the blocks of tutorial and gallery, open the pages.

    python docs/gallery/make.py

Needs autospec and pillow in this interpreter's environment, and `chromium` on the PATH.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

HERE = Path(__file__).resolve().parent
GUIDES = (HERE.parent / "tutorial.md", HERE.parent / "gallery.md")
PAGES = {
    "search": ("runs/skane/report.html", 1500),
    "localise": ("runs/farm/report.html", 1500),
    "map": ("scans-predictions-map.html", 1130),
    "spectra": ("spectra.html", 900),
    "cubes": ("runs/cubes/report.html", 1500),
    "maps": ("runs/maps/report.html", 1500),
    "frames": ("runs/maps/map.html", 900),
    "compare": ("runs/compared/compare.html", 1300),
}  # and how many pixels from the top are shown
WIDTH = 1280
COLOURS = 256
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-sync",
    "--disable-background-networking", "--virtual-time-budget=10000",
)  # fmt: skip


def run_blocks(guide: Path, folder: Path) -> None:
    """Run the Python and shell blocks of a page, in order."""
    for language, block in re.findall(r"```(\w+)\n(.*?)```", guide.read_text("utf-8"), re.DOTALL):
        if language in ("bash", "python"):
            shell = ["bash", "-euc"] if language == "bash" else [sys.executable, "-c"]
            subprocess.run([*shell, block], cwd=folder, check=True)


def photograph(page: Path, height: int, picture: Path) -> None:
    """Write the upper part of a page as a PNG of few colours."""
    with TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        size = f"--window-size={WIDTH},{height}"
        own = f"--user-data-dir={folder}/profile"
        command = ["chromium", *FLAGS, own, size, f"--screenshot={shot}", page.as_uri()]
        subprocess.run(command, check=True, timeout=180, stderr=subprocess.DEVNULL)
        with Image.open(shot) as image:
            few = image.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
            few.save(picture, optimize=True)


def main() -> None:
    """Take every picture."""
    with TemporaryDirectory() as folder:
        for guide in GUIDES:
            run_blocks(guide, Path(folder))
        for name, (page, height) in PAGES.items():
            photograph(Path(folder) / page, height, HERE / f"{name}.png")


if __name__ == "__main__":
    main()
