"""The arithmetic of grouping: who is near whom, and which of them become one. See facefinder.group."""
