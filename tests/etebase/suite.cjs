// Runs the client's own test suite, which is written for jest, with Node's test runner.
const test = require("node:test");

global.expect = require("expect").expect;
global.describe = test.describe;
global.it = (name, run) => test.it(name, run);
global.it.skip = (name, run) => test.it.skip(name, run);
global.beforeAll = test.before;
global.afterAll = test.after;
global.beforeEach = test.beforeEach;
global.afterEach = test.afterEach;

for (const name of ["Crypto", "Helpers", "Etebase"]) {
  require(`etebase/dist/lib-cjs/${name}.test.js`);
}
