"""From text files to batches: named datasets, the demo corpus, token caches, and the order of rows."""
