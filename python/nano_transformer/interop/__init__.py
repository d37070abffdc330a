"""Weights that others trained, read into a `TransformerLM`."""
