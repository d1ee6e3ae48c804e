// The npm build of solc, loaded once: answers one standard-JSON input per line with one line.
"use strict";

const solc = require("solc");
const readline = require("node:readline");

readline.createInterface({ input: process.stdin, terminal: false }).on("line", (line) => {
  process.stdout.write(`${solc.compile(line)}\n`);
});
