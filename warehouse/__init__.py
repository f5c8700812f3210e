"""The nouns, and what is on disk: tables, the log, the manifest, Parquet files and the engine that reads them.

Enters: validated Arrow batches (`log.Log.append`). Leaves: a pinned snapshot of every acknowledged row that SQL can be
asked of (`engine.ReadEngine`). Promised: acknowledged means kept, once (DESIGN section 4).
"""
