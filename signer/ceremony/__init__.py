"""Who may sign what: the first version of a repository, and each change of it."""
