import { isHoldfastError } from '../../src/domain/errors.ts';
import { findMoto } from './find-moto.ts';

// What `npm test` runs first (scripts/setup.mjs): after it, the S3 server of the tests is there.
try {
  await findMoto((line) => {
    console.log(`setup: ${line}`);
  });
} catch (error) {
  if (!isHoldfastError(error)) throw error;
  console.error(`setup: ${error.code} ${error.message} ${error.next}`);
  process.exitCode = error.exitCode;
}
