"""The islands of the pages: how they are built and served, and what a browser makes of them."""
