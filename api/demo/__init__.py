"""A support agent that does not exist: three weeks of its traffic, with a truth that is known."""
