import { describeBsonFuzz } from '../../support/fuzz/bson-suite.ts';
import { describeConfigFuzz } from '../../support/fuzz/config-suite.ts';
import { describeObjectsFuzz } from '../../support/fuzz/objects-suite.ts';
import { describeStateFuzz } from '../../support/fuzz/state-suite.ts';

/** Some seconds in all; test/full tries for minutes. */
const budget = { runs: 400, milliseconds: 700 };
describeBsonFuzz(budget);
describeObjectsFuzz(budget);
describeConfigFuzz(budget);
await describeStateFuzz(budget);
