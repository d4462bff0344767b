// Compiles spec/nvc.ksy to Python: node compile.js > nvc_kaitai.py
// Needs the npm packages kaitai-struct-compiler 0.11.0 and js-yaml, found through NODE_PATH or a node_modules above.
const fs = require("fs");
const path = require("path");
const yaml = require("js-yaml");
const compiler = require("kaitai-struct-compiler");

const source = fs.readFileSync(path.join(__dirname, "..", "..", "spec", "nvc.ksy"), "utf8");
compiler.compile("python", yaml.load(source), null, false).then(
  (files) => {
    const head = "# ruff: noqa\n# fmt: off\n# Made from spec/nvc.ksy by tests/kaitai/compile.js (kaitai-struct-compiler 0.11.0).\n";
    process.stdout.write(head + files["nvc.py"].trimEnd() + "\n");
  },
  (error) => {
    console.error(String(error));
    process.exit(1);
  }
);
