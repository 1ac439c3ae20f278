"""Key ceremonies: who may sign what in a first repository, and each change of that."""
