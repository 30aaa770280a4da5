"""What stands on a terminal, for cameras: a QR code drawn in half blocks, decoded by zbarimg."""

import subprocess
import tempfile

BLOCKS = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
SCALE = 4


def rows_of(screen):
    """The code's modules, dark being 1; [] when there is none on the screen."""
    rows = []
    for line in screen.replace("\r", "").split("\n"):
        if not line.startswith("\033[30;107m"):
            continue
        cells = [BLOCKS[c] for c in line.removeprefix("\033[30;107m").removesuffix("\033[0m")]
        rows += [[c[0] for c in cells], [c[1] for c in cells]]
    return rows


def picture(rows):
    """As a camera sees it: a PGM file with each module as a square."""
    width, height = len(rows[0]) * SCALE, len(rows) * SCALE
    out = b"P5 %d %d 255\n" % (width, height)
    for row in rows:
        line = b"".join((b"\x00" if dark else b"\xff") * SCALE for dark in row)
        out += line * SCALE
    return out


def decode(screen):
    """The text of the code on the screen, or None."""
    rows = rows_of(screen)
    if not rows:
        return None
    with tempfile.NamedTemporaryFile(suffix=".pgm") as f:
        f.write(picture(rows))
        f.flush()
        done = subprocess.run(["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", f.name], capture_output=True,
                              text=True, check=False)
    return done.stdout.strip() or None
