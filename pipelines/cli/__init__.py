"""The `mgbench` command: one file per group of subcommands."""
