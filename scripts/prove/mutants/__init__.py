"""Mutation testing of the contracts: small changes of the source, each of which some unit test must notice.

`python -m scripts.prove.mutants` does the whole: it lists the mutants of the target files (`operators`, `yul`), draws
the sample (`sample`), compiles the contracts without optimizer and without the IR pipeline (`compiler`), learns which
test reaches which statement (`coverage`), runs the tests of `tests/contracts` against every mutant in a forked process
until one fails (`campaign`, `harness`, `forked`), and writes `docs/security/mutation.md` (`report`).

Nothing in the checkout is touched meanwhile: the tests get the mutated bytecode in place of what Ape would compile.
State and results are under `.prove/mutants/`; a campaign that was stopped goes on where it was.
"""
