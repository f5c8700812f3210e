"""The edge: HTTP, web pages, the command line, and the only place that assembles things.

Enters: requests and commands. Leaves: answers, with one error body for everything that goes wrong.
"""
