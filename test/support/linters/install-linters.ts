import { findLinters } from './linters.ts';

// What `npm test` runs first (scripts/setup.mjs): after it, the linters of the tests are there.
await findLinters((line) => {
  console.log(`setup: ${line}`);
});
