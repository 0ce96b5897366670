"""Everything that knows Lightning: tasks, datamodules, callbacks and the command line."""
