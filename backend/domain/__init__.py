"""Pure rules nobody outside needs: no I/O; the clock and ids are arguments."""
