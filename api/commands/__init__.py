"""The commands of `upshot`, one module each."""
