"""How often the shipped rule errs: simulated experiments whose truth is known, judged by the code that users get.

`traffic` makes runs, `looks` turns them into what a report sees on a day, `methods` holds the rule and the usual
methods beside it, `cases` is the table of experiments and bounds, `measure` runs it, `page` writes its numbers into
`docs/how-a-winner-is-decided.md`.
"""
