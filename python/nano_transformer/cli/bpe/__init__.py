"""The command nanot-bpe: one module for each of its commands, and `main`, which chooses one."""
