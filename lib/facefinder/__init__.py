"""Face Finder: every photo of the people you love, out of a pile that nobody ever sorted."""

__version__ = "0.1.0"
