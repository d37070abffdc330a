"""The exceptions a user can cause: one base class, one subclass per part of the road."""


class NanoTransformerError(Exception):
    """Base of every error this package raises on purpose; the commands print it as one sentence."""


class ConfigError(NanoTransformerError, ValueError):
    """A setting that cannot work: the message names the field, its value and what would do."""


class TokenizerError(NanoTransformerError, ValueError):
    """A vocabulary, merge list, token id or text that the tokenizer cannot accept."""


class DataError(NanoTransformerError, ValueError):
    """A text file or token cache that is missing, malformed, stale or too short."""


class CheckpointError(NanoTransformerError, ValueError):
    """A run folder or checkpoint that is missing, damaged, or belongs to something else."""
