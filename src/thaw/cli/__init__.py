"""The command `thaw`, one module a subcommand. It may import all of `thaw`; nothing imports it."""
