"""The report as a page that needs nothing from elsewhere: no script, no image, no address."""
