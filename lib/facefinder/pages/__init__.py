"""What the pages share: templates with everything escaped, the texts of one language in one file, one style."""
