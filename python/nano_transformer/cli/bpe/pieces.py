"""How the tokens of a text are shown: on alternating backgrounds in a terminal, else with | between."""

import sys
from collections.abc import Sequence

from nano_transformer.tokenization.inspection import Piece, spell

STYLES = tuple(f"white on {name}" for name in ("dark_green", "navy_blue", "dark_red", "purple4"))
SPECIAL = "bold reverse"


def show_pieces(pieces: Sequence[Piece], *, in_colours: bool) -> None:
    """Write the tokens of a text, then their ids, then how many there are."""
    if in_colours:
        _show_colours(pieces)
    else:
        sys.stdout.write("|".join(spell(piece.token) for piece in pieces) + "\n")
        sys.stdout.write("|".join(str(piece.token_id) for piece in pieces) + "\n")
    num_bytes = sum(len(piece.token) for piece in pieces)
    sys.stdout.write(
        f"{len(pieces):,} tokens, {num_bytes:,} bytes, "
        f"{num_bytes / max(len(pieces), 1):.2f} bytes per token\n"
    )


def _show_colours(pieces: Sequence[Piece]) -> None:
    from rich.console import Console
    from rich.text import Text

    tokens, ids = Text(), Text()
    for index, piece in enumerate(pieces):
        style = SPECIAL if piece.is_special else STYLES[index % len(STYLES)]
        # A line break is shown as a sign and made too, so that lines stay lines.
        tokens.append(spell(piece.token), style)
        tokens.append("\n" * piece.token.count(b"\n"))
        ids.append(str(piece.token_id), style)
        ids.append(" ")
    console = Console(file=sys.stdout, force_terminal=True, highlight=False, soft_wrap=True)
    console.print(tokens)
    console.print(ids)
