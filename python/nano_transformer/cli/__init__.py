"""The commands: each parses its flags, builds what they describe, and calls the library."""
