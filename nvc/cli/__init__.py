"""The commands: parsing of arguments, messages and exit codes, and nothing else."""
