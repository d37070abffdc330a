"""The data-preparing functions under the path that users of `training` try first."""

from nano_transformer.data.prepare import (
    PreparedData,
    prepare_named_pretraining_data,
    prepare_pretraining_data,
)

__all__ = ["PreparedData", "prepare_named_pretraining_data", "prepare_pretraining_data"]
