"""The command `thaw`, one module per subcommand. May import everything; nothing imports it."""
