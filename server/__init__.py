"""hening-server: publishes signed updates and public content, and learns nothing about who asks."""
