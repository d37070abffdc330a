"""Decoding: the key/value cache, choosing the next token, and the loop around both."""
