import { isHoldfastError } from '../../src/domain/errors.ts';
import { findMongod } from './find-mongod.ts';

// What `npm test` and `npm run demo` run first (scripts/setup.mjs): after it, the server binary is there.
try {
  await findMongod({
    log: (line) => {
      console.log(`setup: ${line}`);
    },
  });
} catch (error) {
  if (!isHoldfastError(error)) throw error;
  console.error(`setup: ${error.code} ${error.message} ${error.next}`);
  process.exitCode = error.exitCode;
}
