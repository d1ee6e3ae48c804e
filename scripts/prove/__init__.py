"""What is proved about the contracts beside the tests: static analysis, symbolic tests, gas, mutants, test trees."""
