"""The command line: parse, call the engine, print. Heavy rooms are imported by the command that needs them."""
