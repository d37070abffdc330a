"""Which layers have a feature: the text forms `all`, `1,3,5`, `every:2`, `from:2` and `except:...`."""

import re
from collections.abc import Sequence

from nano_transformer.errors import ConfigError


def layer_numbers(pattern: str, num_layers: int, *, field: str) -> tuple[int, ...]:
    """Return the layers that a pattern names, in order; the first layer is 0.

    | pattern | layers |
    |---|---|
    | `all`, `none` | every one, no one |
    | `1,3,5` | these |
    | `every:n` | n-1, 2n-1, 3n-1, ... |
    | `from:n` | n and all after it |
    | `except:PATTERN` | all but those of PATTERN |

    Args:
        pattern: One of the forms above.
        num_layers: Layers of the model.
        field: Name of the setting, for messages.

    Raises:
        ConfigError: For any other text, or a layer that the model does not have.

    Example:
        >>> layer_numbers("except:every:3", 6, field="attention_window_pattern")
        (0, 1, 3, 4)
    """
    layers = range(num_layers)
    named = _named(pattern.removeprefix("except:"), layers, field)
    return tuple(layer for layer in layers if (layer in named) != pattern.startswith("except:"))


def _named(pattern: str, layers: range, field: str) -> Sequence[int]:
    if pattern in ("all", "none"):
        return layers if pattern == "all" else ()
    if match := re.fullmatch(r"every:([1-9][0-9]{0,8})", pattern):
        step = int(match[1])
        return layers[step - 1 :: step]
    if match := re.fullmatch(r"from:([0-9]{1,9})", pattern):
        numbers = [int(match[1])]
        found: Sequence[int] = layers[numbers[0] :]
    elif re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9})*", pattern):
        numbers = found = [int(number) for number in pattern.split(",")]
    else:
        raise ConfigError(
            f"`{field}` must be all, none, every:2, from:2, a list such as 1,3,5, or except: "
            f"before one of these; found {pattern!r}"
        )
    if max(numbers) >= len(layers):
        raise ConfigError(
            f"`{field}` {pattern!r} names layer {max(numbers)}, but the layers of this model are "
            f"0 .. {len(layers) - 1}; name one of these"
        )
    return found
