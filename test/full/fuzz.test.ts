import { describeBsonFuzz } from '../support/fuzz/bson-suite.ts';
import { describeConfigFuzz } from '../support/fuzz/config-suite.ts';
import { describeObjectsFuzz } from '../support/fuzz/objects-suite.ts';
import { describeStateFuzz } from '../support/fuzz/state-suite.ts';

/** Half a minute for each property: some ten minutes in all. */
const budget = { runs: 1_000_000, milliseconds: 30_000 };
describeBsonFuzz(budget);
describeObjectsFuzz(budget);
describeConfigFuzz(budget);
await describeStateFuzz(budget);
