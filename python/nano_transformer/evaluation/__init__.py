"""How good a model is: loss and bits per byte."""
