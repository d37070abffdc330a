"""The dense decoder-only transformer and the blocks it is made of."""
