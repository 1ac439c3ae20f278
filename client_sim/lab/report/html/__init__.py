"""The report as a self-contained page: no script, no image, no link to another resource."""
