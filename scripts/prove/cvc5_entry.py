"""`cvc5_entry.py FILE.smt2`: solve a query of Halmos over the integers. Runs in the environment `.prove/halmos`.

The package of cvc5 has no command of its own. Stakes are divisions of 256-bit words, which solvers that look at single
bits do not finish; read as integers they take less than a second.
"""

from __future__ import annotations

import sys

import cvc5  # type: ignore[import-not-found]


def main(path: str) -> None:
    """Print what the commands of the file answer, and stop after `unsat`: there is no model to ask for."""
    terms = cvc5.TermManager()
    solver = cvc5.Solver(terms)
    solver.setOption("solve-bv-as-int", "sum")
    solver.setOption("produce-models", "true")
    parser = cvc5.InputParser(solver)
    parser.setFileInput(cvc5.InputLanguage.SMT_LIB_2_6, path)
    symbols = parser.getSymbolManager()
    while not (command := parser.nextCommand()).isNull():
        answer = str(command.invoke(solver, symbols))
        sys.stdout.write(answer)
        if answer.strip() == "unsat":
            return


main(sys.argv[1])
