"""Pure heart of the indexer: which blocks are on our chain, what to do next, what an event changes."""
