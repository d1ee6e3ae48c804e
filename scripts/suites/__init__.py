"""Everything `make check` and `make test` run: which runners, with which budget, and what they found."""
