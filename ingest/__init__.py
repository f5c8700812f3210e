"""The way in: bytes from outside become validated Arrow batches.

Enters: the bytes of a request or a file (`pool.Decoders`, `pipeline.receive`, `files.chunks`), a declaration
(`declare`), OTLP (`otlp`).
Leaves: for each file table of `warehouse/schema.py` rows of exactly its `arriving` columns, as a batch or as entries
for the log, and one `Rejection` for every record that was refused. Promised: a bad record never spoils its
neighbours, and no input raises anything but InputError.
"""
