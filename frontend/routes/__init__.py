"""The routes, a file for each thing that one can ask for; each offers ``router(...)``."""
