"""The index's file: its tables, its encryption, and how something leaves it for good."""
